"""The end of a process as a hint, for processes that are not our children.  What it means is asked elsewhere."""

import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from . import clock
from .processes import is_alive

POLL_S = 1.0
"""How often the process table is looked at where the kernel has no pidfd."""


def wait_for_exit(pid: int, create_time: float, hint: Callable[[Path | None], None]) -> None:
    """Call `hint(None)` once, from a thread of its own, when that process has ended (a zombie has); at once if it has.

    `hint` must neither wait nor raise.
    """
    threading.Thread(target=_wait, args=(pid, create_time, hint), name=f"exit-{pid}", daemon=True).start()


def _wait(pid: int, create_time: float, hint: Callable[[Path | None], None]) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        # Gone already, or no pidfd: a kernel before 5.3, or no descriptor left.
        while is_alive(pid, create_time):
            clock.sleep(POLL_S)
    else:
        # Compared only now, while the descriptor holds the pid: it cannot have come round since.
        try:
            if is_alive(pid, create_time):
                poller = select.poll()
                poller.register(descriptor, select.POLLIN)
                poller.poll()
        finally:
            os.close(descriptor)
    hint(None)
