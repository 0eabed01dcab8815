"""Chooses which execution of a spec wrote a report, for a spec that ran more than once.

Every group of a categorized run ends with check-xml-files.ts, and a group may be repeated. Time decides between the
executions and never discards a report. The window of an execution starts at the end of the previous one and ends at its
own end, plus the settle time for a report that is written late.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.report import ReportedSpec

EARLY_S = 2.0
"""A file's time comes from the kernel's coarse clock, and a log is read a little later than it is written."""
CUT_S = 1.0
"""A suite's own time is truncated to the second."""
LOOKED_BACK_MAX = 100
"""Earlier executions that are tried, offline, if a report contradicts the log of the last one."""


class Window(NamedTuple):
    """One execution of a spec; times in seconds."""

    since: float
    """When the log was last read before its start."""
    ended: float
    """When its sub-run ended; infinite while that runs."""
    log: Counts | None
    """Its result in the log."""


class Writing(NamedTuple):
    """One report of the spec, and when it was written."""

    at: float
    reported: ReportedSpec


class Placed(NamedTuple):
    """The window of a report."""

    window: int
    certain: bool
    """Whether no other execution can have written it, so that it can prove that the spec passed."""


def counts_fit(log: Counts, reported: ReportedSpec) -> bool:
    """Return whether a report's counts agree with those of the log.

    Failures must be equal and, without a failure, the passing tests too. A report declares fewer tests where a root hook
    failed (`tests="0" failures="1"`), and a truncated report contradicts the log only by a failure too many.
    """
    counts = reported.counts
    if reported.incomplete:
        return counts.failing <= log.failing
    if log.failing != counts.failing:
        return False
    if log.failing:
        return counts.tests <= log.tests
    return (log.tests, log.passing) == (counts.tests, counts.passing)


def place_by_time(windows: Sequence[Window], writings: Sequence[Writing], settle_s: float) -> list[Placed]:
    """Return the window of each report; `writings` and `windows` are in order of time."""
    # If the clock was set back, the windows must not overlap.
    ends = list(accumulate((window.ended for window in windows), max))
    clusters = _clusters(windows, ends)
    taken: set[int] = set()
    placed = []
    together: dict[range, list[int]] = {}
    for number, writing in enumerate(writings):
        found = _placed(windows, ends, writing, settle_s, taken)
        taken.add(found.window)
        placed.append(found)
        if len(clusters[found.window]) > 1:
            together.setdefault(clusters[found.window], []).append(number)
    for cluster, numbers in together.items():
        places = place_by_order([windows[at] for at in cluster], [writings[number] for number in numbers])
        for number, place in zip(numbers, places, strict=True):
            placed[number] = place._replace(window=cluster.start + place.window)
    return placed


def _clusters(windows: Sequence[Window], ends: Sequence[float]) -> list[range]:
    """Return, for each window, the windows whose log was read in one go, so that time cannot decide between them.

    This happens if the runner buffers its output, or if the watcher started late.
    """
    clusters: list[range] = []
    start = 0
    for at in range(len(windows)):
        last = at == len(windows) - 1
        if last or windows[at + 1].since > ends[at] or ends[at + 1] - ends[at] > EARLY_S:
            clusters += [range(start, at + 1)] * (at + 1 - start)
            start = at + 1
    return clusters


def _placed(
    windows: Sequence[Window], ends: Sequence[float], writing: Writing, settle_s: float, taken: set[int]
) -> Placed:
    at = min(bisect_left(ends, writing.at), len(windows) - 1)
    began = writing.reported.started_at
    if began is not None and at and began.timestamp() + CUT_S <= ends[at - 1]:
        # A merged report contains suites of earlier sub-runs too.
        at = bisect_left(ends, began.timestamp() + CUT_S, hi=at)
    late = at > 0 and windows[at].since > writing.at and writing.at - ends[at - 1] <= settle_s
    if late and windows[at].since - writing.at > EARLY_S:
        # The spec had not started again: this is a late report of the previous sub-run.
        at, late = at - 1, False
    if at in taken and at + 1 < len(windows) and _is_of_next(windows, writing, at, taken):
        return Placed(at + 1, certain=False)
    return Placed(at, certain=not late)


def _is_of_next(windows: Sequence[Window], writing: Writing, at: int, taken: set[int]) -> bool:
    """Return whether a second report within one window belongs to the next execution, because the log was read late.

    A runner that buffers its output prints the end of a group after the next one has written its reports.
    """
    return (
        at + 1 not in taken
        and _fits(windows[at + 1], writing.reported)
        and not _fits(windows[at], writing.reported)
    )


def place_by_order(windows: Sequence[Window], writings: Sequence[Writing]) -> list[Placed]:
    """Return the window of each report without times: the newest report belongs to the last execution, and so on backwards.

    If there are fewer reports than executions, a report that contradicts the log is moved back to an execution that it fits.
    """
    certain = len(writings) >= len(windows)
    placed: list[Placed] = []
    at = len(windows) - 1
    for left in range(len(writings), 0, -1):
        reported = writings[left - 1].reported
        spare = min(at + 1 - left, LOOKED_BACK_MAX)
        here = windows[at].log
        if spare > 0 and here is not None and not counts_fit(here, reported):
            earlier = range(at - 1, at - 1 - spare, -1)
            at = next((number for number in earlier if _fits(windows[number], reported)), at)
        placed.append(Placed(at, certain))
        at = max(at - 1, 0)
    return placed[::-1]


def _fits(window: Window, reported: ReportedSpec) -> bool:
    return window.log is not None and counts_fit(window.log, reported)
