"""Starting one request in the only order that is safe (docs/watcher-service.md).

refusals and the build's lock, template, preflight, reset, watcher, wait until it is really watching, runner.  Whatever
refuses does so before the state of the earlier run is touched.
"""

import contextlib
import secrets
import ssl
from collections.abc import Mapping
from math import inf
from pathlib import Path

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import Metadata, Process, Settings
from atvm_pipeline.core.preflight.checks import CONFIG_FILE_OPTIONS, option_values
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.config.environment import runner_environment
from atvm_pipeline.shell.delivery.webhook import Webhook
from atvm_pipeline.shell.exit_codes import BAD_CONFIG, TEMPLATE_FAILED, UNAVAILABLE, Refused
from atvm_pipeline.shell.processes.process_table import output_of
from atvm_pipeline.shell.sources.report_files import list_artifacts
from atvm_pipeline.shell.state_dir.archive import archive, await_verdict
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    ExitRecord,
    Paths,
    Request,
    read_record,
    write_record,
)
from atvm_pipeline.shell.supervisor import Supervisor, release
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked, make_folder

from .template import run_template

WATCHER_WAIT_S = 60.0
RUNNER_WAIT_S = 30.0
STOP_WATCHER_WAIT_S = 30.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One start, as the command line and the environment ask for it."""

    paths: Paths
    environ: Mapping[str, str]
    settings: Settings
    metadata: Metadata
    dialect: Dialect
    workdir: Path
    template_command: str | None = None
    runner_command: str | None = None
    categorize: bool = False
    hosts: tuple[str, ...] = ()
    """The names of --hosts."""
    notes: tuple[str, ...] = ()
    share_config: bool = False


def build_request(wanted: Wanted, supervisor: str) -> Request:
    """The request as it is saved: with every setting in force and a new random `run_id`.  Raises ConfigError."""
    environ, paths = wanted.environ, wanted.paths
    config = config_path(wanted)
    request = Request(
        build_name=paths.build_name,
        run_id=secrets.token_hex(8),
        requested_at=clock.now(),
        categorized=wanted.categorize,
        hosts=wanted.hosts,
        notes=wanted.notes,
        metadata=wanted.metadata,
        settings=wanted.settings,
        alert_channel=environ.get("ATVM_WATCHER_ALERT_CHANNEL") or None,
        template_command=wanted.template_command,
        runner_command=wanted.runner_command,
        workdir=str(wanted.workdir),
        config_path=str(config) if config is not None else None,
        log_path=str(log_path(wanted)),
        artifacts_dir=str(artifacts_folder(wanted)),
        inventory_path=str(inventory_path(environ, wanted.workdir)),
        dialect_path=_absolute(environ.get("ATVM_WATCHER_DIALECT")),
        ca_file=_absolute(environ.get("ATVM_WATCHER_CA_FILE")),
        supervisor=supervisor,
        release=release.own(),
        boot_id=clock.boot_id(),
        orphan_limit_s=env.orphan_limit_s(environ),
        environment=runner_environment(environ),
    )
    try:
        msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise ConfigError("a path or text of this start is not UTF-8: rename it, or name another") from None
    return request


def _absolute(path: str | None) -> str | None:
    """A file that the caller names from where he stands; the watcher stands elsewhere."""
    return str(Path(path).absolute()) if path else None


def log_path(wanted: Wanted) -> Path:
    """The runner's log that is meant."""
    return wanted.workdir / (wanted.environ.get("ATVM_RUNNER_LOG") or wanted.paths.runner_log.absolute())


def config_path(wanted: Wanted) -> Path | None:
    """The config file that the runner reads: --config-file, else the one that its command names; None if not known."""
    named = wanted.metadata.config_file
    if not named:
        values = set(option_values(wanted.runner_command or "", CONFIG_FILE_OPTIONS))
        named = values.pop() if len(values) == 1 else None
    if not named or any(character in named for character in "$`*?~"):
        return None
    return wanted.workdir / named


def artifacts_folder(wanted: Wanted) -> Path:
    """Where the reports are written."""
    return wanted.workdir / (wanted.environ.get("ATVM_WATCHER_ARTIFACTS") or wanted.dialect.artifacts)


def inventory_path(environ: Mapping[str, str], workdir: Path) -> Path:
    """The inventory file that is meant, whether it exists or not."""
    return workdir / (environ.get("ATVM_WATCHER_INVENTORY") or "atvm/inventory/vm-inventory.md")


def check_webhook(environ: Mapping[str, str], settings: Settings) -> str | None:
    """Refuse a missing or malformed webhook; gives a warning where it is not encrypted.  Raises Refused, ConfigError."""
    if not settings.post_phases and not settings.alerts:
        return None
    text = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    if not text.strip():
        raise Refused(
            BAD_CONFIG,
            "MATTERMOST_ATVM_WEBHOOK is not set: put it into /etc/atvm-run-watcher.env (0600) or the environment, "
            "or set ATVM_WATCHER_POST_PHASES= to post nothing",
        )
    webhook = Webhook.parse(text)
    _check_ca_file(environ.get("ATVM_WATCHER_CA_FILE"))
    return f"the webhook at {webhook.place} is not encrypted (http)" if webhook.insecure else None


def _check_ca_file(path: str | None) -> None:
    if not path:
        return
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        why = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(
            f"cannot use the certificates in {path} ({why}): correct or unset ATVM_WATCHER_CA_FILE"
        ) from None


def run_template_step(wanted: Wanted) -> None:
    """Run the template command to its end.  Raises Refused: 10 with the last lines of its output, 73 without a log."""
    if wanted.template_command is None:
        return
    result = run_template(
        wanted.template_command,
        wanted.workdir,
        runner_environment(wanted.environ),
        wanted.paths.build_name,
        env.launch_log_dir(wanted.environ),
    )
    if result.exit_code != 0:
        how = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
        raise Refused(
            TEMPLATE_FAILED,
            f"the template command failed ({how}); nothing was started; its output is in {result.log_path}",
            result.tail,
        )


def prepare(
    request: Request,
    paths: Paths,
    baseline: Mapping[str, tuple[int, int, int]],
    supervisor: Supervisor,
    keep: int,
) -> str | None:
    """Stop the stale watcher, move the earlier run aside, write the new request; gives a line about unsettled posts."""
    await_verdict(paths)
    if is_locked(paths.watcher_lock):
        supervisor.stop_watcher(paths, STOP_WATCHER_WAIT_S)
    if is_locked(paths.watcher_lock):
        raise Refused(
            UNAVAILABLE,
            f"the stale watcher of build {paths.build_name} does not stop; see {paths.watcher_log}",
        )
    notice = archive(paths, keep)
    make_folder(paths.folder)
    write_record(
        paths.baseline,
        BaselineRecord(build_name=paths.build_name, run_id=request.run_id, files=dict(baseline)),
    )
    request = replace(request, log_start=_length(Path(request.log_path)))
    write_record(paths.request, request)
    return notice


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def baseline_of(wanted: Wanted, began_s: float = inf) -> dict[str, tuple[int, int, int]]:
    """The reports that lie there before the template runs; of a runner that began before us (seconds since 1970), its own are none."""
    listed = list_artifacts(artifacts_folder(wanted), wanted.dialect)
    return {name: version for name, version in listed.items() if version[2] < began_s * 1e9}


def follow(wanted: Wanted, foreign: Process) -> Wanted:
    """The same start for a runner that somebody else has started: it gets no command, and its own output is its log."""
    output = None if wanted.environ.get("ATVM_RUNNER_LOG") else output_of(foreign.pid)
    environ = {**wanted.environ, "ATVM_RUNNER_LOG": output} if output is not None else wanted.environ
    return replace(wanted, runner_command=None, environ=environ)


def read_log_from_its_begin(request: Request, paths: Paths, began_s: float) -> None:
    """Count as this run's what stands in the log already, if the runner has written to it since it began."""
    with contextlib.suppress(FileNotFoundError):
        if Path(request.log_path).stat().st_mtime >= began_s:
            saved = read_record(paths.request, Request, request.run_id)
            write_record(paths.request, replace(saved or request, log_start=0))


def start_watcher(request: Request, paths: Paths, supervisor: Supervisor, environ: Mapping[str, str]) -> None:
    """Start the watcher and wait until its first look at everything is done.  Raises Refused (69)."""
    supervisor.start_watcher(paths, environ)
    reason = supervisor.wait_until_watching(paths, request.run_id, WATCHER_WAIT_S)
    if reason is not None:
        raise Refused(
            UNAVAILABLE,
            f"the watcher of build {paths.build_name} did not start: {reason}; see {paths.watcher_log}",
        )


def start_runner(request: Request, paths: Paths, supervisor: Supervisor) -> None:
    """Start the runner and wait until it runs.  Raises Refused (69), and then says so to the watcher as well."""
    supervisor.start_runner(paths)
    reason = supervisor.wait_until_running(paths, request.run_id, RUNNER_WAIT_S)
    if reason is None:
        return
    if read_record(paths.runner_exit, ExitRecord, request.run_id) is None:
        record = ExitRecord(
            build_name=request.build_name, run_id=request.run_id, error=reason, finished_at=clock.now()
        )
        write_record(paths.runner_exit, record)
    raise Refused(UNAVAILABLE, f"the runner of build {paths.build_name} did not start: {reason}")
