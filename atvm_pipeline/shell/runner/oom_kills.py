"""Whether the kernel ended somebody of our control group for want of memory; the group of a service is its own.

Systemd does not say so where one lost process is no reason to stop the rest (`OOMPolicy=continue`).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def oom_kills(own: Path = OWN, root: Path = CGROUPS) -> int:
    """How many processes of our control group were killed so far; 0 where nobody counts.  Never raises."""
    return max((_counted(path) for path in _counters(own, root)), default=0)


def _counters(own: Path, root: Path) -> Iterator[Path]:
    """Where either version of control groups counts (cgroup-v2, `memory.events`; cgroup-v1, `memory.oom_control`)."""
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
