"""The watcher process: its assembly, its loop, and retries of disk writes."""
