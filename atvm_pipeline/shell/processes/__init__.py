"""Processes: identity and role of a process, the process tree of a run, and how a tree is stopped."""
