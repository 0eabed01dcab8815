"""The closed union of events that the core reduces. It is also the journal's format.

Names are in the past tense, fields contain observations, never interpretations. Every event has `at` (wall clock, for
people and records), `watched_s` (the only time axis for limits and deadlines) and `seq` (its identity).
"""

from typing import Literal

import msgspec

from .console.scanner import ScannerState
from .dialect import Dialect
from .facts import Fact, Instant
from .history.baseline import History
from .history.provenance import Provenance
from .hosts.requested_hosts import HostSource
from .junit.report import Report

SCHEMA = 2
"""Schema of journals and snapshots. A new number needs an upgrade in `codec.py` and recordings of the old form."""


class EventBase(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """Fields that every event has."""

    seq: int = 0
    """Position in the journal, from 1, assigned by the loop. It identifies an event that was already applied."""
    at: Instant
    """The time at which the shell observed the event. The core has no other clock."""
    watched_s: float = 0.0
    """Monotonic seconds during which any watcher of this run has watched, up to this event. It does not advance
    while no watcher runs or the host sleeps, and wall clock jumps do not change it."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Descriptions of the run by its requester, used for the message only."""

    template: str | None = None
    config_family: str | None = None
    config_file: str | None = None
    migration_style: str | None = None
    integration_plugin: str | None = None
    scope_description: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings in force when the run was requested (docs/settings.md); in seconds, None for no limit."""

    post_phases: tuple[str, ...] = ("COMPLETED", "FAILED")
    post_uncertain: Literal["repeat-marked", "hold"] = "repeat-marked"
    alerts: bool = False
    """Whether an alert channel is set; only the shell knows its name."""
    settle_s: float = 10.0
    quiet_limit_s: float = 3600.0
    stall_limit_s: float = 43200.0
    total_limit_s: float | None = None
    start_limit_s: float = 3600.0


class MessageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings in force for the content and the place of messages (docs/watcher-service.md).

    They are not part of `Settings`: the release before could not read a `request.json` with more keys there.
    """

    link_hosts: tuple[str, ...] = ()
    """Hosts, in lower case, to which a message may link."""
    closing_post: Literal["when-needed", "always"] = "when-needed"
    """Whether a categorized run always ends with a message of its own."""
    thread: Literal["none", "run"] = "none"
    """Whether the messages of one run form a thread."""
    progress_post: bool = False
    """Whether one message shows the progress of the run and is edited."""
    report_url: str | None = None
    """The address under which the report pages are published."""


class Process(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One process of the runner's tree. Pid and start time identify it, never the pid alone."""

    pid: int
    create_time: float
    """Seconds after the boot, from the process table: clock jumps do not change it."""
    name: str = ""
    role: Literal["runner", "cypress", "browser", "other"] = "other"
    state: str = ""
    """The process table's state letter (R, S, D, T, Z ...)."""


class LogIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The data by which a later watcher recognises the log file; name or inode alone are not enough."""

    device: int
    inode: int
    head_bytes: int = 0
    head_sha256: str = ""
    """Hash of the first `head_bytes` bytes of the file."""
    last_bytes: int = 0
    last_sha256: str = ""
    """Hash of the last `last_bytes` bytes that were read: two logs with the same start differ there."""


class RunRequested(EventBase, frozen=True, kw_only=True, tag="run-requested"):
    """A run was requested. This is always the first event, and the only one that names the run."""

    schema: int = msgspec.field(default_factory=lambda: SCHEMA)
    """Schema of the complete journal. It is always written: a journal without it has schema 1."""
    release: str | None = None
    """The installed release that started the run; None for a checkout."""
    build_name: str | None
    """None only for `inspect` without a build name."""
    run_id: str
    categorized: bool = False
    scenario: str | None = None
    """The name under which this run is compared with others; None if neither it nor the build name is known."""
    controller: str | None = None
    """Host name of the controller."""
    started_by: str | None = None
    """Login name of the user who started the run."""
    metadata: Metadata = Metadata()
    settings: Settings = Settings()
    messages: MessageSettings = MessageSettings()
    dialect: Dialect = Dialect()
    requested_hosts: tuple[str, ...] = ()
    host_sources: dict[str, HostSource] = {}
    """Requested host to how it was found; empty in journals of the first release."""
    not_checked: tuple[str, ...] = ()
    """Other parts of the build name that have a digit: no result is expected for them."""
    inventory: dict[str, str | None] = {}
    """Host to kernel, from the inventory at the start."""
    planned_specs: tuple[str, ...] | None = None
    """The spec files that the config's specPattern certainly matches after the template; None if that is not known."""
    log_path: str
    log_start: int = 0
    """Length of the log when the run was requested: the bytes before it belong to an earlier run."""
    artifacts_dir: str | None = None
    offline: bool = False
    """True for `inspect`: the times of events do not show when something happened."""
    notes: tuple[str, ...] = ()
    """Notes that are not failures, for example a difference about --categorize."""


class WatcherStarted(EventBase, frozen=True, kw_only=True, tag="watcher-started"):
    """A watcher started or resumed watching this run."""

    pid: int
    boot_id: str = ""
    resumed: bool = False
    archived: bool = False
    """It is the sender of an archived run that has no verdict: it only delivers messages, so nothing else is decided."""
    utc_offset_s: int = 0
    """The controller's local time, as seconds east of UTC, for the messages."""


class WatcherStopped(EventBase, frozen=True, kw_only=True, tag="watcher-stopped"):
    """The watcher was stopped before the run ended."""

    why: str


class RunnerStarted(EventBase, frozen=True, kw_only=True, tag="runner-started"):
    """The runner's wrapper reported that it has started the runner command."""

    pid: int
    create_time: float
    boot_id: str = ""


class ProcessesSeen(EventBase, frozen=True, kw_only=True, tag="processes-seen"):
    """The runner's process tree, or the stuck state of its Cypress part, changed. Sent on change only."""

    processes: tuple[Process, ...] = ()
    """All living processes of the tree, including the runner; () if all have ended. At most 200."""
    stuck: bool = False
    """Every process of the Cypress child's tree was in state D, T or Z in several consecutive scans."""


class StopRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A requested stop of the runner, as `stop.json` records it."""

    who: str = ""
    why: str = ""
    requested_at: Instant


class RunnerExited(EventBase, frozen=True, kw_only=True, tag="runner-exited"):
    """The exit record of the runner was read."""

    exit_code: int | None = None
    signal: str | None = None
    """Name of the signal that ended the command, for example SIGKILL."""
    service_result: str | None = None
    """The `Result=` of systemd (`success`, `signal`, `oom-kill`, `timeout` ...), None without systemd."""
    stop_requested: bool = False
    """A stop of the runner was requested (`stop.json`)."""
    stop: StopRequest | None = None
    """That request; None in journals of the first release, which recorded only that there was one."""
    error: str | None = None
    """The reason why the command could not be started."""
    survivors: tuple[Process, ...] = ()
    """Descendants that were alive when the wrapper stopped waiting for them."""
    assumed: bool = False
    """True if the end was not observed (`inspect` without exit information)."""


class RunnerVanished(EventBase, frozen=True, kw_only=True, tag="runner-vanished"):
    """No process of the runner is alive and there is no exit record."""

    rebooted: bool = False
    """The host booted after the runner was started."""
    stop_requested: bool = False
    """A stop of the runner was requested (`stop.json`). A runner that the wrapper did not start leaves no other record."""
    stop: StopRequest | None = None
    """As in `RunnerExited`."""


class WriteRefused(EventBase, frozen=True, kw_only=True, tag="write-refused"):
    """The disk refused writes of the watcher until `at`; during that time nothing could be recorded."""

    path: str
    error: str
    """The reason, such as `no space left on device`."""
    since: Instant


class LogRead(EventBase, frozen=True, kw_only=True, tag="log-read"):
    """The log was read up to `end`; `facts` are those found since the last such event."""

    generation: int = 0
    """Number of times the log file was replaced."""
    start: int = 0
    end: int
    """Byte offset up to which the scanner has consumed the log; `LogReplaced.begin` is the offset where its file starts."""
    facts: tuple[Fact, ...] = ()
    scanner: ScannerState
    """The scanner's state at `end`; a restarted watcher continues from here."""
    identity: LogIdentity | None = None
    """The file that was read."""
    since: Instant | None = None
    """When this watcher had last read the complete log: new lines were written then or later. None while it catches up."""
    final: bool = False
    """True if the log will not grow any more and the scanner was flushed."""


class LogReplaced(EventBase, frozen=True, kw_only=True, tag="log-replaced"):
    """The log's file is not the one that was followed, or became shorter than the part already read."""

    generation: int
    why: Literal["truncated", "replaced", "deleted"]
    unread_bytes: int | None = None
    """Number of bytes that could not be read any more; None if unknown, 0 if nothing was lost and the stream continues."""
    begin: int = 0
    """The offset at which the new file starts: offsets continue over all files of the log, so that an offset names one
    place. 0 in journals of the first release, which started at 0 in each file."""
    identity: LogIdentity | None = None
    """The new file; None if it does not exist yet."""


class ArtifactWritten(EventBase, frozen=True, kw_only=True, tag="artifact-written"):
    """A report file was found complete, refused, or unchanged since before the run."""

    path: str
    """Relative to the working directory, with /."""
    size: int
    mtime: Instant
    inode: int = 0
    stale: bool = False
    """Unchanged (inode, size, mtime) since a listing taken before the template."""
    report: Report | None = None
    refusal: str | None = None
    """The reason why it could not be read."""
    unfinished: bool = False
    """It is probably half-written, and did not change for the settle time or until the end of the run."""
    rivals: tuple[str, ...] = ()
    """Other running runs of this controller whose log contains a spec that this report also fits."""


class CancelRequested(EventBase, frozen=True, kw_only=True, tag="cancel-requested"):
    """A cancel marker was found."""

    who: str = ""
    why: str = ""
    requested_at: Instant


class ClockTicked(EventBase, frozen=True, kw_only=True, tag="clock-ticked"):
    """Time passed up to a deadline that the core had set."""


class DeliverySettled(EventBase, frozen=True, kw_only=True, tag="delivery-settled"):
    """One attempt to deliver a post ended, with any outcome."""

    key: str
    attempt: int
    outcome: Literal["sent", "not-arrived", "probably-not-arrived", "rejected", "uncertain"]
    status: int | None = None
    detail: str = ""
    retry_after_s: float | None = None
    certificate: bool = False
    request_id: str | None = None
    crashed: bool = False
    """The watcher that started the attempt ended before it knew the outcome."""
    transport: Literal["webhook", "token"] | None = None
    """How the attempt was made."""
    post_id: str | None = None
    """The server's id of the post, if the server named it."""
    root_id: str | None = None
    """The server's id of the post that starts the thread."""


class ServerPinged(EventBase, frozen=True, kw_only=True, tag="server-pinged"):
    """The server was pinged before a message that it probably does not have is repeated."""

    key: str
    """Key of the waiting post."""
    ping: int
    up: bool
    """Whether the answer permits a repeat."""
    status: int | None = None
    detail: str = ""
    retry_after_s: float | None = None
    certificate: bool = False
    """The certificate is the problem. False in journals of the first release, which did not record it for a ping."""


class ResendRequested(EventBase, frozen=True, kw_only=True, tag="resend-requested"):
    """A user requested that a post be delivered again; it is always marked as repeated."""

    key: str
    """Key of the post to repeat."""


class BaselineRead(EventBase, frozen=True, kw_only=True, tag="baseline"):
    """The start read the earlier runs of this run's scenario."""

    history: History


class ProvenanceRead(EventBase, frozen=True, kw_only=True, tag="provenance"):
    """The start determined the versions of everything that takes part in the run. It contains no secret.

    The start keeps to the limits of `core/history/provenance.py`.
    """

    provenance: Provenance
    config_lines: tuple[str, ...] = ()
    """The lines of the config file after the template, with a keyed hash instead of each value that may be secret."""


class ForecastMade(EventBase, frozen=True, kw_only=True, tag="forecast-made"):
    """The end of the run was forecast, as an interval that should hold in 80 of 100 runs."""

    at_share: float
    """The share of the run that was done, from 0 to 1."""
    low_at: Instant
    mid_at: Instant
    high_at: Instant
    from_runs: int
    """The number of earlier runs that it is derived from."""


class ScreenshotKept(EventBase, frozen=True, kw_only=True, tag="screenshot-kept"):
    """A screenshot of a spec was saved, or could not be."""

    subrun: int
    spec: str
    spec_offset: int
    """`Spec.offset`: a sub-run may run a spec of that name twice."""
    path: str
    """As the log names it."""
    kept: str | None = None
    """Its name in the directory of kept screenshots."""
    sha256: str | None = None
    bytes: int | None = None
    error: str | None = None
    """Why it could not be saved, in one sentence."""


class HistoryRecorded(EventBase, frozen=True, kw_only=True, tag="history-recorded"):
    """The run's record for later runs was written, or could not be. There is one attempt."""

    name: str
    """Name of the record's file."""
    bytes: int = 0
    left_out: str = ""
    """A sentence about the data that the record does not contain because of its size."""
    error: str | None = None
    """Why it could not be written, in one sentence."""


class PostSearched(EventBase, frozen=True, kw_only=True, tag="post-searched"):
    """The channel was searched for a message that may have arrived."""

    key: str
    """Key of the waiting post."""
    search: int
    outcome: Literal["found", "absent", "incomplete"]
    """`absent`: a complete listing of the channel since the attempt does not have it."""
    post_id: str | None = None
    """The server's id of the post that was found."""
    status: int | None = None
    detail: str = ""
    retry_after_s: float | None = None
    certificate: bool = False


Event = (
    RunRequested
    | WatcherStarted
    | WatcherStopped
    | RunnerStarted
    | ProcessesSeen
    | RunnerExited
    | RunnerVanished
    | WriteRefused
    | LogRead
    | LogReplaced
    | ArtifactWritten
    | CancelRequested
    | ClockTicked
    | DeliverySettled
    | ServerPinged
    | ResendRequested
    | BaselineRead
    | ProvenanceRead
    | ForecastMade
    | ScreenshotKept
    | HistoryRecorded
    | PostSearched
)
"""Every event that can be observed."""
