"""The only clock: wall time for records, monotonic time for waits and limits."""

import time
from datetime import UTC, datetime
from pathlib import Path


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


def utc_offset_s() -> int:
    """The controller's local time, seconds east of UTC."""
    offset = datetime.now(UTC).astimezone().utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
