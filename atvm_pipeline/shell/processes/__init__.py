"""The process table: identity of a process, its role in a run, and how a process tree is stopped."""
