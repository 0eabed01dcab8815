"""Process table for the watcher's loop, read from proc(5).

A process is identified by its pid and its start time. The start time is the kernel's, in seconds after boot. A change
of the wall clock does not affect it, unlike a time since the epoch. Command lines may contain secrets and leave this
module only as a role.

Other modules (`discovery.py`, `stopping.py`) use psutil, but it is too slow here: a watcher polls every few seconds for
days, next to a hundred others. On a host with 111 processes, a scan took 21 ms with `psutil.process_iter` and 3.6 ms
here. psutil also does not return the start time in the form that is stored.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from atvm_pipeline.core.events import Process

    from .roles import Role

SAME_START_S = 0.05
"""Start times are full clock ticks (10 ms); no pid is reused within this time."""
FOLLOWED_MAX = 2000
"""Limit for the processes of one tree; a fork bomb is not followed further."""
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
        """Whether the process has not ended. A zombie has ended: its exit code has not been collected yet."""
        return self.state not in ("Z", "X", "x")


def read_row(pid: int) -> ProcessRow | None:
    """Return the row of `pid`, zombies included; None if there is no such process."""
    data = _read(f"/proc/{pid}/stat")
    try:
        # The name is in brackets and may itself contain brackets and spaces.
        name, _, rest = data.partition(b"(")[2].rpartition(b")")
        fields = rest.split()
        started = int(fields[19]) / _TICKS_PER_S
        return ProcessRow(pid, int(fields[1]), started, _printable(name), fields[0].decode("ascii"))
    except (ValueError, IndexError):
        return None


def pids() -> list[int]:
    """Return every process id in use."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - only names are needed


def newest_pid() -> int | None:
    """Return the id that the kernel assigned last (proc(5), loadavg), to a process or thread; None if it is unknown."""
    try:
        return int(_read("/proc/loadavg").rsplit(b" ", 1)[-1]) or None
    except ValueError:
        return None


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process, [] if they cannot be read. They may contain secrets."""
    data = os.fsdecode(_read(f"/proc/{pid}/cmdline"))
    # A process that rewrites its own command line may separate the arguments by blanks, with or without a NUL at the
    # end (Chromium).
    words = data.removesuffix("\0").split("\0") if data else []
    return words[0].split(" ") if len(words) == 1 else words


def _read(path: str) -> bytes:
    """Return a small file of proc(5), b"" if it does not exist or is not readable."""
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


def identity(pid: int) -> "Process | None":
    """Return the living process `pid`, None if it does not exist."""
    row = read_row(pid)
    return to_process(row, "other") if row is not None and row.lives else None


def self_identity() -> tuple[int, float]:
    """Return the pid and start time of this process."""
    row = read_row(os.getpid())
    return os.getpid(), row.create_time if row is not None else 0.0


def is_alive(pid: int, create_time: float) -> bool:
    """Return whether the process with this pid and start time is alive; a zombie is not."""
    row = read_row(pid)
    return row is not None and row.lives and abs(row.create_time - create_time) <= SAME_START_S


def output_of(pid: int) -> str | None:
    """Return the regular file that is the standard output of a process; None if it is another kind of file or unknown."""
    try:
        path = Path(f"/proc/{pid}/fd/1").readlink()
        same = path.is_file() and path.samefile(f"/proc/{pid}/fd/1")
    except OSError:
        return None
    return str(path) if same else None


def children_of(rows: dict[int, ProcessRow]) -> dict[int, list[ProcessRow]]:
    """Return pid -> rows of its children."""
    children: dict[int, list[ProcessRow]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row)
    return children


def to_process(row: ProcessRow, role: "Role") -> "Process":
    """Return the process of a row, in the form of the core's events."""
    # Imported here, so that commands that only ask whether a process is alive start fast.
    from atvm_pipeline.core.events import Process  # noqa: PLC0415

    return Process(pid=row.pid, create_time=row.create_time, name=row.name, role=role, state=row.state)


def _printable(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    if text.isprintable():
        return text[:PROCESS_NAME_CHARS_MAX]
    return "".join(character for character in text if character.isprintable())[:PROCESS_NAME_CHARS_MAX]
