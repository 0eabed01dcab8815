"""What the runner's process tree looks like: who belongs to it, and what each of them is.

Whoever was once seen in it counts until its end.  Looking must cost next to nothing: a watcher looks for days, beside a
hundred others, on hosts with a thousand processes.  So only the members are read again, and of the others who is new,
and they are read from proc(5): psutil takes six times as long (`process_table.py`).
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
"""Processes told in one event."""
LOOK_APART_S = 1.0
"""A look that comes faster only asks whether somebody has ended: a chatty log wakes the loop often."""
OTHERS_LOOKS = 60
"""Looks for which a change among those who are neither Cypress nor a browser waits to be told: a runner that polls
starts a process every second for weeks, and the journal keeps whatever is told."""
STUCK_LOOKS = 3
"""Looks in a row that must find the Cypress part in D, T or Z: one look may meet a slow disk."""
SCANS_WITHOUT_CHANGE_MAX = 5
"""Looks in a row that trust the kernel's word that nobody is new: a container may be told an old number for a while."""
WHOLE_EVERY_S = 300.0
"""How often everybody is read: the pid of one who is no member may come round to one who is."""
YOUNG_S = 10.0
"""Who was first met less long ago may still become another program under the same name: a fork that has not called
exec(2) yet."""
COMMAND_TRUSTED_S = 30.0
"""How long the command line of anybody else is not read again while the name stays."""
_ORDER: dict[Role, int] = {"runner": 0, "cypress": 1, "browser": 2, "other": 3}


class Classified(NamedTuple):
    """What the own command line of a process made of it."""

    name: str
    create_time: float
    role: Role
    carrier: bool
    """It only carries another program's."""
    met_s: float
    read_s: float
    """Monotonic: when it was first met, and when its command line was read."""


class NewProcessScan:
    """Who has begun since the last look but one; everybody, the first times.

    Each is given twice: who was read beside a parent that was just ending has another parent by the next look.
    """

    def __init__(self) -> None:
        self._pids: frozenset[int] = frozenset()
        self._met: frozenset[int] = frozenset()
        """Those that were listed twice."""
        self._newest: int | None = None
        self._no_news = 0
        self._whole_at_s = -inf

    def look(self) -> list[ProcessRow]:
        """Their rows."""
        # Asked before the list is read: who comes in between is met by the next look.
        newest = process_table.newest_pid()
        quiet = newest is not None and newest == self._newest and self._pids == self._met
        if quiet and self._no_news < SCANS_WITHOUT_CHANGE_MAX:
            self._no_news += 1
            return []
        now_s = clock.monotonic()
        self._newest, self._no_news = newest, 0
        listed = frozenset(process_table.pids())
        met, self._met, self._pids = self._met, listed & self._pids, listed
        if now_s - self._whole_at_s >= WHOLE_EVERY_S:
            self._whole_at_s = now_s
            met = frozenset()
        rows = (process_table.read_row(pid) for pid in listed - met)
        return [row for row in rows if row is not None]


class ProcessTree:
    """The runner's process tree, remembered: who was once seen in it counts until its end, whoever its parent is."""

    def __init__(
        self, dialect: Dialect, known: Sequence[Process] = (), *, apart_s: float = LOOK_APART_S
    ) -> None:
        """`known`: processes that were seen before a restart of the watcher."""
        self._roles = ProcessClassifier(dialect)
        self._root: tuple[int, float] | None = None
        self._known: dict[int, Process] = {process.pid: process for process in known}
        self._last: tuple[frozenset[tuple[int, float, Role]], bool] | None = None
        self._apart_s = apart_s
        self._looked_at_s = -inf
        self._told_at_s = -inf
        self._told_part: object = None
        self._stuck_looks = 0
        self._newcomers = NewProcessScan()
        self._judged: dict[int, Classified] = {}

    def root(self, pid: int, create_time: float) -> None:
        """From now on this process and all below it are the run's."""
        self._root = (pid, create_time)
        self._known[pid] = Process(pid=pid, create_time=create_time, role="runner")
        self._looked_at_s = -inf
        # Who lives below it may have been there, a stranger, at the last look.
        self._newcomers = NewProcessScan()

    def alive(self) -> bool:
        """Whether any process of the tree lives, as far as the last look knew its members."""
        return any(
            process_table.is_alive(process.pid, process.create_time) for process in self._known.values()
        )

    def look(self) -> ProcessesSeen | None:
        """Look at the process table; the tree as it is, None if nothing changed or there is nothing to look for."""
        if self._root is None and not self._known and self._last is None:
            return None
        now_s = clock.monotonic()
        early = now_s - self._looked_at_s < self._apart_s
        if early and all(
            process_table.is_alive(process.pid, process.create_time) for process in self._known.values()
        ):
            return None
        self._looked_at_s = now_s
        rows = self._rows()
        members, cypress_part = self._walk(rows)
        self._known = members
        self._judged = {pid: judged for pid, judged in self._judged.items() if pid in members}
        stuck = self._is_stuck([rows[pid] for pid in cypress_part])
        seen = (frozenset((p.pid, p.create_time, p.role) for p in members.values()), stuck)
        if seen == self._last:
            return None
        # What decides about hangs and ends is told at once.
        part = (frozenset(one for one in seen[0] if one[2] in ("cypress", "browser")), stuck, bool(members))
        if part == self._told_part and now_s - self._told_at_s < OTHERS_LOOKS * self._apart_s:
            return None
        self._told_part, self._told_at_s = part, now_s
        self._last = seen
        told = sorted(members.values(), key=lambda process: (_ORDER[process.role], process.pid))
        return ProcessesSeen(at=clock.now(), processes=tuple(told[:REPORTED_MAX]), stuck=stuck)

    def _rows(self) -> dict[int, ProcessRow]:
        """The members as they are, and whoever may have become one."""
        members = (process_table.read_row(pid) for pid in self._known)
        return {row.pid: row for row in (*self._newcomers.look(), *members) if row is not None}

    def _walk(self, rows: dict[int, ProcessRow]) -> tuple[dict[int, Process], list[int]]:
        """Every living member, and the pids of the Cypress child's part of the tree."""
        children = children_of(rows)
        members: dict[int, Process] = {}
        cypress_part: list[int] = []
        # Parents come before their children: the older ones first, each with all below it.
        for start in sorted(self._living(rows), key=lambda row: row.create_time):
            waiting = [(start, False, False)]
            while waiting and len(members) < FOLLOWED_MAX:
                row, carried, in_part = waiting.pop()
                if row.pid in members or not row.lives:
                    continue
                judged = self._judge(row)
                role = self._role(row, judged.role, carried=carried, below=row is not start)
                members[row.pid] = to_process(row, role)
                in_part = in_part or role in ("cypress", "browser")
                if in_part:
                    cypress_part.append(row.pid)
                carries = role == "runner" and judged.carrier
                waiting.extend((child, carries, in_part) for child in children.get(row.pid, ()))
        return members, cypress_part

    def _living(self, rows: dict[int, ProcessRow]) -> Iterator[ProcessRow]:
        for process in self._known.values():
            row = rows.get(process.pid)
            if row is not None and row.lives and abs(row.create_time - process.create_time) <= SAME_START_S:
                yield row

    def _judge(self, row: ProcessRow) -> Classified:
        """What its own command line makes of a process; that is read again only where it may have changed."""
        now_s, known = self._looked_at_s, self._judged.get(row.pid)
        met_s = now_s
        if known is not None and (known.name, known.create_time) == (row.name, row.create_time):
            met_s = known.met_s
            if now_s - met_s >= YOUNG_S and now_s - known.read_s < COMMAND_TRUSTED_S:
                return known
        command = process_table.command_line(row.pid)
        role, carrier = self._roles.of(row.name, command), is_wrapper_command(row.name, command)
        judged = self._judged[row.pid] = Classified(row.name, row.create_time, role, carrier, met_s, now_s)
        return judged

    def _role(self, row: ProcessRow, own: Role, *, carried: bool, below: bool) -> Role:
        """What it is.

        `own`: what its command line makes of it; `carried`: the parent only carries the runner's command; `below`: it was
        reached from its parent.
        """
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
        return own

    def _is_stuck(self, cypress_part: list[ProcessRow]) -> bool:
        """Whether the Cypress part has been in D, T or Z in several looks."""
        if not cypress_part or any(row.state not in ("D", "T", "t") for row in cypress_part):
            self._stuck_looks = 0
            return False
        self._stuck_looks += 1
        return self._stuck_looks >= STUCK_LOOKS
