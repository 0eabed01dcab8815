"""The process table: who lives, and how a tree is stopped.  The only importer of psutil.

A process is its pid and its start time.  The start time is taken as the kernel keeps it, in seconds after the boot:
a stepped clock does not move it, as it moves everything that is counted from the epoch.  Command lines may hold
secrets and leave this module only as a role.
"""

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.events import Process

from . import clock
from .roles import Role, is_ours, names_build

SAME_START_S = 0.05
"""Start times are whole clock ticks (10 ms); no pid comes round within this."""
CLOCK_GRAIN_S = 1.0
"""The kernel tells the time of its boot in whole seconds."""
FOLLOWED_MAX = 2000
"""Processes of one tree that are followed; a fork bomb is not."""
NAME_CHARS_MAX = 64
READ_BYTES = 64 * 1024
STOP_POLL_S = 0.05
KILL_WAIT_S = 10.0
"""How long SIGKILL is tried; who is in D even then is left."""
ROOT_WAIT_S = 3.0
"""How long the root may take to end by itself once nobody is left below it."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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
    data = _read(f"/proc/{pid}/stat")
    try:
        # The name stands in brackets and may itself hold brackets and spaces.
        name, _, rest = data.partition(b"(")[2].rpartition(b")")
        fields = rest.split()
        started = int(fields[19]) / _TICKS_PER_S
        return Row(pid, int(fields[1]), started, _printable(name), fields[0].decode("ascii"))
    except (ValueError, IndexError):
        return None


def pids() -> list[int]:
    """Every process id in use."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - names are wanted


def newest_pid() -> int | None:
    """The id that was given last to a process or thread of this host (proc(5), loadavg); None where nobody says."""
    try:
        return int(_read("/proc/loadavg").rsplit(b" ", 1)[-1]) or None
    except ValueError:
        return None


def table() -> dict[int, Row]:
    """Every process, by pid."""
    rows = (read_row(pid) for pid in pids())
    return {row.pid: row for row in rows if row is not None}


def command_line(pid: int) -> list[str]:
    """The arguments of a process, [] if they cannot be had.  May hold secrets."""
    data = os.fsdecode(_read(f"/proc/{pid}/cmdline"))
    # Who rewrites its own line may put blanks between the arguments, with or without a NUL at the end (Chromium).
    words = data.removesuffix("\0").split("\0") if data else []
    return words[0].split(" ") if len(words) == 1 else words


def _read(path: str) -> bytes:
    """A small file of proc(5), b"" if it is not there or not ours to read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts: list[bytes] = []
    try:
        while True:
            part = os.read(descriptor, READ_BYTES)
            parts.append(part)
            if len(part) < READ_BYTES:
                break
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    return b"".join(parts)


def identity(pid: int) -> Process | None:
    """The living process `pid`, None if there is none."""
    row = read_row(pid)
    return told(row, "other") if row is not None and row.lives else None


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
    return told(min(tops, key=lambda row: (row.create_time, row.pid)), "runner") if tops else None


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
    import psutil  # noqa: PLC0415 - a watcher, which does not ask for this, has no need of it

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
    children = children_of(rows)
    waiting = [rows[p.pid] for p in known.values() if p.pid in rows and is_alive(p.pid, p.create_time)]
    found: dict[int, Row] = {}
    while waiting and len(found) < FOLLOWED_MAX:
        row = waiting.pop()
        if row.pid not in found and row.lives and row.pid not in (1, os.getpid()):
            found[row.pid] = row
            waiting.extend(children.get(row.pid, ()))
    for row in found.values():
        known.setdefault(row.pid, told(row, "other"))
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


def children_of(rows: dict[int, Row]) -> dict[int, list[Row]]:
    """Pid -> whom it has started."""
    children: dict[int, list[Row]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row)
    return children


def told(row: Row, role: Role) -> Process:
    """The process of a row, as the core is told it."""
    return Process(pid=row.pid, create_time=row.create_time, name=row.name, role=role, state=row.state)


def _printable(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    if text.isprintable():
        return text[:NAME_CHARS_MAX]
    return "".join(character for character in text if character.isprintable())[:NAME_CHARS_MAX]
