"""Time limit of one attempt, enforced from outside the thread that performs it.

No limit inside that thread covers everything: the resolver and a read of the CA file have no timeout, and the timeout
of a socket restarts with every byte. So the thread that waits for the outcome decides when the time has passed, and
this class makes sure that both threads agree on the outcome and that nothing is sent afterwards.
"""

import threading
from collections.abc import Callable

from atvm_pipeline.shell.system import clock

CONNECT_TIMEOUT = "no connection to the server or proxy was ready in time"
NO_ANSWER = "the message was sent, but no response came in time"


class DeadlinePassedError(Exception):
    """The outcome of the attempt is already decided; the worker must stop and send nothing."""


class Deadline:
    """The deadline of one attempt, shared by its worker thread and the thread that waits for it."""

    def __init__(self, limit_s: float) -> None:
        self._ends_s = clock.monotonic() + limit_s
        self._lock = threading.Lock()
        self._decided = False
        self._sent_started = False
        self._abort: Callable[[], None] = lambda: None

    def left_s(self) -> float:
        """Return the seconds until the deadline, 0 if it has passed."""
        return max(0.0, self._ends_s - clock.monotonic())

    # --- called by the worker ---

    def connecting(self, abort: Callable[[], None]) -> None:
        """Register `abort`, which another thread may call to interrupt the connection.  Raises DeadlinePassedError."""
        self._advance(abort, sent_started=False)

    def sending(self, abort: Callable[[], None]) -> None:
        """Record that the next byte belongs to the request; `abort` as in `connecting`. Raises DeadlinePassedError."""
        self._advance(abort, sent_started=True)

    def _advance(self, abort: Callable[[], None], *, sent_started: bool) -> None:
        with self._lock:
            if self._decided:
                raise DeadlinePassedError
            self._abort, self._sent_started = abort, sent_started

    def finish(self) -> bool:
        """Return whether the worker's outcome counts: False if the deadline was enforced first."""
        with self._lock:
            counts, self._decided = not self._decided, True
        return counts

    # --- called by the thread that waits ---

    @property
    def is_decided(self) -> bool:
        """Return whether the outcome is decided, by the worker or by `enforce`."""
        return self._decided

    def enforce(self) -> bool | None:
        """End the attempt; return whether sending had started, None if the worker has finished."""
        with self._lock:
            if self._decided:
                return None
            self._decided = True
        self._abort()
        return self._sent_started
