"""The process table as the watcher's loop reads it, from proc(5).

A process is its pid and its start time.  The start time is taken as the kernel keeps it, in seconds after the boot:
a stepped clock does not move it, as it moves everything that is counted from the epoch.  Command lines may hold
secrets and leave this module only as a role.

psutil is for everything else (`discovery.py`, `stop.py`), but not for this: a watcher looks every few seconds for
days, beside a hundred others.  On a host with 111 processes a look took 21 ms with `psutil.process_iter` and 3.6 ms
here, and psutil does not give out the start time in the form that is stored.
"""

import os
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.events import Process

from .roles import Role

SAME_START_S = 0.05
"""Start times are whole clock ticks (10 ms); no pid comes round within this."""
FOLLOWED_MAX = 2000
"""Processes of one tree that are followed; a fork bomb is not."""
PROCESS_NAME_CHARS_MAX = 64
READ_BYTES = 64 * 1024
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ProcessRow(NamedTuple):
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


def read_row(pid: int) -> ProcessRow | None:
    """The line of `pid`, zombies included; None if there is no such process."""
    data = _read(f"/proc/{pid}/stat")
    try:
        # The name stands in brackets and may itself hold brackets and spaces.
        name, _, rest = data.partition(b"(")[2].rpartition(b")")
        fields = rest.split()
        started = int(fields[19]) / _TICKS_PER_S
        return ProcessRow(pid, int(fields[1]), started, _printable(name), fields[0].decode("ascii"))
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
    return to_process(row, "other") if row is not None and row.lives else None


def self_identity() -> tuple[int, float]:
    """Our own pid and start time."""
    row = read_row(os.getpid())
    return os.getpid(), row.create_time if row is not None else 0.0


def is_alive(pid: int, create_time: float) -> bool:
    """Whether the process that had this pid and start time lives; a zombie does not."""
    row = read_row(pid)
    return row is not None and row.lives and abs(row.create_time - create_time) <= SAME_START_S


def output_of(pid: int) -> str | None:
    """The regular file that a process has as its standard output; None if it is none or cannot be had."""
    try:
        path = Path(f"/proc/{pid}/fd/1").readlink()
        same = path.is_file() and path.samefile(f"/proc/{pid}/fd/1")
    except OSError:
        return None
    return str(path) if same else None


def children_of(rows: dict[int, ProcessRow]) -> dict[int, list[ProcessRow]]:
    """Pid -> whom it has started."""
    children: dict[int, list[ProcessRow]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row)
    return children


def to_process(row: ProcessRow, role: Role) -> Process:
    """The process of a row, as the core is told it."""
    return Process(pid=row.pid, create_time=row.create_time, name=row.name, role=role, state=row.state)


def _printable(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    if text.isprintable():
        return text[:PROCESS_NAME_CHARS_MAX]
    return "".join(character for character in text if character.isprintable())[:PROCESS_NAME_CHARS_MAX]
