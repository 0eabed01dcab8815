"""The small values that Cypress prints: durations and counts.

An unreadable value yields None, never an exception.
"""

import re

from atvm_pipeline.core.facts import Counts

_SECONDS = re.compile(r"(?:(\d{1,9}) minutes?, )?(\d{1,9}) seconds?")
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,4}):(\d\d)")
_MILLISECONDS = re.compile(r"(\d{1,12})ms")
_COLUMN_DURATION = re.compile(r"SKIPPED|XX:XX|\d{1,12}ms|\d{1,6}(?::\d\d){1,2}")
_COUNT = re.compile(r"\d{1,9}")


def box_duration_s(text: str) -> float | None:
    """Return the seconds of `[M minute(s), ]S second(s)`. Cypress does not roll minutes into hours, and drops full days."""
    found = _SECONDS.fullmatch(text)
    return None if found is None else 60.0 * int(found[1] or 0) + int(found[2])


def table_duration_s(text: str) -> float | None:
    """Return the seconds of `04:55`, `1:02:03` or `62ms`; None for `SKIPPED` and the `XX:XX` of Cypress's own snapshots."""
    found = _MILLISECONDS.fullmatch(text)
    if found is not None:
        return int(found[1]) / 1000
    found = _CLOCK.fullmatch(text)
    return None if found is None else 3600.0 * int(found[1] or 0) + 60 * int(found[2]) + int(found[3])


def is_duration(text: str) -> bool:
    """Return whether the duration column of the final table can contain this text."""
    return _COLUMN_DURATION.fullmatch(text) is not None


def table_count(text: str) -> int | None:
    """Return a count; the final table prints a zero as `-`."""
    if text == "-":
        return 0
    return int(text) if _COUNT.fullmatch(text) else None


def counts(cells: list[str]) -> Counts | None:
    """Return tests, passing, failing, pending, skipped from five cells; None if one of them is not a count."""
    numbers = [number for number in map(table_count, cells) if number is not None]
    if len(numbers) != 5 or len(cells) != 5:  # noqa: PLR2004 - the five columns
        return None
    tests, passing, failing, pending, skipped = numbers
    return Counts(tests=tests, passing=passing, failing=failing, pending=pending, skipped=skipped)
