"""Discovery of processes that were started by other means: the runner of a build, and unwatched Cypress processes.

The process table is read with psutil here, which costs several times as much as `process_table.py`. So the watcher's
loop does not use this module, except to find a runner that it does not know yet. Command lines may contain secrets;
only names and a build name leave this module.
"""

import contextlib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from posixpath import basename
from typing import NamedTuple

import psutil

from atvm_pipeline.core.events import Process
from atvm_pipeline.core.hosts.host_names import valid_build_name
from atvm_pipeline.shell.system import clock

from .process_table import identity, read_row, to_process
from .roles import is_own_program, names_build

CLOCK_GRAIN_S = 1.0
"""The kernel reports its boot time in full seconds."""
PROGRAM = re.compile(r"[Cc]ypress(?:-cloud)?")
"""The binary, and the command line tools."""
WORDS_LOOKED_AT = 2
"""A program, or an interpreter and its script."""


def find_runner(build_name: str, workdir: Path) -> Process | None:
    """Return the living runner of that build that was started by other means in `workdir`.

    It is the topmost process there with its `--build_name`: two automation roots may run builds with the same name. The
    ancestors of this process are excluded even if their command lines match: they are waiting for this process and must
    not be stopped by it.
    """
    try:
        parents = _runners(build_name, workdir)
    except OSError:  # no descriptor is left; a watcher tries again later
        return None
    rows = [read_row(pid) for pid, parent in parents.items() if parent not in parents]
    tops = [row for row in rows if row is not None and row.lives]
    return to_process(min(tops, key=lambda row: (row.create_time, row.pid)), "runner") if tops else None


def _runners(build_name: str, workdir: Path) -> dict[int, int]:
    """Return the processes of that build's runner, with the parent of each.  Raises OSError."""
    above = {process.pid for process in _with_ancestors(psutil.Process())}
    parents: dict[int, int] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                process.pid not in above
                and _runs_build(process.cmdline(), build_name)
                and _works_in(process.pid, workdir)
            ):
                parents[process.pid] = process.ppid()
    return parents


def _runs_build(command: Sequence[str], build_name: str) -> bool:
    return names_build(command, build_name) and not is_own_program(command)


def _works_in(pid: int, workdir: Path) -> bool:
    """Return whether a process works in that directory.

    It does if that is hidden (by a sandbox): the name of the build must then suffice. The link itself is followed,
    because its text, which psutil returns, may belong to another mount namespace.
    """
    try:
        return Path(f"/proc/{pid}/cwd").samefile(workdir)
    except PermissionError:
        return True
    except OSError:
        return False


def _with_ancestors(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and its ancestors, up to the first process or to one that has just ended."""
    chain = [process]
    with contextlib.suppress(psutil.Error):
        while (parent := chain[-1].parent()) is not None:
            chain.append(parent)
    return chain


def began_at_s(process: Process) -> float:
    """Return when a process was started, in seconds since 1970, up to a second early; now if it has ended."""
    with contextlib.suppress(psutil.Error, OSError):
        return psutil.Process(process.pid).create_time() - CLOCK_GRAIN_S
    return clock.now().timestamp()


class UnwatchedCypress(NamedTuple):
    """The topmost Cypress process of a tree."""

    pid: int
    name: str
    build_name: str | None
    """From `--build_name` of the process or of one of its ancestors."""
    ancestors: tuple[int, ...]
    """Its own pid and those of its ancestors."""


def find_unwatched_cypress() -> list[UnwatchedCypress]:
    """Return every topmost Cypress process, the oldest first."""
    found = {process.pid: process for process in psutil.process_iter() if _is_cypress(process)}
    living = [known for known in map(identity, found) if known is not None]
    topmost = []
    for known in sorted(living, key=lambda one: (one.create_time, one.pid)):
        chain = _with_ancestors(found[known.pid])
        if not any(process.pid in found for process in chain[1:]):
            pids = tuple(process.pid for process in chain)
            topmost.append(UnwatchedCypress(known.pid, known.name, _build_name(chain), pids))
    return topmost


def _is_cypress(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        words = [basename(word) for word in process.cmdline()[:WORDS_LOOKED_AT]]
        return any(PROGRAM.fullmatch(word) for word in (process.name(), *words))
    return False


def _build_name(processes: Iterable[psutil.Process]) -> str | None:
    for process in processes:
        # A process that has ended, and a kernel thread, have no command line.
        with contextlib.suppress(psutil.Error):
            for word, following in pairwise([*process.cmdline(), ""]):
                option, equals, value = word.partition("=")
                name = value if equals else following
                if option in ("--build_name", "--build-name") and valid_build_name(name):
                    return name
    return None
