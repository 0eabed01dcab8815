"""Retries of disk writes.

The loop must not act on, or read past, an event that it could not record, and restarting the watcher would not help.
"""

import errno
from collections.abc import Callable
from typing import TypeVar

from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.io_errors import io_error_text
from atvm_pipeline.shell.system.log import log

RETRY_S = 1.0
"""Pause before the next attempt if the disk refuses the journal or a snapshot."""
REFUSED_S = 10.0
"""If the disk refuses writes for this long, the operator is alerted, because nothing can be recorded."""
PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.ENFILE})
"""Errors that end by themselves or when the operator frees space. Permissions, a read-only file system, or a link or
file in place of a directory do not change by waiting: a watcher that starts with them was started with wrong settings."""

IoResult = TypeVar("IoResult")


def retry_io(
    attempt: Callable[[], IoResult],
    what: str,
    *,
    on_round: Callable[[], None],
    on_refused: Callable[[str], None],
    gives_up: Callable[[OSError], bool],
) -> IoResult:
    """Call `attempt` until it succeeds, every RETRY_S seconds; `what` is its verb, such as `write to`.

    `on_round` is called after each failed attempt, `on_refused` once, with one line of text, after REFUSED_S seconds.
    Raises the OSError for which `gives_up` returns true.
    """
    since_s: float | None = clock.monotonic()
    tries = 0
    while True:
        try:
            return attempt()
        except OSError as error:
            text = f"{io_error_text(error, what)}; trying again every {RETRY_S:.0f} s"
            if gives_up(error):
                raise
        if tries == 0:
            log(text)
        if since_s is not None and clock.monotonic() - since_s >= REFUSED_S:
            since_s = None
            on_refused(text)
        tries += 1
        # A retry counts as progress for the service manager's watchdog.
        on_round()
        clock.sleep(RETRY_S)


def is_permanent(error: OSError) -> bool:
    """Return whether waiting cannot fix the error."""
    return error.errno not in PASSING
