"""The watcher's own log: one line to standard error, which the supervisor keeps (journald, or watcher.log)."""

import sys


def log(text: str) -> None:
    """Say one line.  A log that cannot be written must not stop a watcher: such an error is dropped."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        return
