"""Times and durations, as every command prints and reads them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from atvm_pipeline.cli.times import ago, elapsed, local_clock, local_time, moment, parse_since
from atvm_pipeline.shell.exit_codes import USAGE, CommandError

NOW = datetime(2026, 11, 23, 17, 5, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_is_local_with_its_offset() -> None:
    assert local_time(NOW) == "2026-11-23 18:05:10 +0100"
    assert local_time(NOW - timedelta(days=120)) == "2026-07-26 19:05:10 +0200"


def test_a_time_of_today_is_a_clock_and_another_one_has_its_date() -> None:
    assert local_clock(NOW + timedelta(hours=5), NOW) == "23:05:10"
    assert local_clock(NOW + timedelta(hours=6), NOW) == "2026-11-24 00:05:10 +0100"


def test_a_duration_is_never_negative() -> None:
    assert ago(NOW - timedelta(seconds=3725), NOW) == "1 h 02 min ago"
    assert elapsed(NOW + timedelta(seconds=5), NOW) == "0 s"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-23T17:05:10Z", NOW),
        ("2026-11-23T17:05:10", NOW),
        ("2026-11-23T18:05:10+01:00", NOW),
        ("soon", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        (None, None),
        (7, None),
    ],
)
def test_a_time_of_a_state_file_is_read_or_none(text: object, at: datetime | None) -> None:
    assert moment(text) == at


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30min", NOW - timedelta(minutes=30)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("1.5 h", NOW - timedelta(minutes=90)),
        ("1d 12h", NOW - timedelta(hours=36)),
        (" 1w ", NOW - timedelta(days=7)),
        ("18:05", datetime(2026, 11, 23, 17, 5, tzinfo=UTC)),
        ("9:05:30", datetime(2026, 11, 23, 8, 5, 30, tzinfo=UTC)),
        ("18:06", datetime(2026, 11, 22, 17, 6, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 19, 23, tzinfo=UTC)),
        ("2026-11-20 10:00", datetime(2026, 11, 20, 9, tzinfo=UTC)),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
    ],
)
def test_a_person_returns_a_duration_a_clock_or_a_time(text: str, since: datetime) -> None:
    assert parse_since(text, NOW) == since


@pytest.mark.parametrize(
    "text",
    ["", "soon", "5", "5 parsecs", "-2h", "25:00", "0001-01-01", "9999-12-31T23:59:59", "999999w", "1e9h"],
)
def test_anything_else_is_refused_in_one_line_with_examples(text: str) -> None:
    with pytest.raises(
        CommandError, match="is neither a duration nor a time: use 30min, 2h, 1d, 18:05,"
    ) as refused:
        parse_since(text, NOW)

    assert refused.value.code == USAGE
    assert "\n" not in str(refused.value)
