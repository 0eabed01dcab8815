"""Stop of a process tree: SIGTERM, then SIGKILL."""

import contextlib
import os
import signal
from collections.abc import Sequence

import psutil

from atvm_pipeline.core.events import Process
from atvm_pipeline.shell.system import clock

from .process_table import FOLLOWED_MAX, identity, is_alive

FAILED = (psutil.Error, OSError)
"""The process has ended or belongs to another user, or no descriptor is left to examine it."""


STOP_POLL_S = 0.05


KILL_WAIT_S = 10.0
"""How long SIGKILL is repeated; a process that is still in state D then is left."""


ROOT_WAIT_S = 3.0
"""How long the root may take to end by itself once no process is left below it."""


def stop_tree(root: Process, *, grace_s: float, also_known: Sequence[Process] = ()) -> list[Process]:
    """Stop `root` with its descendants and the living ones of `also_known`; return the processes that are left.

    Each process gets SIGTERM, then up to `grace_s` seconds, then SIGKILL. `root` is killed last, and only if it does
    not end by itself: it is the wrapper, which has to record how its command ended. Never raises.
    """
    known = dict.fromkeys(handle for process in (root, *also_known) for handle in _handle(process))
    signalled: set[psutil.Process] = set()

    def all_ended_after_term() -> bool:
        living = _living_tree(known)
        for process in living:
            if process not in signalled:
                signalled.add(process)
                # A stopped process receives SIGTERM only when it continues.
                _signal(process, signal.SIGTERM, signal.SIGCONT)
        return not living

    if clock.wait_until(all_ended_after_term, grace_s, STOP_POLL_S):
        return []
    root_deadline_s = clock.monotonic() + ROOT_WAIT_S

    def all_ended_after_kill() -> bool:
        nonlocal root_deadline_s
        living = _living_tree(known)
        below = [process for process in living if process.pid != root.pid]
        if below:
            root_deadline_s = clock.monotonic() + ROOT_WAIT_S
        for process in below or (living if clock.monotonic() >= root_deadline_s else ()):
            _signal(process, signal.SIGKILL)
        return not living

    if clock.wait_until(all_ended_after_kill, KILL_WAIT_S, STOP_POLL_S):
        return []
    left = [identity(process.pid) for process in _living_tree(known)]
    return [process for process in left if process is not None]


def _handle(process: Process) -> list[psutil.Process]:
    """Return the handle of exactly this process, [] if it has ended.

    The handle is opened first and keeps the start time of its process, so a reused pid is recognised as another
    process.
    """
    if process.pid in (1, os.getpid()):
        return []
    with contextlib.suppress(*FAILED):
        handle = psutil.Process(process.pid)
        return [handle] if is_alive(process.pid, process.create_time) else []
    return []


def _living_tree(known: dict[psutil.Process, None]) -> list[psutil.Process]:
    """Return the living ones of `known` and of their descendants; new descendants are added to `known`."""
    for process in [process for process in known if not _lives(process)]:
        del known[process]  # so that the limit counts living processes
    below: dict[psutil.Process, None] = {}
    for process in known:
        if process not in below and len(known) < FOLLOWED_MAX:
            with contextlib.suppress(*FAILED):
                below |= dict.fromkeys(process.children(recursive=True))
    known |= {process: None for process in below if process.pid not in (1, os.getpid()) and _lives(process)}
    return list(known)


def _lives(process: psutil.Process) -> bool:
    """Return whether a process has not ended; a zombie has, although psutil counts it as running.

    `psutil.wait_procs` would count it too, and would take the exit codes of children away from the code that started
    them.
    """
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except FAILED:
        return False


def _signal(process: psutil.Process, *numbers: signal.Signals) -> None:
    """Signal exactly this process: psutil compares its start time immediately before."""
    # A process that has ended, or may not be signalled, is found by the next scan.
    with contextlib.suppress(*FAILED):
        for number in numbers:
            process.send_signal(number)
