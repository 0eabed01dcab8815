"""The command line: parses arguments, calls the other packages, prints the result and returns the exit code."""
