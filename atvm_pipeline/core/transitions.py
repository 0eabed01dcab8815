"""The tables: which phase, stage and verdict follow on what.  Data, no functions.

Rule 1: what decides about phases, stages and verdicts is a row in this file; the code that reads the rows lives in
`children.py` (stages), `reducer.py` (phases) and `run_verdict.py` (verdicts).  A missing cell means: changes nothing.
The tables are printed by `atvm-pipeline verdicts`, kept as `fixtures/verdicts.txt`, and drawn in the README.
"""

from typing import NamedTuple

from .phases import Phase
from .state import Stage

PHASE_TRANSITIONS: dict[Phase, dict[str, Phase]] = {
    Phase.PENDING: {
        "runner-started": Phase.RUNNING,
        "runner-exited": Phase.RUNNING,
        # A runner that was not started by us shows itself by its processes or by its log.
        "processes-seen": Phase.RUNNING,
        "log-read": Phase.RUNNING,
    },
    # How a run ends is no single event's doing: see RUN_VERDICTS.
    Phase.RUNNING: {},
    # Nothing leaves a terminal phase.
    Phase.COMPLETED: {},
    Phase.FAILED: {},
    Phase.CANCELLED: {},
    Phase.TERMINATED: {},
    Phase.HUNG: {},
    Phase.UNKNOWN: {},
}
"""Phase of a run -> type of event -> next phase."""

CHILD_TRANSITIONS: dict[Stage, dict[str, Stage]] = {
    Stage.OPEN: {
        "run-finished": Stage.SUMMARISED,
        # A summary whose header line was lost still ends the child.
        "totals-reported": Stage.ENDED,
        "run-recorded": Stage.ENDED,
        "next-child": Stage.ENDED,
        "runner-over": Stage.ENDED,
    },
    Stage.SUMMARISED: {
        "totals-reported": Stage.ENDED,
        "run-recorded": Stage.ENDED,
        "next-child": Stage.ENDED,
        # A reused ci-build-id prints no table: the end is seen by what follows.
        "child-gone": Stage.ENDED,
        "summary-wait-passed": Stage.ENDED,
        "runner-over": Stage.ENDED,
    },
    # Later facts are recorded and never change it.
    Stage.ENDED: {},
}
"""Stage of a child -> fact or derived trigger -> next stage (contract §4)."""

CHILD_TRIGGERS = (
    "run-finished",
    "totals-reported",
    "run-recorded",
    "next-child",
    "child-gone",
    "summary-wait-passed",
    "runner-over",
)
"""The columns of CHILD_TRANSITIONS; the last four are derived, the others are facts of the log."""

SUMMARY_WAIT_S = 10.0
"""How long a child without a totals row is waited for after `(Run Finished)` (contract §4)."""


class VerdictRow(NamedTuple):
    """One row of a verdict table: the first whose condition holds gives the phase."""

    number: str
    condition: str
    """Name of the condition in `verdict.CONDITIONS`."""
    when: str
    """The condition for a person."""
    phase: Phase
    codes: tuple[str, ...]
    """The reason codes that it can give."""


EARLY_ENDS = (
    "no-specs-found",
    "config-invalid",
    "plugin-error",
    "browser-not-found",
    "browser-not-connected",
    "browser-closed",
    "server-unreachable",
    "cypress-not-installed",
    "dependency-missing",
    "xvfb-failed",
    "arguments-invalid",
    "cypress-error",
    "automation-lost",
    "heap-exhausted",
    "reporter-error",
    "record-key-invalid",
    "record-project-unknown",
    "record-group-used",
    "record-parallel-invalid",
    "record-run-stale",
    "record-flags-invalid",
    "record-plan-exceeded",
    "record-server-error",
    "run-canceled",
    "cypress-signalled",
    "spec-compile-error",
)
"""Reason codes of the ends that Cypress itself prints."""

_FAILURES = ("tests-failed", "spec-crashed", "failure-unattributed", *EARLY_ENDS)
_MISSING = ("nothing-ran", "results-missing", "host-pending", "wrong-hosts", "log-mixed", "totals-contradict")

ABSENT_CODES = frozenset({"nothing-ran", "results-missing", "host-pending", "wrong-hosts"})
"""Codes of what is not there: no proof of a failure where a part of the log could not be read."""

RUN_VERDICTS: tuple[VerdictRow, ...] = (
    VerdictRow(
        "1", "cancelled", "a cancel marker was there before the end", Phase.CANCELLED, ("cancel-requested",)
    ),
    VerdictRow("2", "limit", "a limit passed", Phase.HUNG, ("quiet-with-cause", "stalled", "total-limit")),
    VerdictRow(
        "3",
        "outside",
        "ended from outside",
        Phase.TERMINATED,
        ("runner-signalled", "runner-stopped", "out-of-memory", "host-rebooted", "runner-vanished"),
    ),
    VerdictRow("4", "failure", "a failure is certain in one in-time source", Phase.FAILED, _FAILURES),
    # Only `inspect` without exit information: nobody saw the end, so a log that stops midway proves nothing.
    VerdictRow("4a", "cut", "the end was not seen and the log stops midway", Phase.UNKNOWN, ("no-evidence",)),
    VerdictRow(
        "5",
        "missing",
        "something planned, or a requested host, has no result",
        Phase.FAILED,
        (*_MISSING, "runner-not-started"),
    ),
    VerdictRow("6", "exit", "the exit code is not 0", Phase.FAILED, ("runner-failed",)),
    VerdictRow(
        "6a",
        "unproven",
        "the log has no summary or cannot be read, and the reports do not suffice",
        Phase.UNKNOWN,
        ("no-summary", "log-unreadable"),
    ),
    VerdictRow(
        "7",
        "nothing",
        "no Cypress line and no artifact",
        Phase.UNKNOWN,
        ("no-evidence", "runner-never-started"),
    ),
    VerdictRow("8", "passed", "none of these", Phase.COMPLETED, ("all-passed",)),
)
"""How a run ended: the first row that holds (contract §3)."""

SUBRUN_VERDICTS: tuple[VerdictRow, ...] = (
    VerdictRow("1", "failure", "a failure is certain in one in-time source", Phase.FAILED, _FAILURES),
    VerdictRow(
        "2", "missing", "something planned, or a requested host, has no result", Phase.FAILED, _MISSING
    ),
    VerdictRow(
        "2a",
        "unread",
        "what is missing may be in lines of the log that cannot be read",
        Phase.UNKNOWN,
        ("log-unreadable",),
    ),
    VerdictRow("3", "passed", "none of these", Phase.COMPLETED, ("all-passed",)),
)
"""How a sub-run of a categorized run ended; an unfinished one takes the run's phase of rows 1 to 3 instead."""

INHERITED_PHASES = frozenset({Phase.CANCELLED, Phase.HUNG, Phase.TERMINATED, Phase.UNKNOWN})
"""Phases of a run that its unfinished sub-runs take over."""
