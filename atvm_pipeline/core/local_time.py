"""Times for people, in the controller's local time. The core has no clock: its offset from UTC comes with an event."""

from datetime import datetime, timedelta, timezone

OFFSET_MAX_S = 24 * 3600 - 60
"""The greatest offset of a time zone from UTC, in seconds."""


def local(at: datetime, utc_offset_s: int) -> datetime:
    """Return a time in local time; unchanged at the ends of the calendar, where there is no room for other zones."""
    zone = timezone(timedelta(seconds=max(-OFFSET_MAX_S, min(OFFSET_MAX_S, utc_offset_s))))
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at


def local_text(at: datetime, utc_offset_s: int) -> str:
    """Return a time with date and offset: `2026-11-23 18:05:10 +0100`."""
    return f"{local(at, utc_offset_s):%Y-%m-%d %H:%M:%S %z}"


def local_clock(at: datetime, now: datetime, utc_offset_s: int) -> str:
    """Return a time of the day of `now` as `18:05:10`, and any other with its date: `2026-11-24 18:05:10`."""
    there = local(at, utc_offset_s)
    same_day = there.date() == local(now, utc_offset_s).date()
    return f"{there:%H:%M:%S}" if same_day else f"{there:%Y-%m-%d %H:%M:%S}"
