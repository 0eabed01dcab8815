"""The watcher's own log: one line to standard error, which the supervisor keeps (journald, or watcher.log)."""

import sys

from atvm_pipeline.core.harmless import one_line

LINE_CHARS_MAX = 4000
"""A line of the log; a path alone may have 4096 bytes."""


def log(text: str) -> None:
    """Say one harmless line.  A log that cannot be written must not stop a watcher: such an error is dropped."""
    try:
        sys.stderr.write(one_line(text, LINE_CHARS_MAX) + "\n")
        sys.stderr.flush()
    except OSError:
        return
