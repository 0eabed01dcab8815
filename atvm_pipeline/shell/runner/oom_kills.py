"""OOM kills in this process's control group; each service has its own.

systemd does not report them if one killed process is no reason to stop the others (`OOMPolicy=continue`).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def oom_kills(own: Path = OWN, root: Path = CGROUPS) -> int:
    """Return how many processes of this control group were killed so far; 0 if the kernel does not count. Never raises."""
    return max((_counted(path) for path in _counters(own, root)), default=0)


def _counters(own: Path, root: Path) -> Iterator[Path]:
    """Yield the counter files of both versions (cgroup-v2, `memory.events`; cgroup-v1, `memory.oom_control`)."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in own.read_text(encoding="utf-8").splitlines():
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if number == "0":
                yield root / path.lstrip("/") / "memory.events"
            elif "memory" in controllers.split(","):
                yield root / "memory" / path.lstrip("/") / "memory.oom_control"


def _counted(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
