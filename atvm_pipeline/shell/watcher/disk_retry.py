"""Retries of disk writes.

The loop must not act on, or read past, an event that it could not record, and restarting the watcher would not help.
"""

import errno
from collections.abc import Callable
from typing import TypeVar

from atvm_pipeline.core.events import WriteRefused
from atvm_pipeline.core.text import format_duration
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.io_errors import io_error_text, reason_of
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.repeat_limit import RepeatLimit

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
    on_recovered: Callable[[WriteRefused], None] = lambda _event: None,
    limit: RepeatLimit | None = None,
) -> IoResult:
    """Call `attempt` until it succeeds, every RETRY_S seconds; `what` is its verb, such as `write to`.

    `on_round` is called after each failed attempt, `on_refused` once, with one line of text, after REFUSED_S seconds,
    and `on_recovered` after a success that follows a failure. `limit` decides which refusals are logged.
    Raises the OSError for which `gives_up` returns true.
    """
    refusal: _Refusal | None = None
    while True:
        try:
            result = attempt()
        except OSError as error:
            if gives_up(error):
                raise
            refusal = refusal or _Refusal(error, what, limit or RepeatLimit())
            refusal.again(on_refused)
        else:
            if refusal is not None:
                on_recovered(refusal.ended())
            return result
        # A retry counts as progress for the service manager's watchdog.
        on_round()
        clock.sleep(RETRY_S)


class _Refusal:
    """A time in which the disk refuses one write."""

    def __init__(self, error: OSError, what: str, limit: RepeatLimit) -> None:
        self._path, self._reason, self._what = str(error.filename or "a file"), reason_of(error), what
        self._since, self._since_s = clock.now(), clock.monotonic()
        self._text = f"{io_error_text(error, what)}; trying again every {RETRY_S:.0f} s"
        self._is_reported = False
        self._is_logged = limit.allows(self._path, self._reason)
        if self._is_logged:
            log(self._text)

    def again(self, on_refused: Callable[[str], None]) -> None:
        """Count a failed attempt; report the refusal if it has lasted for too long."""
        if not self._is_reported and clock.monotonic() - self._since_s >= REFUSED_S:
            self._is_reported = True
            on_refused(self._text)

    def ended(self) -> WriteRefused:
        """Log the end of a refusal whose start was logged, and return its event."""
        if self._is_logged:
            waited = format_duration(clock.monotonic() - self._since_s)
            log(f"the disk accepts writes again after {waited}: {self._path} ({self._reason} until now)")
        return WriteRefused(at=clock.now(), path=self._path, error=self._reason, since=self._since)


def is_permanent(error: OSError) -> bool:
    """Return whether waiting cannot fix the error."""
    return error.errno not in PASSING
