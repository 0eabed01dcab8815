"""Hint at the end of a process that is not a child of this one. Another module decides what the end means."""

import contextlib
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from atvm_pipeline.shell.system.files import OpenFile

from .process_table import is_alive

EXIT_POLL_S = 1.0
"""Poll interval of the process table if the kernel has no pidfd."""
EXIT_STOP_WAIT_S = 5.0


class ExitWatcher:
    """Waits for the end of one process, in its own thread, until it is closed."""

    def __init__(self, pid: int, create_time: float, hint: Callable[[Path | None], None]) -> None:
        """Call `hint(None)` once the process has ended (a zombie has), immediately if it already has.

        `hint` must neither wait nor raise.
        """
        self._pid, self._create_time, self._hint = pid, create_time, hint
        self._closed = threading.Event()
        self._wake: OpenFile | None = None
        # If no descriptor is left, the process table is polled.
        with contextlib.suppress(OSError):
            self._wake = OpenFile(os.eventfd(0), "eventfd")
        self._thread = threading.Thread(target=self._wait, name=f"exit-{pid}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop waiting; no hint comes after this. A second call does nothing."""
        self._closed.set()
        if self._wake is not None and self._wake.number >= 0:
            os.eventfd_write(self._wake.number, 1)
        self._thread.join(EXIT_STOP_WAIT_S)
        if self._wake is not None:
            self._wake.close()

    def _wait(self) -> None:
        try:
            process = OpenFile(os.pidfd_open(self._pid), f"pidfd of {self._pid}")
        except OSError:
            # It has ended, or there is no pidfd: a kernel before 5.3, or no descriptor left.
            self._poll()
        else:
            # Compared only now, because the descriptor protects the pid from being reused.
            with process:
                if self._wake is None:
                    self._poll()
                elif is_alive(self._pid, self._create_time):
                    poller = select.poll()
                    poller.register(process.number, select.POLLIN)
                    poller.register(self._wake.number, select.POLLIN)
                    poller.poll()
        if not self._closed.is_set():
            self._hint(None)

    def _poll(self) -> None:
        while is_alive(self._pid, self._create_time) and not self._closed.wait(EXIT_POLL_S):
            pass
