"""Stopping a process tree: SIGTERM, then SIGKILL."""

import contextlib
import os
import signal
from collections.abc import Sequence

import psutil

from atvm_pipeline.core.events import Process
from atvm_pipeline.shell.system import clock

from .process_table import FOLLOWED_MAX, identity, is_alive

FAILED = (psutil.Error, OSError)
"""A process that has ended or is not ours, or no descriptor to look at it."""


STOP_POLL_S = 0.05


KILL_WAIT_S = 10.0
"""How long SIGKILL is tried; a process that is in D even then is left."""


ROOT_WAIT_S = 3.0
"""How long the root may take to end by itself once nothing is left below it."""


def stop_tree(root: Process, *, grace_s: float, also_known: Sequence[Process] = ()) -> list[Process]:
    """Stop `root` and all below it, and those of `also_known` that live; return the processes that are left.

    SIGTERM to each, then up to `grace_s` seconds, then SIGKILL.  `root` is killed last and only if it does not end by
    itself then: it is the wrapper that has to write how its command ended.  Never raises.
    """
    known = dict.fromkeys(handle for process in (root, *also_known) for handle in _handle(process))
    asked: set[psutil.Process] = set()

    def asked_all() -> bool:
        living = _living_tree(known)
        for process in living:
            if process not in asked:
                asked.add(process)
                # A stopped process receives SIGTERM only when it continues.
                _signal(process, signal.SIGTERM, signal.SIGCONT)
        return not living

    if clock.wait_until(asked_all, grace_s, STOP_POLL_S):
        return []
    root_deadline_s = clock.monotonic() + ROOT_WAIT_S

    def killed_all() -> bool:
        nonlocal root_deadline_s
        living = _living_tree(known)
        below = [process for process in living if process.pid != root.pid]
        if below:
            root_deadline_s = clock.monotonic() + ROOT_WAIT_S
        for process in below or (living if clock.monotonic() >= root_deadline_s else ()):
            _signal(process, signal.SIGKILL)
        return not living

    if clock.wait_until(killed_all, KILL_WAIT_S, STOP_POLL_S):
        return []
    left = [identity(process.pid) for process in _living_tree(known)]
    return [process for process in left if process is not None]


def _handle(process: Process) -> list[psutil.Process]:
    """Return the handle of exactly this process, [] if it has ended.

    The handle is opened first, and keeps the start time of its process: a pid that comes round is another process.
    """
    with contextlib.suppress(*FAILED):
        handle = psutil.Process(process.pid)
        return [handle] if is_alive(process.pid, process.create_time) else []
    return []


def _living_tree(known: dict[psutil.Process, None]) -> list[psutil.Process]:
    """Return the living of `known` and all below them; those found below become known."""
    below: dict[psutil.Process, None] = {}
    for process in filter(_lives, known):
        if process not in below and len(known) < FOLLOWED_MAX:
            with contextlib.suppress(*FAILED):
                below |= dict.fromkeys(process.children(recursive=True))
    known |= {process: None for process in below if process.pid not in (1, os.getpid())}
    return [process for process in known if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    """Whether it has not ended; a zombie has, though psutil counts it as running.

    `psutil.wait_procs` would count it too, and take the exit codes of our own children away from their starter.
    """
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except FAILED:
        return False


def _signal(process: psutil.Process, *numbers: signal.Signals) -> None:
    """Signal exactly this process: psutil compares its start time just before."""
    # One that has ended or is not ours to signal is seen by the next look.
    with contextlib.suppress(*FAILED):
        for number in numbers:
            process.send_signal(number)
