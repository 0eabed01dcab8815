"""Transition and verdict tables: which phase, stage or verdict follows from an event or a condition. Data, no functions.

Every decision about a phase, a stage or a verdict is a row in this file. The code that reads the rows is in
`subruns/children.py` (stages), `reducer.py` (phases), `verdict/subrun_verdict.py` and `verdict/run_verdict.py` (verdicts).
A missing cell means that nothing changes. `atvm-pipeline verdicts` prints the tables, `fixtures/verdicts.txt` is their
golden file, and the diagram in the README is made from them.
"""

from typing import NamedTuple

from .phases import Phase
from .state import Stage

PHASE_TRANSITIONS: dict[Phase, dict[str, Phase]] = {
    Phase.PENDING: {
        "runner-started": Phase.RUNNING,
        "runner-exited": Phase.RUNNING,
        # A runner that this program did not start is found by its processes or by its log.
        "processes-seen": Phase.RUNNING,
        "log-read": Phase.RUNNING,
    },
    # No single event ends a run: see RUN_VERDICTS.
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
        # A summary without its header line still ends the child: the line may be lost.
        "totals-reported": Stage.ENDED,
        "run-recorded": Stage.ENDED,
        "next-child": Stage.ENDED,
        "runner-over": Stage.ENDED,
    },
    Stage.SUMMARISED: {
        "totals-reported": Stage.ENDED,
        "run-recorded": Stage.ENDED,
        "next-child": Stage.ENDED,
        # With a reused ci-build-id Cypress prints no table, so the next events show the end.
        "child-gone": Stage.ENDED,
        "summary-wait-passed": Stage.ENDED,
        "runner-over": Stage.ENDED,
    },
    # Later facts are recorded and never change the stage.
    Stage.ENDED: {},
}
"""Stage of a child -> fact or derived trigger -> next stage."""

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
"""How long to wait for the totals row of a child after `(Run Finished)`."""


class VerdictRow(NamedTuple):
    """One row of a verdict table. The first row whose condition holds decides the phase."""

    number: str
    condition: str
    """Key of the condition in `RUN_CONDITIONS` or `SUBRUN_CONDITIONS`."""
    when: str
    """The condition in words, for people."""
    phase: Phase
    codes: tuple[str, ...]
    """The reason codes that the condition can return."""


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
"""Reason codes of early ends that Cypress itself prints."""

_FAILURES = ("tests-failed", "spec-crashed", "failure-unattributed", *EARLY_ENDS)
_MISSING = ("nothing-ran", "results-missing", "host-pending", "wrong-hosts", "log-mixed", "totals-contradict")

ABSENT_CODES = frozenset({"nothing-ran", "results-missing", "host-pending", "wrong-hosts"})
"""Codes of something that is absent: no proof of a failure where a part of the log could not be read."""

RUN_VERDICTS: tuple[VerdictRow, ...] = (
    VerdictRow(
        "1", "cancelled", "a cancel was requested before the end", Phase.CANCELLED, ("cancel-requested",)
    ),
    VerdictRow(
        "2", "limit", "a time limit passed", Phase.HUNG, ("quiet-with-cause", "stalled", "total-limit")
    ),
    VerdictRow(
        "3",
        "outside",
        "the runner was ended from outside",
        Phase.TERMINATED,
        ("runner-signalled", "runner-stopped", "out-of-memory", "host-rebooted", "runner-vanished"),
    ),
    VerdictRow("4", "failure", "the log or a fresh report shows a failure", Phase.FAILED, _FAILURES),
    # Only `inspect` without exit information: the end is unknown, so a log that stops midway proves nothing.
    VerdictRow("4a", "cut", "the end is unknown and the log stops midway", Phase.UNKNOWN, ("no-evidence",)),
    VerdictRow(
        "5",
        "missing",
        "a planned spec or a requested host has no result",
        Phase.FAILED,
        (*_MISSING, "runner-not-started"),
    ),
    VerdictRow("6", "exit", "the exit code is not 0", Phase.FAILED, ("runner-failed",)),
    VerdictRow(
        "6a",
        "unproven",
        "the log has no summary or cannot be parsed, and the reports do not prove a pass",
        Phase.UNKNOWN,
        ("no-summary", "log-unreadable"),
    ),
    VerdictRow(
        "7",
        "nothing",
        "no Cypress output and no report",
        Phase.UNKNOWN,
        ("no-evidence", "runner-never-started"),
    ),
    VerdictRow("8", "passed", "everything planned passed", Phase.COMPLETED, ("all-passed",)),
)
"""How a run ended: the first row that holds."""

SUBRUN_VERDICTS: tuple[VerdictRow, ...] = (
    VerdictRow("1", "failure", "the log or a fresh report shows a failure", Phase.FAILED, _FAILURES),
    VerdictRow("2", "missing", "a planned spec or a requested host has no result", Phase.FAILED, _MISSING),
    VerdictRow(
        "2a",
        "unread",
        "the missing results may be in lines of the log that cannot be parsed",
        Phase.UNKNOWN,
        ("log-unreadable",),
    ),
    VerdictRow("3", "passed", "everything planned passed", Phase.COMPLETED, ("all-passed",)),
)
"""How a sub-run of a categorized run ended. An unfinished one takes the run's phase if that is in `INHERITED_PHASES`."""

INHERITED_PHASES = frozenset({Phase.CANCELLED, Phase.HUNG, Phase.TERMINATED, Phase.UNKNOWN})
"""Phases of a run that its unfinished sub-runs take over."""
