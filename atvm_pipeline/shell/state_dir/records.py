"""Records that the parts of one run leave for each other, and their format.

A record with another `run_id` than the run's is treated as missing. Reading never raises because of the content of a
file.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

from atvm_pipeline.core.events import MessageSettings, Metadata, Process, Settings
from atvm_pipeline.core.facts import Instant
from atvm_pipeline.core.text import escape_json
from atvm_pipeline.shell.system.files import read_small, write_whole

from .paths import Paths

__all__ = [
    "BaselineRecord",
    "ExitRecord",
    "MarkerRecord",
    "Paths",
    "Record",
    "Request",
    "RunnerRecord",
    "WatcherRecord",
    "read_record",
    "write_record",
]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of every record. Unknown keys are accepted, because an older program must be able to read a newer file."""

    schema: int = 1
    build_name: str
    run_id: str


class Request(Record, frozen=True, kw_only=True):
    """`request.json`: the request, with every setting in force at the start.

    It never contains a secret of this program.
    """

    requested_at: Instant
    categorized: bool = False
    hosts: tuple[str, ...] = ()
    """The names from --hosts; () if the hosts are derived from the build name."""
    notes: tuple[str, ...] = ()
    metadata: Metadata = Metadata()
    settings: Settings = Settings()
    messages: MessageSettings = MessageSettings()
    scenario: str | None = None
    """The name from --scenario; None if it is derived from the request."""
    controller: str | None = None
    """Host name of the controller."""
    started_by: str | None = None
    """Login name of the user who started the run."""
    alert_channel: str | None = None
    template_command: str | None = None
    runner_command: str | None = None
    """None for a watcher that follows a runner which is started by other means."""
    template_before_hosts: str | None = None
    """The template command before `rerun --failed` replaced `{hosts}` in it; None if it did not."""
    runner_before_hosts: str | None = None
    """The same for the runner command."""
    workdir: str
    config_path: str | None = None
    """The config file that the runner reads, absolute; no other start may rewrite it during the run."""
    log_path: str
    log_start: int = 0
    """Length of the log at the start; the bytes before it belong to an earlier run."""
    artifacts_dir: str
    inventory_path: str | None = None
    dialect_path: str | None = None
    ca_file: str | None = None
    supervisor: str = "local"
    release: str | None = None
    """The installed release that started the run; None for a checkout. A restarted watcher or runner uses the same
    release."""
    boot_id: str = ""
    """The boot in which the run was requested; no runner of the run can be alive in a later one."""
    orphan_limit_s: float = 600.0
    planned_specs: tuple[str, ...] | None = None
    """The spec files that the config certainly named when the runner was started; None if they are not known."""
    environment: dict[str, str] = {}
    """Environment of template and runner (docs/settings.md); `MATTERMOST_*` is never in it."""


class WatcherRecord(Record, frozen=True, kw_only=True):
    """`watcher.json`: the process that watches, and whether its first scan is done."""

    pid: int
    create_time: float
    started_at: Instant
    ready_at: Instant | None = None


class RunnerRecord(Record, frozen=True, kw_only=True):
    """`runner.json`: the runner's wrapper has started the command."""

    pid: int
    """The wrapper's pid; its entire process tree belongs to the run."""
    create_time: float
    command_pid: int | None = None
    started_at: Instant
    boot_id: str = ""


class ExitRecord(Record, frozen=True, kw_only=True):
    """`runner-exit.json`: how the runner command ended."""

    exit_code: int | None = None
    signal: str | None = None
    service_result: str | None = None
    error: str | None = None
    """Why the command could not be started; None if it was started."""
    started_at: Instant | None = None
    finished_at: Instant
    survivors: tuple[Process, ...] = ()
    """Descendants still alive when the wrapper stopped waiting (ATVM_RUNNER_ORPHAN_LIMIT_S)."""


class MarkerRecord(Record, frozen=True, kw_only=True):
    """`cancel.json` and `stop.json`: who requested it, when and why."""

    who: str
    requested_at: Instant
    why: str = ""
    host_down: bool = False
    """The host was shutting down, so the stop was not meant for this run."""


class BaselineRecord(Record, frozen=True, kw_only=True):
    """`artifacts-before.json`: the reports that existed before the template ran."""

    files: dict[str, tuple[int, int, int]] = {}
    """Path relative to the artifact directory -> (inode, size in bytes, mtime in ns)."""


R = TypeVar("R", bound=Record)


def write_record(path: Path, record: Record) -> None:
    """Write one record atomically. Raises OSError."""
    write_whole(path, msgspec.json.format(escape_json(msgspec.json.encode(record)), indent=1) + b"\n")


def read_record(path: Path, kind: type[R], run_id: str | None = None) -> R | None:
    """Return the record in `path`; None if it is missing, not readable as `kind`, or has another run_id than `run_id`.

    Raises Unreadable (an OSError) if the file exists and cannot be read.
    """
    data = read_small(path)
    if data is None:
        return None
    try:
        record = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if run_id is None or record.run_id == run_id else None
