"""Process tree of a runner: its members, and the role of each of them.

A process once seen in the tree is a member until it ends. A scan must cost next to nothing: a watcher scans for days,
next to a hundred others, on hosts with a thousand processes. So a scan only reads the members and the processes that
are new. It reads them from proc(5), because psutil takes six times as long (`process_table.py`).
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import Process, ProcessesSeen
from atvm_pipeline.shell.system import clock

from . import process_table
from .process_table import FOLLOWED_MAX, SAME_START_S, ProcessRow, children_of, to_process
from .roles import ProcessClassifier, Role, is_wrapper_command

REPORTED_MAX = 200
"""Limit for the processes in one event."""
LOOK_APART_S = 1.0
"""A scan that follows sooner only checks whether a member has ended, because a chatty log wakes the loop often."""
OTHERS_LOOKS = 60
"""A change among processes that are neither Cypress nor a browser is reported only after this many scans: a runner that
polls starts a process every second for weeks, and the journal keeps every report."""
STUCK_LOOKS = 3
"""Consecutive scans that must find the Cypress part in D, T or Z, because a single scan may coincide with a slow disk."""
SCANS_WITHOUT_CHANGE_MAX = 5
"""Consecutive scans that trust the kernel's report of no new process: in a container, the number may be out of date for
a while."""
WHOLE_EVERY_S = 300.0
"""How often all processes are read: the pid of a process outside the tree may be reused by a member."""
YOUNG_S = 10.0
"""A process first seen less long ago may still become another program under the same name, because a fork has not
called exec(2) yet."""
COMMAND_TRUSTED_S = 30.0
"""For other processes, the command line is not read again for this time while the name stays the same."""
_ORDER: dict[Role, int] = {"runner": 0, "cypress": 1, "browser": 2, "other": 3}


class Classified(NamedTuple):
    """Result of classifying a process by its own command line."""

    name: str
    create_time: float
    role: Role
    is_wrapper: bool
    """The process only starts another program."""
    first_seen_s: float
    read_s: float
    """Monotonic times: when it was first seen, and when its command line was read."""


class NewProcessScan:
    """Finds the processes that started since the scan before the last; all processes in the first scans.

    Each process is returned twice: one that was read while its parent was ending has another parent in the next scan.
    """

    def __init__(self) -> None:
        self._pids: frozenset[int] = frozenset()
        self._seen_twice: frozenset[int] = frozenset()
        """Pids that were listed twice."""
        self._newest: int | None = None
        self._unchanged_scans = 0
        self._full_at_s = -inf

    def scan(self) -> list[ProcessRow]:
        """Return the rows of the new processes."""
        # Read before the list, so that a process that starts in between is found by the next scan.
        newest = process_table.newest_pid()
        quiet = newest is not None and newest == self._newest and self._pids == self._seen_twice
        if quiet and self._unchanged_scans < SCANS_WITHOUT_CHANGE_MAX:
            self._unchanged_scans += 1
            return []
        now_s = clock.monotonic()
        self._newest, self._unchanged_scans = newest, 0
        listed = frozenset(process_table.pids())
        seen_twice, self._seen_twice, self._pids = self._seen_twice, listed & self._pids, listed
        if now_s - self._full_at_s >= WHOLE_EVERY_S:
            self._full_at_s = now_s
            seen_twice = frozenset()
        rows = (process_table.read_row(pid) for pid in listed - seen_twice)
        return [row for row in rows if row is not None]


class ProcessTree:
    """The process tree of a runner, with memory.

    A process once seen in it is a member until it ends, whatever its parent is.
    """

    def __init__(
        self, dialect: Dialect, known: Sequence[Process] = (), *, apart_s: float = LOOK_APART_S
    ) -> None:
        """`known` are processes that were seen before a restart of the watcher."""
        self._roles = ProcessClassifier(dialect)
        self._root: tuple[int, float] | None = None
        self._known: dict[int, Process] = {process.pid: process for process in known}
        self._last: tuple[frozenset[tuple[int, float, Role]], bool] | None = None
        self._apart_s = apart_s
        self._scanned_at_s = -inf
        self._reported_at_s = -inf
        self._reported_part: object = None
        self._stuck_scans = 0
        self._new_processes = NewProcessScan()
        self._classified: dict[int, Classified] = {}

    def root(self, pid: int, create_time: float) -> None:
        """Count this process and all its descendants as part of the run from now on."""
        self._root = (pid, create_time)
        self._known[pid] = Process(pid=pid, create_time=create_time, role="runner")
        self._scanned_at_s = -inf
        # Its children may have existed, outside the tree, at the last scan.
        self._new_processes = NewProcessScan()

    def alive(self) -> bool:
        """Return whether any process of the tree is alive, among the members of the last scan."""
        return any(
            process_table.is_alive(process.pid, process.create_time) for process in self._known.values()
        )

    def scan(self) -> ProcessesSeen | None:
        """Scan the process table; return the tree, None if nothing changed or there is nothing to scan for."""
        if self._root is None and not self._known and self._last is None:
            return None
        now_s = clock.monotonic()
        early = now_s - self._scanned_at_s < self._apart_s
        if early and all(
            process_table.is_alive(process.pid, process.create_time) for process in self._known.values()
        ):
            return None
        self._scanned_at_s = now_s
        rows = self._rows()
        members, cypress_part = self._walk(rows)
        self._known = members
        self._classified = {pid: classified for pid, classified in self._classified.items() if pid in members}
        stuck = self._is_stuck([rows[pid] for pid in cypress_part])
        seen = (frozenset((p.pid, p.create_time, p.role) for p in members.values()), stuck)
        if seen == self._last:
            return None
        # Changes that decide about hangs and ends are reported immediately.
        part = (frozenset(one for one in seen[0] if one[2] in ("cypress", "browser")), stuck, bool(members))
        if part == self._reported_part and now_s - self._reported_at_s < OTHERS_LOOKS * self._apart_s:
            return None
        self._reported_part, self._reported_at_s = part, now_s
        self._last = seen
        reported = sorted(members.values(), key=lambda process: (_ORDER[process.role], process.pid))
        return ProcessesSeen(at=clock.now(), processes=tuple(reported[:REPORTED_MAX]), stuck=stuck)

    def _rows(self) -> dict[int, ProcessRow]:
        """Return the rows of the members and of possible new members."""
        members = (process_table.read_row(pid) for pid in self._known)
        return {row.pid: row for row in (*self._new_processes.scan(), *members) if row is not None}

    def _walk(self, rows: dict[int, ProcessRow]) -> tuple[dict[int, Process], list[int]]:
        """Return every living member, and the pids of the part of the tree below Cypress."""
        children = children_of(rows)
        members: dict[int, Process] = {}
        cypress_part: list[int] = []
        # Parents come before their children: the oldest first, each with all its descendants.
        for start in sorted(self._living(rows), key=lambda row: row.create_time):
            waiting = [(start, False, False)]
            while waiting and len(members) < FOLLOWED_MAX:
                row, carried, in_part = waiting.pop()
                if row.pid in members or not row.lives:
                    continue
                classified = self._classify(row)
                role = self._role(row, classified.role, carried=carried, below=row is not start)
                members[row.pid] = to_process(row, role)
                in_part = in_part or role in ("cypress", "browser")
                if in_part:
                    cypress_part.append(row.pid)
                carries = role == "runner" and classified.is_wrapper
                waiting.extend((child, carries, in_part) for child in children.get(row.pid, ()))
        return members, cypress_part

    def _living(self, rows: dict[int, ProcessRow]) -> Iterator[ProcessRow]:
        for process in self._known.values():
            row = rows.get(process.pid)
            if row is not None and row.lives and abs(row.create_time - process.create_time) <= SAME_START_S:
                yield row

    def _classify(self, row: ProcessRow) -> Classified:
        """Classify a process by its own command line, which is read again only if it may have changed."""
        now_s, known = self._scanned_at_s, self._classified.get(row.pid)
        first_seen_s = now_s
        if known is not None and (known.name, known.create_time) == (row.name, row.create_time):
            first_seen_s = known.first_seen_s
            if now_s - first_seen_s >= YOUNG_S and now_s - known.read_s < COMMAND_TRUSTED_S:
                return known
        command = process_table.command_line(row.pid)
        role, carrier = self._roles.classify(row.name, command), is_wrapper_command(row.name, command)
        classified = self._classified[row.pid] = Classified(
            row.name, row.create_time, role, carrier, first_seen_s, now_s
        )
        return classified

    def _role(self, row: ProcessRow, own: Role, *, carried: bool, below: bool) -> Role:
        """Return the role of a process.

        `own` is the role by its own command line; `carried`: the parent only starts the runner's command; `below`: the
        process was reached from its parent.
        """
        known = self._known.get(row.pid)
        remembered: Role | None = known.role if known is not None else None
        if (row.pid, row.create_time) == self._root:
            return "runner"
        if not below and remembered is not None:
            # Its parent is gone. Its former place shows its role; its command line might not.
            return remembered
        if carried:
            # An orphan of the Cypress child becomes a child of the runner's wrapper, which adopts all orphans of its
            # tree.
            return remembered if remembered is not None else "runner"
        return own

    def _is_stuck(self, cypress_part: list[ProcessRow]) -> bool:
        """Return whether the Cypress part has been in D, T or Z in several scans."""
        if not cypress_part or any(row.state not in ("D", "T", "t") for row in cypress_part):
            self._stuck_scans = 0
            return False
        self._stuck_scans += 1
        return self._stuck_scans >= STUCK_LOOKS
