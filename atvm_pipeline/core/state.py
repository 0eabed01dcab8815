"""The state of one run: everything that the core remembers, folded from the events.

It contains only observed facts and recorded verdicts. Ledgers, hosts, names and the phase of a running run are derived
(`reducer.phase_of`, `verdict/run_context.py`) and shown by `snapshot.py`. All objects are frozen: they are replaced, never
changed.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from .console.scanner import ScannerState
from .events import (
    ArtifactWritten,
    CancelRequested,
    ForecastMade,
    HistoryRecorded,
    LogIdentity,
    LogReplaced,
    Process,
    RunnerExited,
    RunnerStarted,
    RunnerVanished,
    RunRequested,
    ScreenshotKept,
    WriteRefused,
)
from .facts import (
    ChildDescribed,
    Counts,
    ErrorReported,
    LastLine,
    LineUnplaced,
    SpecSummarised,
    TestsCounted,
    TotalsReported,
    WordsUnread,
    WrapperTotals,
)
from .history.baseline import History
from .history.provenance import Provenance
from .phases import Phase
from .results import Ledger, SubRunResult

SPEC_SCREENSHOTS_MAX = 50
"""Paths of screenshots kept per spec."""
FAILURES_MAX = 50
"""Failing tests kept per spec; the message shows ten."""
SPECS_MAX = 5_000
"""Specs kept per child; a child with more cannot pass."""
SUBRUNS_MAX = 2_000
"""Sub-runs kept, and children kept per sub-run; more than run in a day."""
ARTIFACTS_MAX = 10_000
"""Artifact versions kept; the oldest are dropped first."""
CASES_KEPT_MAX = 200_000
"""Tests of all reports that are kept with their results; the journal has all."""
LAUNCHES_MAX = 100
"""Command lines kept whose child has not printed anything yet."""
RECORDED_URL_CHARS_MAX = 2000
"""Length of the address of a recorded run."""
ERRORS_MAX = 20
"""Error blocks kept per child."""
WRITES_REFUSED_MAX = 5
"""Times kept at which the disk refused writes: the first and the last ones."""
RUN_UNPLACED_MAX = 100
"""Unplaced lines kept per child, and for a run before its first child."""


Evidence = dict[str, str | int | float | None]
"""One place that shows a fact; `kind` defines the other keys."""


class Stage(StrEnum):
    """The stage of one child between its first line and its end."""

    OPEN = "open"
    #: `(Run Finished)` was printed, its totals row not yet.
    SUMMARISED = "summarised"
    ENDED = "ended"


class StateBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all state. Unknown keys are accepted, so that an older program can read a newer snapshot."""


class Failure(StateBase, frozen=True, kw_only=True):
    """One failing test by name."""

    title: str
    error: str = ""


class Spec(StateBase, frozen=True, kw_only=True):
    """The results of one spec of one child in the log, source by source."""

    spec: str
    offset: int
    """Where the log first mentions it."""
    position: int | None = None
    total: int | None = None
    began: bool = False
    """Whether its `Running:` line was seen."""
    since: datetime | None = None
    """When the log was last read before this line: the spec started then or later, however late the line was read."""
    started_at: datetime | None = None
    """When its `Running:` line was read."""
    ended_at: datetime | None = None
    """When its results box was read."""
    box: Counts | None = None
    box_offset: int | None = None
    row: Counts | None = None
    row_offset: int | None = None
    row_mark: str | None = None
    row_skipped: bool = False
    counted: TestsCounted | None = None
    """The result in the reporter's own lines, if no box was read."""
    duration_s: float | None = None
    error: ErrorReported | None = None
    """The error block that ended this spec."""
    failures: tuple[Failure, ...] = ()
    flaky: tuple[str, ...] = ()
    screenshots: tuple[str, ...] = ()
    """The paths in its `(Screenshots)` block."""


class HeldSummary(StateBase, frozen=True, kw_only=True):
    """A final table read while a spec was open: it is the child's own unless more lines of that spec follow."""

    within: str
    """The spec that was open."""
    rows: tuple[SpecSummarised, ...] = ()
    totals: TotalsReported | None = None


class Child(StateBase, frozen=True, kw_only=True):
    """The run of one Cypress process, as the log shows it."""

    offset: int
    """Where the log first mentions it."""
    at: datetime
    watched_s: float
    label: str | None = None
    """ci-build-id from a command line in the log."""
    started: bool = False
    """Whether `(Run Starting)` was seen; an early error may come without it."""
    described: ChildDescribed | None = None
    specs: tuple[Spec, ...] = ()
    too_many: bool = False
    """More specs were seen than are kept."""
    errors: tuple[ErrorReported, ...] = ()
    """Error blocks that ended this child early."""
    doubtful: tuple[ErrorReported, ...] = ()
    """Error blocks printed while a spec ran: a test may have printed them, unless the child ends without its summary."""
    stream: int = 0
    """The output it belongs to, if one log has several."""
    headless: bool = False
    """Whether its first line belongs to a spec, because no header was read."""
    overlaps: bool = False
    """Whether the child before it had neither a totals row nor `Recorded Run:` when this one started, or overlapped such
    a child and this one is headless: then the first child may continue here."""
    unplaced: tuple[LineUnplaced, ...] = ()
    """Lines in Cypress's own form that match neither a spec nor the summary of this child."""
    held: HeldSummary | None = None
    stage: Stage = Stage.OPEN
    finished_offset: int | None = None
    finished_watched_s: float | None = None
    totals: TotalsReported | None = None
    recorded_offset: int | None = None
    recorded_url: str | None = None
    """The address in `Recorded Run:`."""
    process_seen: bool = False
    """Whether a Cypress process was seen while this child was open."""
    ended_at: datetime | None = None
    ended_watched_s: float | None = None
    ended_by: str | None = None
    """The trigger of `transitions.CHILD_TRANSITIONS` that ended it."""
    last: tuple[LastLine, ...] = ()
    """The last lines of the log when the next child started, if this one had not printed its summary."""


class Wrapper(StateBase, frozen=True, kw_only=True):
    """A wrapper that calls Cypress many times for one sub-run (cypress-cloud)."""

    name: str
    offset: int
    total: int | None = None
    group: str | None = None
    finished_offset: int | None = None
    totals: WrapperTotals | None = None
    """The result in its own table."""


class SubRun(StateBase, frozen=True, kw_only=True):
    """A part of a run with its own verdict and message: one group of a categorized run, or the complete run."""

    index: int
    children: tuple[Child, ...] = ()
    wrapper: Wrapper | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_watched_s: float | None = None
    result: SubRunResult | None = None
    """The verdict, once it is recorded: final."""


class LogPosition(StateBase, frozen=True, kw_only=True):
    """The position up to which the log was read."""

    generation: int = 0
    begin: int = 0
    """The offset of the first byte of the file that is currently followed."""
    end: int = 0
    scanner: ScannerState = ScannerState()
    identity: LogIdentity | None = None
    final: bool = False
    since: datetime | None = None
    """When a watcher last reached the end of the log, before its latest read."""
    replaced: tuple[LogReplaced, ...] = ()
    """At most 20: times when the log's file changed under the watcher."""


class Post(StateBase, frozen=True, kw_only=True):
    """One requested message and the state of its delivery."""

    key: str
    kind: Literal["subrun", "run", "alert", "progress"]
    """`progress`: the message that shows the progress of the run and is edited."""
    subrun: int | None = None
    payload: str
    """The webhook body without mark and channel, as JSON text."""
    delivery_id: str
    outcome: Literal["pending", "sent", "rejected", "uncertain", "expired", "dropped"] = "pending"
    asked_at: datetime
    asked_watched_s: float
    attempts: int = 0
    in_flight: bool = False
    """Whether an attempt has started and its outcome is not known yet: a crash now makes it uncertain."""
    due_watched_s: float = 0.0
    uncertain: int = 0
    """Attempts that ended uncertain."""
    probable: int = 0
    """Attempts that ended probably-not-arrived."""
    repeats: int = 0
    """Marked attempts that may have reached the server."""
    ping_first: bool = False
    """Whether the server is pinged before the next attempt."""
    pinging: bool = False
    """Whether a ping has started and has no response yet: a crash now loses nothing."""
    pings: int = 0
    absent: int = 0
    """Complete listings of the channel, after the last attempt, that do not have the post."""
    searches: int = 0
    searched_watched_s: float | None = None
    """When the channel was last searched."""
    pings_down: int = 0
    """Consecutive pings that found the server down."""
    marked: bool = False
    """Whether the next attempt is marked as a possible duplicate."""
    settled_at: datetime | None = None
    detail: str = ""
    status: int | None = None
    transport: Literal["webhook", "token"] | None = None
    """How the last attempt was made."""
    post_id: str | None = None
    """The server's id of the post, if it is known."""
    root_id: str | None = None
    """The server's id of the post that starts the thread."""


class Notice(StateBase, frozen=True, kw_only=True):
    """A sentence that asks the operator to act, for as long as it applies."""

    code: str
    text: str


class Verdict(StateBase, frozen=True, kw_only=True):
    """The end of the run."""

    phase: Phase
    reason: "Reason"
    finished_at: datetime
    ledger: Ledger = Ledger()


class Reason(StateBase, frozen=True, kw_only=True):
    """Why a phase was chosen: a code of `reasons.REASONS`, its text, and the evidence."""

    code: str
    text: str
    evidence: tuple[Evidence, ...] = ()


class Launch(StateBase, frozen=True, kw_only=True):
    """A command line in the log that starts a child."""

    label: str
    offset: int


class Run(StateBase, frozen=True, kw_only=True):
    """Everything known about one run."""

    seq: int = 0
    """`seq` of the last event applied."""
    request: RunRequested
    at: datetime
    watched_s: float = 0.0
    utc_offset_s: int = 0
    stopping: bool = False
    """Whether the watcher was asked to stop: no delivery attempt starts until another watcher has started."""
    archived: bool = False
    """Whether it was archived without a verdict: from then on only its messages change."""
    watcher_pid: int | None = None
    ignored: int = 0
    """Events that changed nothing because they arrived too late or twice."""

    seen: bool = False
    """Whether any sign of a runner was seen."""
    seen_watched_s: float | None = None
    runner: RunnerStarted | None = None
    processes: tuple[Process, ...] = ()
    stuck: bool = False
    had_browser: bool = False
    """Whether the last child to start had a browser of its own."""
    browsers: tuple[tuple[int, float], ...] = ()
    """pid and start time of the browsers last seen while a child was open."""
    past_browsers: tuple[tuple[int, float], ...] = ()
    """Browsers of an earlier child that were still running when this one started: they are no evidence about it."""
    exit: RunnerExited | None = None
    vanished: RunnerVanished | None = None
    over_watched_s: float | None = None
    """When the runner and every related Cypress process had ended."""
    over_at: datetime | None = None

    log: LogPosition = LogPosition()
    launched: tuple[Launch, ...] = ()
    """Children whose command line was printed and that have not printed anything yet, in order."""
    subruns: tuple[SubRun, ...] = ()
    stream: int = 0
    """The stream of the log that is being read: lines with the same label, or without one."""
    streams: tuple[int, ...] = (0,)
    """All streams in which a child started."""
    too_many: bool = False
    """More children or sub-runs were seen than are kept."""
    unplaced: tuple[LineUnplaced, ...] = ()
    """Lines in Cypress's own form before the first child."""
    epilogue_passing: int = 0
    """Passing tests in the epilogues before the first child."""
    epilogue_failing: int = 0
    words_unread: WordsUnread | None = None
    """The first line with Cypress's words, if no line of Cypress could be parsed, or some could not."""
    artifacts: tuple[ArtifactWritten, ...] = ()
    cases_kept: int = 0
    """Tests in the reports above that are listed with their results."""
    artifacts_forgotten: int = 0
    """Artifact versions that were dropped for newer ones."""
    progress_watched_s: float = 0.0
    """When the log or an artifact last changed."""
    progress_at: datetime | None = None
    last_progress_text: str | None = None

    history: History | None = None
    """The earlier runs of this run's scenario, if the start read them."""
    provenance: Provenance | None = None
    config_lines: tuple[str, ...] = ()
    forecasts: tuple[ForecastMade, ...] = ()
    screenshots: tuple[ScreenshotKept, ...] = ()
    recorded: HistoryRecorded | None = None
    """The record of this run for later ones."""

    writes_refused: tuple[WriteRefused, ...] = ()
    """Times at which the disk refused writes of the watcher, at most `WRITES_REFUSED_MAX`."""
    cancel: CancelRequested | None = None
    notices: tuple[Notice, ...] = ()
    outbox: tuple[Post, ...] = ()
    verdict: Verdict | None = None
    """The end, once it is recorded: final."""
