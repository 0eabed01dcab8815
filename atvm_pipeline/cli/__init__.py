"""The command line: arguments in, wiring, exit codes out."""
