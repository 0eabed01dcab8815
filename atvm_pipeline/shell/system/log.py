"""Log lines on standard error, of a command or of a watcher, whose supervisor keeps them (journald, watcher.log)."""

import contextlib
import sys

from atvm_pipeline.core.text import one_line

LOG_LINE_CHARS_MAX = 4000
"""A path alone may have 4096 bytes."""


def log(text: str, *, indent: str = "") -> None:
    """Write one sanitised line. Never raises: a failed write must not stop a watcher or lose a command's result."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{indent}{one_line(text, LOG_LINE_CHARS_MAX)}\n")
        sys.stderr.flush()
