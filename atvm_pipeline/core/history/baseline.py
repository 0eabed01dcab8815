"""The baseline: the data of earlier runs of one scenario that a run needs, bounded in size."""

from datetime import date
from typing import Literal

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.facts import Instant

BASELINE_BYTES_MAX = 1024 * 1024
"""Size of a baseline in the journal."""
EARLIER_RUNS_MAX = 20
"""Earlier runs whose course is kept, and durations kept per spec."""
KNOWN_ISSUES_MAX = 1_000
"""Known issues kept."""

EarlierResult = Literal["passed", "failed", "flaky", "pending"]


class HistoryBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything in a baseline."""


class KnownIssue(HistoryBase, frozen=True, kw_only=True):
    """A failure that is known: plain texts in which `*` stands for any text. An empty one fits everything."""

    ref: str
    until: date
    """The last day on which it is valid."""
    host: str = ""
    spec: str = ""
    title: str = ""
    error: str = ""
    signature: str = ""
    owner: str = ""
    expired: bool = False
    """Whether it was no longer valid when the run started."""


class EarlierTest(HistoryBase, frozen=True, kw_only=True):
    """One test of a spec that did not simply pass in every run that is known."""

    case: str
    """Its key (`case_list.case_key`)."""
    title: str = ""
    result: EarlierResult = "failed"
    """Its result in the last run in which its spec has a result."""
    since: Instant | None = None
    """Start of the first run of the unbroken series with this result."""
    runs: int = 1
    """Length of that series."""
    flaky: int = 0
    """The number of runs, of the last `of`, in which it passed after a retry."""
    failed: int = 0
    """The number of runs, of the last `of`, in which it failed."""
    of: int = 0
    signature: str = ""
    """Of its last failure."""


class EarlierSpec(HistoryBase, frozen=True, kw_only=True):
    """One spec on one host, in the last run in which it has a result."""

    spec: str
    host: str | None = None
    result: Literal["passed", "failed"] = "passed"
    run_id: str
    at: Instant
    """End of that run."""
    runs: int = 1
    """Number of runs in which it has a result."""
    durations_s: tuple[float, ...] = ()
    """The newest first."""
    silence_s: float | None = None
    """Its usual longest time without a line."""
    passed: str = ""
    """Keys of the tests that passed in every run that is known, one after the other."""
    tests: tuple[EarlierTest, ...] = ()
    """All other tests."""


class EarlierRun(HistoryBase, frozen=True, kw_only=True):
    """The course of one earlier run."""

    run_id: str
    total_s: float
    spans: tuple[tuple[int, float, float], ...] = ()
    """A position in `Baseline.specs`, and when that spec started and ended, in seconds since the start of the run."""


class History(HistoryBase, frozen=True, kw_only=True):
    """Everything that a run needs of earlier runs of its scenario."""

    scenario: str
    runs: int = 0
    """Number of earlier runs that were read."""
    specs: tuple[EarlierSpec, ...] = ()
    courses: tuple[EarlierRun, ...] = ()
    """The newest first."""
    issues: tuple[KnownIssue, ...] = ()
    left_out: int = 0
    """Number of specs, courses and issues that were left out because of the limits."""
    problem: str = ""
    """Why history or known issues could not be read, in one sentence."""


def fitted(history: History) -> History:
    """Return the history within the limits: older courses go first, then the specs whose result is the oldest."""
    courses, issues = history.courses[:EARLIER_RUNS_MAX], history.issues[:KNOWN_ISSUES_MAX]
    specs = tuple(replace(spec, durations_s=spec.durations_s[:EARLIER_RUNS_MAX]) for spec in history.specs)
    kept = replace(history, specs=specs, courses=courses, issues=issues)
    while _size(kept) > BASELINE_BYTES_MAX:
        if kept.courses:
            kept = replace(kept, courses=kept.courses[: len(kept.courses) // 2])
        elif kept.specs:
            newest = sorted(kept.specs, key=lambda spec: spec.at, reverse=True)
            kept = replace(kept, specs=tuple(newest[: len(newest) // 2]))
        else:
            kept = replace(kept, issues=kept.issues[: len(kept.issues) // 2])
    before = len(history.specs) + len(history.courses) + len(history.issues)
    left_out = before - len(kept.specs) - len(kept.courses) - len(kept.issues)
    return replace(kept, left_out=history.left_out + left_out)


def _size(history: History) -> int:
    return len(msgspec.json.encode(history))
