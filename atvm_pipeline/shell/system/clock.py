"""The only clock: wall time for records, monotonic time for waits and limits."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")


def now() -> datetime:
    """Return the wall time, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return the seconds of CLOCK_MONOTONIC.

    A change of the wall clock does not affect it, and it stands still while the host is suspended.
    """
    return time.monotonic()


def boot_id() -> str:
    """Return the kernel's random name for this boot, "" if it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def sleep(seconds: float) -> None:
    """Wait for `seconds`."""
    time.sleep(seconds)


def wait_until(condition: Callable[[], Answer], timeout_s: float, every_s: float) -> Answer:
    """Poll `condition` every `every_s` seconds until its answer is true; return the last answer.

    It is called at least once, and a last time after `timeout_s` seconds.
    """
    deadline_s = monotonic() + timeout_s
    while not (answer := condition()):
        left_s = deadline_s - monotonic()
        if left_s <= 0:
            break
        sleep(min(every_s, left_s))
    return answer


def utc_offset_s() -> int:
    """Return the offset of the controller's local time, in seconds east of UTC."""
    offset = datetime.now(UTC).astimezone().utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
