"""Results of specs, hosts and sub-runs as users see them: the inner part of `state.json`.

Plain data. A field is never renamed and never changes its type, so that every released snapshot stays readable.
"""

from datetime import datetime
from typing import Any

import msgspec

from .facts import Counts, TestsCounted


class ResultBase(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all results. Unknown keys are accepted, so that an older program can read a newer snapshot."""


class Ledger(ResultBase, frozen=True, kw_only=True):
    """The number of specs by result: planned is the sum of the seven below it, without flaky."""

    planned: int = 0
    planned_source: str = "none"
    """`running-line`, `began`, `specs-found`, `wrapper`, `mixed` (children differ) or `none`."""
    passed: int = 0
    failed: int = 0
    pending: int = 0
    skipped: int = 0
    crashed: int = 0
    not_run: int = 0
    no_report: int = 0
    flaky: int = 0
    """Specs in which a test passed after a retry."""


RESULT_WORDS: dict[str, tuple[str, str]] = {
    "crashed": ("FAIL", "crashed"),
    "failed": ("FAIL", "failed"),
    "no_report": ("RUN", "no_report"),
    "not_run": ("RUN", "not_run"),
    "skipped": ("RUN", "skipped"),
    "pending": ("RUN", "pending"),
    "passed": ("PASS", "completed"),
}
"""Kind of a spec's result -> (result, detail), the worst first: a host has the worst result of its specs."""

_ORDER = list(RESULT_WORDS)

KIND_BY_DETAIL: dict[str, str] = {detail: kind for kind, (_, detail) in RESULT_WORDS.items()}
"""Detail -> kind of the result: the reverse of `RESULT_WORDS`."""


def kind_of(counts: Counts) -> str:
    """Return the kind of result, a key of `RESULT_WORDS`, of a spec with these counts."""
    if counts.failing:
        return "failed"
    if counts.skipped:
        return "skipped"
    if counts.passing:
        return "passed"
    return "pending" if counts.pending else "not_run"


def is_worse(one: Counts, other: Counts) -> bool:
    """Return whether one source shows a worse result than another."""
    return _ORDER.index(kind_of(one)) < _ORDER.index(kind_of(other))


def add_counts(one: Counts, other: Counts) -> Counts:
    """Return the sums, field by field."""
    return Counts(
        tests=one.tests + other.tests,
        passing=one.passing + other.passing,
        failing=one.failing + other.failing,
        pending=one.pending + other.pending,
        skipped=one.skipped + other.skipped,
    )


def counts_text(counts: Counts) -> str:
    """Return the counts above zero in words: `3 passing, 1 failing`."""
    parts = ", ".join(
        f"{number} {name}"
        for name in ("passing", "failing", "pending", "skipped")
        if (number := getattr(counts, name))
    )
    return parts or "no test"


def lines_agree(counted: TestsCounted, row: Counts) -> bool:
    """Return whether the reporter's own lines agree with a row of the final table.

    The epilogue decides if it was read. Without it, the marks of the tests decide, and only for a spec in which no test
    failed: a failed test has another mark.
    """
    epilogue = counted.epilogue
    if epilogue is not None:
        shown = (epilogue.passing, epilogue.failing, epilogue.pending)
        return shown == (row.passing, row.failing, row.pending)
    marks = (counted.passed, counted.pending, 0, 0)
    return marks == (row.passing, row.pending, row.failing, row.skipped)


class Screenshot(ResultBase, frozen=True, kw_only=True):
    """A screenshot of a failing test."""

    path: str
    """As the log names it."""
    kept: str | None = None
    """Its name in the directory of kept screenshots; None if it is not kept."""
    sha256: str | None = None
    bytes: int | None = None
    error: str | None = None
    """Why it is not kept."""


class KnownAs(ResultBase, frozen=True, kw_only=True):
    """The known issue that a failing test matches."""

    ref: str
    until: str
    """The last day on which it is valid."""
    owner: str = ""
    expired: bool = False
    """Whether it was no longer valid when the run started: then the failure counts as new."""


class TestChange(ResultBase, frozen=True, kw_only=True):
    """A test that does not fail and differs from the last run of the same scenario."""

    title: str
    change: str
    """`fixed`, `flaky` or `gone`."""
    runs: int | None = None
    """The runs in which it failed before it was fixed; if it is flaky, the runs in which it was, with this one."""
    of: int | None = None
    """If it is flaky: the number of runs that were looked at, with this one."""
    since: datetime | None = None
    """When the first of these runs started."""


class FailedTest(ResultBase, frozen=True, kw_only=True):
    """A failing test by name, with the first line of its error."""

    title: str
    error: str = ""
    signature: str = ""
    """The error without the parts that differ between runs: equal failures have the same."""
    change: str | None = None
    """`new`, `first-seen`, `still-failing` or `known`, compared with the last run of the same scenario in which its spec
    has a result; None if no earlier run is known."""
    failing_runs: int | None = None
    """If it is still failing: the runs in which it failed without a pass between them, with this one."""
    failing_since: datetime | None = None
    """If it is still failing: when the first of these runs started."""
    known: KnownAs | None = None


class SpecResult(ResultBase, frozen=True, kw_only=True):
    """The result of one spec, combined from all sources."""

    spec: str
    position: int | None = None
    result: str
    detail: str
    tests: int = 0
    passing: int = 0
    failing: int = 0
    pending: int = 0
    skipped: int = 0
    started_at: datetime | None = None
    """When the log showed its start; None if it did not, and for a log that is read after the run."""
    finished_at: datetime | None = None
    """When the log showed its end, else the latest time at which it can have ended."""
    running: bool = False
    duration_s: float | None = None
    host: str | None = None
    flaky: tuple[str, ...] = ()
    flaky_tests: tuple[str, ...] = ()
    """Titles of the tests that passed after a retry."""
    failures: tuple[FailedTest, ...] = ()
    changes: tuple[TestChange, ...] = ()
    """Tests that are fixed, flaky or gone, compared as `FailedTest.change`."""
    screenshots: tuple[Screenshot, ...] = ()
    sources: tuple[str, ...] = ()
    artifact: str | None = None
    offset: int | None = None
    """Where the log shows its result, else its start."""
    conflict: str | None = None
    """How the sources differ, and which of them counts."""


class HostResult(ResultBase, frozen=True, kw_only=True):
    """The result of one host: the worst of its specs, with summed counts and durations."""

    host: str
    kernel: str | None = None
    result: str
    detail: str
    tests: int = 0
    passing: int = 0
    failing: int = 0
    pending: int = 0
    skipped: int = 0
    duration_s: float | None = None
    sources: tuple[str, ...] = ()
    artifact: str | None = None


class SubRunResult(ResultBase, frozen=True, kw_only=True):
    """One sub-run as `state.json` and `subruns/<NNN>.json` show it, without its post."""

    index: int
    label: str | None = None
    name: str
    label_trusted: bool | None = None
    phase: str
    failing: bool = False
    reason: dict[str, Any]
    """`{"code", "text", "evidence"}`."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    gap_before_s: float | None = None
    """Seconds since the end of the sub-run before, or for the first one since the start of the run."""
    recorded_url: str | None = None
    """The address of the recorded run that Cypress printed last."""
    ledger: Ledger
    specs: tuple[SpecResult, ...] = ()
    hosts: tuple[HostResult, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences about mismatches, conflicts and recovered results."""


class Forecast(ResultBase, frozen=True, kw_only=True):
    """When the run will probably end: an interval that holds in 80 of 100 runs."""

    made_at: datetime
    at_share: float
    """The share of the run that was done, from 0 to 1."""
    low_at: datetime
    mid_at: datetime
    high_at: datetime
    from_runs: int
    """The number of earlier runs that it is derived from."""


class HistoryRecord(ResultBase, frozen=True, kw_only=True):
    """The record of the run that later runs are compared with."""

    name: str
    bytes: int = 0
    left_out: str = ""
    error: str | None = None
    """Why it could not be written."""
