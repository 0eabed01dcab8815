"""Assignment of a report to one of several runs of its spec, by time and by order."""

import pytest
from hypothesis import given, strategies as st

from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.report import ReportedSpec
from atvm_pipeline.core.verdict.report_windows import (
    Placed,
    Window,
    Writing,
    counts_fit,
    place_by_order,
    place_by_time,
)
from tests.support.run_builder import BEGIN, counts

GREEN, RED = counts(4), counts(3, 1)
START = BEGIN.timestamp()
OPEN = float("inf")


def window(since: float, ended: float, log: Counts | None = GREEN) -> Window:
    return Window(START + since, START + ended, log)


def writing(
    at: float, found: Counts = GREEN, *, began: float | None = None, incomplete: bool = False
) -> Writing:
    started_at = None if began is None else BEGIN.fromtimestamp(START + began, BEGIN.tzinfo)
    return Writing(START + at, ReportedSpec(counts=found, started_at=started_at, incomplete=incomplete))


TWICE = (window(50, 100), window(900, 1000))
"""Windows of a spec that ran in two sub-runs; the settle time is 10 s."""


def placed(windows: tuple[Window, ...], *writings: Writing) -> list[int]:
    return [place.window for place in place_by_time(windows, writings, 10.0)]


@pytest.mark.parametrize(
    ("at", "expected"),
    [(-5000, 0), (0, 0), (100, 0), (105, 0), (111, 1), (500, 1), (1000, 1), (1005, 1), (9000, 1)],
)
def test_time_chooses_and_never_discards(at: float, expected: int) -> None:
    assert placed(TWICE, writing(at)) == [expected]


def test_a_report_of_a_spec_that_had_started_again_is_of_that_running() -> None:
    quick = (window(50, 100), window(103, 108))

    assert placed(quick, writing(107)) == [1]
    assert place_by_time(quick, [writing(107)], 10.0) == [Placed(1, certain=True)]
    assert place_by_time(quick, [writing(102)], 10.0) == [Placed(1, certain=False)]
    assert place_by_time(quick, [writing(100.5)], 10.0) == [Placed(0, certain=True)]


@pytest.mark.parametrize(
    ("began", "expected"), [(60, 0), (99, 0), (99.5, 1), (100, 1), (950, 1), (-9000, 0), (None, 1)]
)
def test_a_suite_that_started_before_the_window_is_of_the_running_before(
    began: float | None, expected: int
) -> None:
    """A merged report also contains suites of earlier groups."""
    assert placed(TWICE, writing(990, began=began)) == [expected]


def test_a_clock_that_was_set_back_makes_no_windows_overlap() -> None:
    assert placed((window(50, 100), window(120, 20), window(130, OPEN)), writing(60), writing(150)) == [0, 2]


def test_a_runner_that_buffers_shows_all_ends_at_once_and_order_decides() -> None:
    late = (window(0, 5000), window(4990, 5000), window(4990, 5001), window(5000, OPEN))

    assert placed(late, writing(100), writing(200), writing(300)) == [0, 1, 2]
    assert placed(late, writing(100), writing(200, RED)) == [1, 2]
    assert placed((window(0, 5000, RED), *late[1:]), writing(100, RED)) == [0]
    assert [place.certain for place in place_by_time(late, [writing(100)], 10.0)] == [False]
    assert placed(late, writing(9000)) == [3]


def test_a_second_report_that_fits_the_next_running_alone_is_of_that_one() -> None:
    late = (window(50, 400, GREEN), window(300, 900, RED))

    assert placed(late, writing(100), writing(200, RED)) == [0, 1]
    assert placed(late, writing(100), writing(200, counts(2, 2))) == [0, 0]
    assert placed(late, writing(100), writing(200, GREEN)) == [0, 0]
    assert placed(late, writing(100), writing(200, RED), writing(250, RED)) == [0, 1, 0]
    assert placed((late[0], window(300, 900, None)), writing(100), writing(200, RED)) == [0, 0]


def ordered(windows: list[Counts | None], *writings: Counts) -> list[int]:
    found = place_by_order([window(0, 0, log) for log in windows], [writing(0, one) for one in writings])
    return [place.window for place in found]


@pytest.mark.parametrize(
    ("windows", "writings", "expected"),
    [
        ([GREEN], [GREEN, RED], [0, 0]),
        ([RED, GREEN], [RED, GREEN], [0, 1]),
        ([GREEN, GREEN], [RED], [1]),
        ([RED, GREEN], [RED], [0]),
        ([RED, GREEN], [GREEN], [1]),
        ([RED, GREEN, GREEN], [RED, GREEN], [0, 2]),
        ([GREEN, None], [RED], [1]),
        ([GREEN, GREEN], [GREEN, RED, GREEN], [0, 0, 1]),
        ([None, None], [GREEN], [1]),
    ],
)
def test_offline_the_newest_report_is_of_the_last_running(
    windows: list[Counts | None], writings: list[Counts], expected: list[int]
) -> None:
    assert ordered(windows, *writings) == expected


def test_offline_a_report_proves_nothing_where_one_is_missing() -> None:
    windows = [window(0, 0, None), window(0, 0, None)]

    assert [place.certain for place in place_by_order(windows, [writing(0)])] == [False]
    assert [place.certain for place in place_by_order(windows, [writing(0), writing(1)])] == [True, True]


def test_a_cut_report_contradicts_only_by_a_failure_too_many() -> None:
    for found, fits in ((counts(1), True), (counts(0, 1), True), (counts(0, 2), False)):
        assert counts_fit(RED, writing(0, found, incomplete=True).reported) is fits


times = st.floats(-10_000, 10_000)
logs = st.sampled_from([None, GREEN, RED])
found = st.builds(
    writing, times, st.sampled_from([GREEN, RED]), began=st.none() | times, incomplete=st.booleans()
)


@given(st.lists(st.tuples(times, times, logs), min_size=1, max_size=6), st.lists(found, max_size=8))
def test_every_report_has_one_window(
    spans: list[tuple[float, float, Counts | None]], writings: list[Writing]
) -> None:
    windows = [window(*span) for span in spans]
    for places in (place_by_time(windows, writings, 10.0), place_by_order(windows, writings)):
        assert len(places) == len(writings)
        assert all(0 <= place.window < len(windows) for place in places)
