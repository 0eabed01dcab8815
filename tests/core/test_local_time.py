"""Times in the controller's local time."""

from datetime import UTC, datetime

import pytest

from atvm_pipeline.core.local_time import local_clock, local_text

AT = datetime(2026, 11, 23, 22, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("offset_s", "text"),
    [
        (0, "2026-11-23 22:30:05 +0000"),
        (3600, "2026-11-23 23:30:05 +0100"),
        (7200, "2026-11-24 00:30:05 +0200"),
        (-12600, "2026-11-23 19:00:05 -0330"),
        (10**9, "2026-11-24 22:29:05 +2359"),
    ],
)
def test_a_time_has_its_date_and_offset(offset_s: int, text: str) -> None:
    assert local_text(AT, offset_s) == text


def test_a_time_of_the_same_local_day_is_short() -> None:
    later = AT.replace(hour=23)

    assert local_clock(later, AT, 0) == "23:30:05"
    assert local_clock(later, AT, 3600) == "2026-11-24 00:30:05"


def test_the_ends_of_the_calendar_have_no_room_for_a_zone() -> None:
    assert local_text(datetime.max.replace(tzinfo=UTC), 3600) == "9999-12-31 23:59:59 +0000"
