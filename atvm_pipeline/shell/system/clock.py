"""The only clock: wall time for records, monotonic time for waits and limits."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")


def now() -> datetime:
    """Wall time, aware, UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds of CLOCK_MONOTONIC: no clock jump moves it, and it stands still while the host sleeps."""
    return time.monotonic()


def boot_id() -> str:
    """The kernel's random name for this boot, "" where it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def wait_until(condition: Callable[[], Answer], timeout_s: float, every_s: float) -> Answer:
    """Ask `condition` every `every_s` seconds until its answer is true, at most `timeout_s` seconds; return the last answer.

    It is asked at least once, and a last time at the deadline.
    """
    deadline_s = monotonic() + timeout_s
    while not (answer := condition()):
        left_s = deadline_s - monotonic()
        if left_s <= 0:
            break
        sleep(min(every_s, left_s))
    return answer


def utc_offset_s() -> int:
    """The controller's local time, seconds east of UTC."""
    offset = datetime.now(UTC).astimezone().utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
