"""Log lines on standard error, of a command or of a watcher, whose supervisor keeps them (journald, watcher.log)."""

import contextlib
import os
import sys
import time

from atvm_pipeline.core.text import one_line

LOG_LINE_CHARS_MAX = 4000
"""A path alone may have 4096 bytes."""

_has_times = False


def log(text: str, *, indent: str = "") -> None:
    """Write one sanitised line. Never raises: a failed write must not stop a watcher or lose a command's result."""
    at = time.strftime("%Y-%m-%d %H:%M:%S ") if _has_times else ""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{at}{indent}{one_line(text, LOG_LINE_CHARS_MAX)}\n")
        sys.stderr.flush()


def start_lines_with_time() -> None:
    """Start each further line with the local time, for a process that runs for days; not in journald or on a terminal."""
    global _has_times  # noqa: PLW0603 - one process has one standard error
    _has_times = not _is_journal() and not sys.stderr.isatty()


def _is_journal() -> bool:
    """Return whether standard error is a stream of journald (systemd.exec(5), $JOURNAL_STREAM).

    A process that journald does not read may inherit the variable.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = os.fstat(sys.stderr.fileno())
        return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False


def accepts_line() -> bool:
    """Return whether a line can be written at once; False while the reader of a pipe or socket does not read."""
    import select  # noqa: PLC0415 - commands do not need it

    try:
        poll = select.poll()
        poll.register(sys.stderr.fileno(), select.POLLOUT)
        return bool(poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return True
