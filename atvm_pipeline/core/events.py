"""The closed union of facts that the core reduces: this is also the journal's format.

Names are past tense, fields are what was seen, never what it means.  Every event carries `at` (wall clock, for
people and records), `watched_s` (the one time axis that limits and deadlines use) and `seq` (its identity).
"""

from typing import Literal

import msgspec

from .console.scanner import ScannerState
from .dialect import Dialect
from .facts import Fact, Instant
from .hosts.requested_hosts import HostSource
from .junit.report import Report


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
    """Position in the journal, from 1, given by the loop: an event that was applied is known by it."""
    at: Instant
    """When the shell observed the fact.  The core has no other clock."""
    watched_s: float = 0.0
    """Monotonic seconds in which any watcher of this run has watched, up to this event.  It stands still
    while no watcher lives or the host sleeps, and no wall clock jump moves it."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the requester said about the run, for the message only."""

    template: str | None = None
    config_family: str | None = None
    config_file: str | None = None
    migration_style: str | None = None
    integration_plugin: str | None = None
    scope_description: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings in force when the run was requested (contract §3, §6); seconds, and None for no limit."""

    post_phases: tuple[str, ...] = ("COMPLETED", "FAILED")
    post_uncertain: Literal["repeat-marked", "hold"] = "repeat-marked"
    alerts: bool = False
    """Whether an alert channel is set; its name is the shell's."""
    settle_s: float = 10.0
    quiet_limit_s: float = 3600.0
    stall_limit_s: float = 43200.0
    total_limit_s: float | None = None
    start_limit_s: float = 3600.0


class Process(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One process of the runner's tree.  Its identity is pid and start time, never the pid alone."""

    pid: int
    create_time: float
    """Seconds after the boot, as the process table says: no clock jump moves it."""
    name: str = ""
    role: Literal["runner", "cypress", "browser", "other"] = "other"
    state: str = ""
    """One letter of the process table (R, S, D, T, Z ...)."""


class LogIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a later watcher needs to know the same log file again: neither name nor inode alone will do."""

    device: int
    inode: int
    head_bytes: int = 0
    head_sha256: str = ""
    """Hash of the first `head_bytes` bytes of the file."""
    last_bytes: int = 0
    last_sha256: str = ""
    """Hash of the `last_bytes` bytes that were read last: two logs that begin alike differ there."""


class RunRequested(EventBase, frozen=True, kw_only=True, tag="run-requested"):
    """A run was asked for; always the first event, and the only one that names the run."""

    schema: int = 1
    """Of the whole journal; raised together with `snapshot.SCHEMA`."""
    build_name: str | None
    """None only for `inspect` without a build name."""
    run_id: str
    categorized: bool = False
    metadata: Metadata = Metadata()
    settings: Settings = Settings()
    dialect: Dialect = Dialect()
    requested_hosts: tuple[str, ...] = ()
    host_sources: dict[str, HostSource] = {}
    """Requested host to how it was found; empty in journals of the first release."""
    not_checked: tuple[str, ...] = ()
    """Other parts of the build name that have a digit: no result is looked for."""
    inventory: dict[str, str | None] = {}
    """Host to kernel, as the inventory said at the start."""
    planned_specs: tuple[str, ...] | None = None
    """The spec files that the config's specPattern certainly matches after the template; None where that is not known."""
    log_path: str
    log_start: int = 0
    """Length of the log when the run was requested: what is before it is of an earlier run."""
    artifacts_dir: str | None = None
    offline: bool = False
    """True for `inspect`: times of events say nothing about when things happened."""
    notes: tuple[str, ...] = ()
    """Things to tell that are no failure, for example a difference about --categorize."""


class WatcherStarted(EventBase, frozen=True, kw_only=True, tag="watcher-started"):
    """A watcher began or resumed to watch this run."""

    pid: int
    boot_id: str = ""
    resumed: bool = False
    utc_offset_s: int = 0
    """The controller's local time, as seconds east of UTC, for the messages."""


class WatcherStopped(EventBase, frozen=True, kw_only=True, tag="watcher-stopped"):
    """The watcher was asked to stop before the run ended."""

    why: str


class RunnerStarted(EventBase, frozen=True, kw_only=True, tag="runner-started"):
    """The runner's wrapper said that it has started the runner command."""

    pid: int
    create_time: float
    boot_id: str = ""


class ProcessesSeen(EventBase, frozen=True, kw_only=True, tag="processes-seen"):
    """The runner's process tree changed: who lives, and whether the Cypress part of it is stuck.  Sent on change only."""

    processes: tuple[Process, ...] = ()
    """All living processes of the tree, the runner included; () when none lives.  At most 200."""
    stuck: bool = False
    """Every process of the Cypress child's tree was in state D, T or Z in several looks on end."""


class RunnerExited(EventBase, frozen=True, kw_only=True, tag="runner-exited"):
    """The exit record of the runner was read."""

    exit_code: int | None = None
    signal: str | None = None
    """Name of the signal that ended the command, for example SIGKILL."""
    service_result: str | None = None
    """systemd's word (`success`, `signal`, `oom-kill`, `timeout` ...), None elsewhere."""
    stop_requested: bool = False
    """A stop of the runner was requested (`stop.json`)."""
    error: str | None = None
    """Why the command could not be started at all."""
    survivors: tuple[Process, ...] = ()
    """Descendants that were alive when the wrapper stopped waiting for them."""
    assumed: bool = False
    """True where nobody saw the end (`inspect` without exit information)."""


class RunnerVanished(EventBase, frozen=True, kw_only=True, tag="runner-vanished"):
    """No process of the runner lives and there is no exit record."""

    rebooted: bool = False
    """The host booted since the runner was started."""
    stop_requested: bool = False
    """A stop of the runner was requested (`stop.json`): a runner that the wrapper did not start leaves no other record."""


class LogRead(EventBase, frozen=True, kw_only=True, tag="log-read"):
    """The log was read up to `end`; these facts were found since the last such event."""

    generation: int = 0
    """Counts replacements of the log file."""
    start: int = 0
    end: int
    """Byte offset up to which the scanner has consumed the log; `LogReplaced.begin` says where its file begins."""
    facts: tuple[Fact, ...] = ()
    scanner: ScannerState
    """The scanner's state at `end`: a restarted watcher goes on from here."""
    identity: LogIdentity | None = None
    """The file that was read."""
    since: Instant | None = None
    """When this watcher had last read all there was: what is new was written then or later.  None while it catches up."""
    final: bool = False
    """True if the log will not grow any more and the scanner was flushed."""


class LogReplaced(EventBase, frozen=True, kw_only=True, tag="log-replaced"):
    """The log's file is not the one that was followed, or shrank below what was read."""

    generation: int
    why: Literal["truncated", "replaced", "deleted"]
    unread_bytes: int | None = None
    """How much could not be read any more; None if unknown, 0 if nothing was lost: the same stream goes on."""
    begin: int = 0
    """The offset at which the new file begins: bytes are counted on over all files of the log, so that an offset names
    one place.  0 in journals of the first release, which began anew with each file."""
    identity: LogIdentity | None = None
    """The new file; None if there is none yet."""


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
    """Why it could not be read, if it could not."""
    unfinished: bool = False
    """It looks half-written, and did not change for the settle time or until the end of the run."""
    rivals: tuple[str, ...] = ()
    """Other living runs of this controller whose log ran a spec that this report fits as well."""


class CancelRequested(EventBase, frozen=True, kw_only=True, tag="cancel-requested"):
    """A cancel marker was found."""

    who: str = ""
    why: str = ""
    requested_at: Instant


class ClockTicked(EventBase, frozen=True, kw_only=True, tag="clock-ticked"):
    """Time passed up to a deadline that the core had named."""


class DeliverySettled(EventBase, frozen=True, kw_only=True, tag="delivery-settled"):
    """One attempt to deliver a post ended, one way or another."""

    key: str
    attempt: int
    outcome: Literal["sent", "not-arrived", "probably-not-arrived", "rejected", "uncertain"]
    status: int | None = None
    detail: str = ""
    retry_after_s: float | None = None
    certificate: bool = False
    request_id: str | None = None
    crashed: bool = False
    """The watcher that began the attempt ended before it knew the outcome."""


class ServerPinged(EventBase, frozen=True, kw_only=True, tag="server-pinged"):
    """The server was asked whether it is back, before a message that it probably does not have is repeated."""

    key: str
    """Key of the post that waits for it."""
    ping: int
    up: bool
    """Whether the answer permits a repeat."""
    status: int | None = None
    detail: str = ""
    retry_after_s: float | None = None
    certificate: bool = False
    """The certificate is the trouble.  False in journals of the first release, which did not say it of a ping."""


class ResendRequested(EventBase, frozen=True, kw_only=True, tag="resend-requested"):
    """A person asked to deliver a post once more; it is always marked."""

    key: str
    """Key of the post to repeat."""


Event = (
    RunRequested
    | WatcherStarted
    | WatcherStopped
    | RunnerStarted
    | ProcessesSeen
    | RunnerExited
    | RunnerVanished
    | LogRead
    | LogReplaced
    | ArtifactWritten
    | CancelRequested
    | ClockTicked
    | DeliverySettled
    | ServerPinged
    | ResendRequested
)
"""Everything that can be observed."""
