"""Sources of events: log, report files, process tree, markers, exit record."""
