"""Start of a run: options, conflicts with living runs, template, preflight, watcher, runner."""
