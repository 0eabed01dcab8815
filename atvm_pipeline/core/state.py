"""The facts of one run, folded: everything that the core remembers.

Only what was seen and what was finally judged lives here; whatever can be derived (ledgers, hosts, names, the
run's phase while it goes on) is derived by `judge.py` and shown by `snapshot.py`.  Frozen, replaced, never mutated.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from .console.scanner import ScannerState
from .events import (
    ArtifactWritten,
    CancelRequested,
    LogIdentity,
    LogReplaced,
    Process,
    RunnerExited,
    RunnerStarted,
    RunnerVanished,
    RunRequested,
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
from .phases import Phase
from .results import Ledger, SubRunResult

FAILURES_MAX = 50
"""Failing tests remembered per spec; the message shows ten."""
SPECS_MAX = 5_000
"""Specs remembered per child; a child with more cannot pass."""
SUBRUNS_MAX = 2_000
"""Sub-runs remembered, and children of one sub-run; more than any day holds."""
ARTIFACTS_MAX = 10_000
"""Artifact versions remembered; the oldest go first."""
LAUNCHES_MAX = 100
"""Command lines remembered whose child has not printed anything yet."""
ERRORS_MAX = 20
"""Error blocks remembered per child."""
RUN_UNPLACED_MAX = 100
"""Lines remembered per child that fit nowhere, and as many of a run that stand in front of its first child."""


Evidence = dict[str, str | int | float | None]
"""One place to look at; its `kind` says what the other keys are."""


class Stage(StrEnum):
    """Where one child is between its first line and its end (contract §4)."""

    OPEN = "open"
    #: `(Run Finished)` was printed, its totals row not yet.
    SUMMARISED = "summarised"
    ENDED = "ended"


class StateBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Unknown keys are let in: an older program must be able to read a newer snapshot."""


class Failure(StateBase, frozen=True, kw_only=True):
    """One failing test by name."""

    title: str
    error: str = ""


class Spec(StateBase, frozen=True, kw_only=True):
    """What the log says about one spec of one child, source by source."""

    spec: str
    offset: int
    """Where the log speaks of it first."""
    position: int | None = None
    total: int | None = None
    began: bool = False
    """Whether its `Running:` line was seen."""
    since: datetime | None = None
    """When the log had been read last before this line: it began then or later, however late it was read."""
    box: Counts | None = None
    box_offset: int | None = None
    row: Counts | None = None
    row_offset: int | None = None
    row_mark: str | None = None
    row_skipped: bool = False
    counted: TestsCounted | None = None
    """What the reporter's own lines say, where no box was read."""
    duration_s: float | None = None
    error: ErrorReported | None = None
    """The error block that cost this spec."""
    failures: tuple[Failure, ...] = ()
    flaky: tuple[str, ...] = ()


class HeldSummary(StateBase, frozen=True, kw_only=True):
    """A final table read while a spec was open: the child's own if nothing more of that spec comes."""

    within: str
    """The spec that was open."""
    rows: tuple[SpecSummarised, ...] = ()
    totals: TotalsReported | None = None


class Child(StateBase, frozen=True, kw_only=True):
    """One Cypress process's run, as the log shows it."""

    offset: int
    """Where the log speaks of it first."""
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
    """Which of several outputs in one log it is of."""
    headless: bool = False
    """Whether its first line was a spec's: no header was read."""
    overlaps: bool = False
    """Whether the child before it had neither a totals row nor `Recorded Run:` when this one began, or overlapped such
    a one and this is headless: then the first may go on here."""
    unplaced: tuple[LineUnplaced, ...] = ()
    """Lines of Cypress's own form that fit neither a spec nor the summary of this child."""
    held: HeldSummary | None = None
    stage: Stage = Stage.OPEN
    finished_offset: int | None = None
    finished_watched_s: float | None = None
    totals: TotalsReported | None = None
    recorded_offset: int | None = None
    process_seen: bool = False
    """Whether a living Cypress process was seen while this child was open."""
    ended_at: datetime | None = None
    ended_watched_s: float | None = None
    ended_by: str | None = None
    """The trigger of `transitions.CHILD_TRANSITIONS` that ended it."""
    last: tuple[LastLine, ...] = ()
    """The last lines of the log when the next child began, where this one had not printed its summary."""


class Wrapper(StateBase, frozen=True, kw_only=True):
    """A wrapper that calls Cypress many times for one sub-run (cypress-cloud)."""

    name: str
    offset: int
    total: int | None = None
    group: str | None = None
    finished_offset: int | None = None
    totals: WrapperTotals | None = None
    """The verdict of its own table."""


class SubRun(StateBase, frozen=True, kw_only=True):
    """What is judged and told as one."""

    index: int
    children: tuple[Child, ...] = ()
    wrapper: Wrapper | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_watched_s: float | None = None
    result: SubRunResult | None = None
    """The verdict, once it was given: final."""


class LogPosition(StateBase, frozen=True, kw_only=True):
    """How far the log was read."""

    generation: int = 0
    begin: int = 0
    """The offset of the first byte of the file that is followed now."""
    end: int = 0
    scanner: ScannerState = ScannerState()
    identity: LogIdentity | None = None
    final: bool = False
    since: datetime | None = None
    """When a watcher had last read all there was, before what it read last."""
    replaced: tuple[LogReplaced, ...] = ()
    """At most 20: times when the log's file changed under the watcher."""


class Post(StateBase, frozen=True, kw_only=True):
    """One message asked for, and what became of it (contract §8)."""

    key: str
    kind: Literal["subrun", "run", "alert"]
    subrun: int | None = None
    payload: str
    """The webhook body without mark and channel, as JSON text."""
    delivery_id: str
    outcome: Literal["pending", "sent", "rejected", "uncertain", "expired", "dropped"] = "pending"
    asked_at: datetime
    asked_watched_s: float
    attempts: int = 0
    in_flight: bool = False
    """An attempt was begun and nothing is known of it yet: a crash now makes it uncertain."""
    due_watched_s: float = 0.0
    uncertain: int = 0
    """Attempts that ended uncertain."""
    probable: int = 0
    """Attempts that ended probably-not-arrived."""
    repeats: int = 0
    """Marked attempts that may have reached the server."""
    ping_first: bool = False
    """Whether the server is asked before the next attempt."""
    pinging: bool = False
    """A ping was begun and not answered yet: a crash now loses nothing."""
    pings: int = 0
    pings_down: int = 0
    """Pings in a row that found the server away."""
    marked: bool = False
    """Whether the next attempt bears the mark of a possible duplicate."""
    settled_at: datetime | None = None
    detail: str = ""
    status: int | None = None


class Notice(StateBase, frozen=True, kw_only=True):
    """A sentence for a person who should look, while it holds."""

    code: str
    text: str


class Verdict(StateBase, frozen=True, kw_only=True):
    """The end of the run."""

    phase: Phase
    reason: "Reason"
    finished_at: datetime
    ledger: Ledger = Ledger()


class Reason(StateBase, frozen=True, kw_only=True):
    """Why a phase was chosen: a code of `reasons.REASONS`, one sentence, and where to look."""

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
    """The watcher was asked to stop: no attempt to deliver begins until another one has started."""
    watcher_pid: int | None = None
    ignored: int = 0
    """Events that changed nothing because they came too late or twice."""

    seen: bool = False
    """Whether anything of a runner was seen."""
    seen_watched_s: float | None = None
    runner: RunnerStarted | None = None
    processes: tuple[Process, ...] = ()
    stuck: bool = False
    had_browser: bool = False
    """Whether the child that began last had a browser of its own."""
    browsers: tuple[tuple[int, float], ...] = ()
    """pid and start time of the browsers last seen while a child was open."""
    past_browsers: tuple[tuple[int, float], ...] = ()
    """Browsers of an earlier child that lived on when this one began: they say nothing about it."""
    exit: RunnerExited | None = None
    vanished: RunnerVanished | None = None
    over_watched_s: float | None = None
    """When the runner and every related Cypress process had ended."""
    over_at: datetime | None = None

    log: LogPosition = LogPosition()
    launched: tuple[Launch, ...] = ()
    """Children whose command line was printed and who have not printed anything yet, in order."""
    subruns: tuple[SubRun, ...] = ()
    stream: int = 0
    """The stream of the log that is being read: the same label before each line, or none."""
    streams: tuple[int, ...] = (0,)
    """All streams in which a child began."""
    too_many: bool = False
    """More children or sub-runs were seen than are kept."""
    unplaced: tuple[LineUnplaced, ...] = ()
    """Lines of Cypress's own form in front of the first child."""
    epilogue_passing: int = 0
    """Tests that passed by the epilogues in front of the first child."""
    epilogue_failing: int = 0
    words_unread: WordsUnread | None = None
    """Cypress's words, where none of its lines could be read."""
    artifacts: tuple[ArtifactWritten, ...] = ()
    artifacts_forgotten: int = 0
    """Artifact versions that gave way to newer ones."""
    progress_watched_s: float = 0.0
    """When the log or an artifact last moved."""
    progress_at: datetime | None = None
    last_progress_text: str | None = None

    cancel: CancelRequested | None = None
    notices: tuple[Notice, ...] = ()
    outbox: tuple[Post, ...] = ()
    verdict: Verdict | None = None
    """The end, once it was judged: final."""
