"""Times as people read and write them: local time with its offset. Standard library only, light to import."""

import re
from datetime import UTC, datetime, time, timedelta

from atvm_pipeline.core.local_time import local_text
from atvm_pipeline.core.text import format_duration
from atvm_pipeline.shell.exit_codes import USAGE, CommandError

_DURATION = re.compile(r"(?:\d{1,6}(?:\.\d{1,3})?\s*(?:s|min|m|h|d|w)\s*)+")
_PART = re.compile(r"([\d.]+)\s*(s|min|m|h|d|w)")
_UNIT_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_CLOCK = re.compile(r"[0-2]?\d:[0-5]\d(?::[0-5]\d)?")
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""The times that every time zone can express."""


def moment(text: object) -> datetime | None:
    """Return the time of a state file (RFC 3339, UTC); None if it is missing or not a time."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return at if EARLIEST <= at <= LATEST else None


def local_time(at: datetime) -> str:
    """Return a time for people, in the local time of this host: `2026-11-23 18:05:10 +0100`."""
    offset = at.astimezone().utcoffset() or timedelta()
    return local_text(at, int(offset.total_seconds()))


def local_clock(at: datetime, now: datetime) -> str:
    """Return a time of today as `18:05:10`, and any other with its date and offset."""
    here = at.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == now.astimezone().date() else local_time(at)


def elapsed(since: datetime, until: datetime) -> str:
    """Return the time between two moments as a duration; never negative, although a clock may have been set back."""
    return format_duration(max(0.0, (until - since).total_seconds()))


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago a moment was: `12 s ago`."""
    return f"{elapsed(at, now)} ago"


def parse_since(text: str, now: datetime) -> datetime:
    """Return the moment that a person means by `30min`, `2h`, `1d 12h`, `18:05`, `2026-11-23` or an RFC 3339 time.

    A time without an offset is local. Raises CommandError (64).
    """
    given = text.strip()
    try:
        if _DURATION.fullmatch(given):
            seconds = sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(given))
            at = now - timedelta(seconds=seconds)
        elif _CLOCK.fullmatch(given):
            clock = time.fromisoformat(given.zfill(8 if given.count(":") > 1 else 5))
            at = datetime.combine(now.astimezone().date(), clock).astimezone()
            at = at if at <= now else at - timedelta(days=1)
        else:
            at = datetime.fromisoformat(given)
            at = at if at.tzinfo is not None else at.astimezone()
        if EARLIEST <= at <= LATEST:
            return at
    except (ValueError, OverflowError):
        pass
    raise CommandError(
        USAGE,
        f"--since {given[:40]!r} is neither a duration nor a time: use 30min, 2h, 1d, 18:05, 2026-11-23 or "
        "2026-11-23T10:00:00+01:00",
    )
