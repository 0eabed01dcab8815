"""The runner's side: the wrapper around its command, its stop, and its exit status."""
