"""The process table: who lives, and what the runner's tree looks like.  The only importer of psutil.

A process is its pid and its start time.  The start time is taken as the kernel keeps it, in seconds after the boot:
a stepped clock does not move it, as it moves everything that is counted from the epoch.  Command lines may hold
secrets and leave this module only as a role.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

import psutil

from atvm_pipeline.core.events import Process, ProcessesSeen
from atvm_pipeline.core.recognise.dialect import Dialect

from . import clock
from .roles import Role, Roles, is_carrier, is_ours, names_build

SAME_START_S = 0.05
"""Start times are whole clock ticks (10 ms); no pid comes round within this."""
CLOCK_GRAIN_S = 1.0
"""The kernel tells the time of its boot in whole seconds."""
REPORTED_MAX = 200
"""Processes told in one event."""
FOLLOWED_MAX = 2000
"""Processes of one tree that are followed; a fork bomb is not."""
NAME_CHARS_MAX = 64
LOOK_APART_S = 1.0
"""A look that comes faster only asks whether somebody has ended: the whole table costs milliseconds, and a chatty log
wakes the loop often."""
STUCK_LOOKS = 3
"""Looks in a row that must find the Cypress part in D, T or Z: one look may meet a slow disk."""
STOP_POLL_S = 0.05
KILL_WAIT_S = 10.0
"""How long SIGKILL is tried; who is in D even then is left."""
ROOT_WAIT_S = 3.0
"""How long the root may take to end by itself once nobody is left below it."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_ORDER: dict[Role, int] = {"runner": 0, "cypress": 1, "browser": 2, "other": 3}


class Row(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    create_time: float
    """Seconds after the boot."""
    name: str
    state: str

    @property
    def lives(self) -> bool:
        """A zombie has ended: nobody has asked for its exit code yet."""
        return self.state not in ("Z", "X", "x")


def read_row(pid: int) -> Row | None:
    """The line of `pid`, zombies included; None if there is no such process."""
    try:
        data = Path(f"/proc/{pid}/stat").read_bytes()
        # The name stands in brackets and may itself hold brackets and spaces.
        name, _, rest = data.partition(b"(")[2].rpartition(b")")
        fields = rest.split()
        started = int(fields[19]) / _TICKS_PER_S
        return Row(pid, int(fields[1]), started, _printable(name), fields[0].decode("ascii"))
    except (OSError, ValueError, IndexError):
        return None


def table() -> dict[int, Row]:
    """Every process, by pid."""
    rows = (read_row(pid) for pid in psutil.pids())
    return {row.pid: row for row in rows if row is not None}


def command_line(pid: int) -> list[str]:
    """The arguments of a process, [] if they cannot be had.  May hold secrets."""
    try:
        return psutil.Process(pid).cmdline()
    except (psutil.Error, OSError, ValueError):
        return []


def identity(pid: int) -> Process | None:
    """The living process `pid`, None if there is none."""
    row = read_row(pid)
    return _told(row, "other") if row is not None and row.lives else None


def self_identity() -> tuple[int, float]:
    """Our own pid and start time."""
    row = read_row(os.getpid())
    return os.getpid(), row.create_time if row is not None else 0.0


def is_alive(pid: int, create_time: float) -> bool:
    """Whether the process that had this pid and start time lives; a zombie does not."""
    row = read_row(pid)
    return row is not None and row.lives and abs(row.create_time - create_time) <= SAME_START_S


def find_runner(build_name: str, workdir: Path) -> Process | None:
    """The living runner of that build that somebody else has started in `workdir`.

    It is the topmost process there with its `--build_name`: two automation roots may run builds of one name.  Who
    started us is none, whatever its command line says: it waits for us, and must not be stopped by us.
    """
    rows = table()
    above = _ancestors(rows, os.getpid())
    matching = {
        pid
        for pid, row in rows.items()
        if row.lives and pid not in above and _runs_build(pid, build_name) and _works_in(pid, workdir)
    }
    tops = [rows[pid] for pid in matching if rows[pid].parent not in matching]
    return _told(min(tops, key=lambda row: (row.create_time, row.pid)), "runner") if tops else None


def _ancestors(rows: dict[int, Row], pid: int) -> set[int]:
    """`pid` and whoever started it, up to the first process."""
    above: set[int] = set()
    while pid in rows and pid not in above:
        above.add(pid)
        pid = rows[pid].parent
    return above


def _runs_build(pid: int, build_name: str) -> bool:
    command = command_line(pid)
    return names_build(command, build_name) and not is_ours(command)


def _works_in(pid: int, workdir: Path) -> bool:
    """Whether a process works in that folder; yes if we may not know (a sandbox hides it): its build's name must do."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(workdir)
    except PermissionError:
        return True
    except OSError:
        return False


def began_at_s(process: Process) -> float:
    """When a process began, seconds since 1970, up to a second early; now if it has ended."""
    with contextlib.suppress(psutil.Error, OSError):
        return psutil.Process(process.pid).create_time() - CLOCK_GRAIN_S
    return clock.now().timestamp()


def output_of(pid: int) -> str | None:
    """The regular file that a process has as its standard output; None if it is none or cannot be had."""
    try:
        path = Path(f"/proc/{pid}/fd/1").readlink()
        same = path.is_file() and path.samefile(f"/proc/{pid}/fd/1")
    except OSError:
        return None
    return str(path) if same else None


class Tree:
    """The runner's process tree, remembered: who was once seen in it counts until its end, whoever its parent is."""

    def __init__(
        self, dialect: Dialect, known: Sequence[Process] = (), *, apart_s: float = LOOK_APART_S
    ) -> None:
        """`known`: processes that were seen before a restart of the watcher."""
        self._roles = Roles(dialect)
        self._root: tuple[int, float] | None = None
        self._known: dict[int, Process] = {process.pid: process for process in known}
        self._last: tuple[frozenset[tuple[int, float, Role]], bool] | None = None
        self._apart_s = apart_s
        self._looked_at_s = -inf
        self._stuck_looks = 0

    def root(self, pid: int, create_time: float) -> None:
        """From now on this process and all below it are the run's."""
        self._root = (pid, create_time)
        self._known[pid] = Process(pid=pid, create_time=create_time, role="runner")
        self._looked_at_s = -inf

    def alive(self) -> bool:
        """Whether any process of the tree lives, as far as the last look knew its members."""
        return any(is_alive(process.pid, process.create_time) for process in self._known.values())

    def look(self) -> ProcessesSeen | None:
        """Look at the process table; the tree as it is, None if nothing changed or there is nothing to look for."""
        if self._root is None and not self._known and self._last is None:
            return None
        now_s = clock.monotonic()
        early = now_s - self._looked_at_s < self._apart_s
        if early and all(is_alive(process.pid, process.create_time) for process in self._known.values()):
            return None
        self._looked_at_s = now_s
        rows = table()
        members, cypress_part = self._walk(rows)
        self._known = members
        stuck = self._is_stuck([rows[pid] for pid in cypress_part])
        seen = (frozenset((p.pid, p.create_time, p.role) for p in members.values()), stuck)
        if seen == self._last:
            return None
        self._last = seen
        told = sorted(members.values(), key=lambda process: (_ORDER[process.role], process.pid))
        return ProcessesSeen(at=clock.now(), processes=tuple(told[:REPORTED_MAX]), stuck=stuck)

    def _walk(self, rows: dict[int, Row]) -> tuple[dict[int, Process], list[int]]:
        """Every living member, and the pids of the Cypress child's part of the tree."""
        children = _children(rows)
        members: dict[int, Process] = {}
        cypress_part: list[int] = []
        # Parents come before their children: the older ones first, each with all below it.
        for start in sorted(self._living(rows), key=lambda row: row.create_time):
            waiting = [(start, False, False)]
            while waiting and len(members) < FOLLOWED_MAX:
                row, carried, in_part = waiting.pop()
                if row.pid in members or not row.lives:
                    continue
                command = command_line(row.pid)
                role = self._role(row, command, carried=carried, below=row is not start)
                members[row.pid] = _told(row, role)
                in_part = in_part or role in ("cypress", "browser")
                if in_part:
                    cypress_part.append(row.pid)
                carries = role == "runner" and is_carrier(row.name, command)
                waiting.extend((child, carries, in_part) for child in children.get(row.pid, ()))
        return members, cypress_part

    def _living(self, rows: dict[int, Row]) -> Iterator[Row]:
        for process in self._known.values():
            row = rows.get(process.pid)
            if row is not None and row.lives and abs(row.create_time - process.create_time) <= SAME_START_S:
                yield row

    def _role(self, row: Row, command: Sequence[str], *, carried: bool, below: bool) -> Role:
        """`carried`: the parent only carries the runner's command; `below`: it was reached from its parent."""
        known = self._known.get(row.pid)
        remembered: Role | None = known.role if known is not None else None
        if (row.pid, row.create_time) == self._root:
            return "runner"
        if not below and remembered is not None:
            # Its parent is gone: where it stood says what it was, its command line might not.
            return remembered
        if carried:
            # An orphan of the Cypress child comes to the runner's wrapper, which adopts what its tree leaves behind.
            return remembered if remembered is not None else "runner"
        return self._roles.of(row.name, command)

    def _is_stuck(self, cypress_part: list[Row]) -> bool:
        """Whether the Cypress part has been in D, T or Z in several looks."""
        if not cypress_part or any(row.state not in ("D", "T", "t") for row in cypress_part):
            self._stuck_looks = 0
            return False
        self._stuck_looks += 1
        return self._stuck_looks >= STUCK_LOOKS


def stop_tree(root: Process, *, grace_s: float, also_known: Sequence[Process] = ()) -> list[Process]:
    """Stop `root` and all below it, and those of `also_known` that live; gives who is left.  Never raises.

    SIGTERM to each, then up to `grace_s` seconds, then SIGKILL.  `root` is killed last and only if it does not end by
    itself then: it is the wrapper that has to write how its command ended.
    """
    known = {process.pid: process for process in (*also_known, root)}
    asked: set[tuple[int, float]] = set()
    deadline_s = clock.monotonic() + grace_s
    while living := _living_tree(known):
        for process in living:
            if (process.pid, process.create_time) not in asked:
                asked.add((process.pid, process.create_time))
                _signal(process, signal.SIGTERM)
                # A stopped process hears SIGTERM only when it goes on.
                _signal(process, signal.SIGCONT)
        if clock.monotonic() >= deadline_s:
            break
        clock.sleep(STOP_POLL_S)
    deadline_s = clock.monotonic() + KILL_WAIT_S
    root_deadline_s = clock.monotonic() + ROOT_WAIT_S
    while (living := _living_tree(known)) and clock.monotonic() < deadline_s:
        below = [process for process in living if process.pid != root.pid]
        if below:
            root_deadline_s = clock.monotonic() + ROOT_WAIT_S
        for process in below or (living if clock.monotonic() >= root_deadline_s else ()):
            _signal(process, signal.SIGKILL)
        clock.sleep(STOP_POLL_S)
    return living


def _living_tree(known: dict[int, Process]) -> list[Process]:
    """The living of `known` and all below them, the oldest first; who is found below becomes known."""
    rows = table()
    children = _children(rows)
    waiting = [rows[p.pid] for p in known.values() if p.pid in rows and is_alive(p.pid, p.create_time)]
    found: dict[int, Row] = {}
    while waiting and len(found) < FOLLOWED_MAX:
        row = waiting.pop()
        if row.pid not in found and row.lives and row.pid not in (1, os.getpid()):
            found[row.pid] = row
            waiting.extend(children.get(row.pid, ()))
    for row in found.values():
        known.setdefault(row.pid, _told(row, "other"))
    return [known[row.pid] for row in sorted(found.values(), key=lambda row: (row.create_time, row.pid))]


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal exactly this process: the descriptor holds on to it while its start time is compared."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        # No such process, or a kernel before 5.3, where a comparison just before must do.
        if is_alive(process.pid, process.create_time):
            with contextlib.suppress(OSError):
                os.kill(process.pid, number)
        return
    try:
        if is_alive(process.pid, process.create_time):
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        pass  # It has ended, or is not ours to signal: it is then among those who are left.
    finally:
        os.close(descriptor)


def _children(rows: dict[int, Row]) -> dict[int, list[Row]]:
    children: dict[int, list[Row]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row)
    return children


def _told(row: Row, role: Role) -> Process:
    return Process(pid=row.pid, create_time=row.create_time, name=row.name, role=role, state=row.state)


def _printable(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return "".join(character for character in text if character.isprintable())[:NAME_CHARS_MAX]
