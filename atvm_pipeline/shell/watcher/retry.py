"""Go on trying what the disk refuses: to act or to read on before would break the order, and a new watcher would do no better."""

import errno
from collections.abc import Callable
from typing import TypeVar

from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.log import log

RETRY_S = 1.0
"""Pause before another try when the disk refuses the journal or a snapshot."""
REFUSED_S = 10.0
"""A disk that refuses for this long is told to a person: nothing can be recorded meanwhile."""
PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.ENFILE})
"""What ends by itself or by somebody who makes room.  Permissions, a read-only place, a link or a file in the place of a
folder stay as they are until somebody changes this watcher's place: for one that starts, that is a wrong call."""

IoResult = TypeVar("IoResult")


def retry_io(
    attempt: Callable[[], IoResult],
    what: str,
    *,
    on_round: Callable[[], None],
    on_refused: Callable[[str], None],
    gives_up: Callable[[OSError], bool],
) -> IoResult:
    """Do `attempt` until it succeeds, every RETRY_S seconds; `what` says in the imperative what it does.

    `on_round` is called at each try that failed, `on_refused` once, with one line, after REFUSED_S seconds.  Raises the
    OSError with which `gives_up`.
    """
    since_s: float | None = clock.monotonic()
    tries = 0
    while True:
        try:
            return attempt()
        except OSError as error:
            text = f"cannot {what}: {error.strerror}; trying again every {RETRY_S:.0f} s"
            if gives_up(error):
                raise
        if tries == 0:
            log(text)
        if since_s is not None and clock.monotonic() - since_s >= REFUSED_S:
            since_s = None
            on_refused(text)
        tries += 1
        # Trying is what can be done.
        on_round()
        clock.sleep(RETRY_S)


def is_permanent(error: OSError) -> bool:
    """Whether waiting does not mend it."""
    return error.errno not in PASSING
