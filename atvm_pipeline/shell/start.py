"""Starting one request in the only order that is safe (docs/watcher-service.md).

refusals and the build's lock, template, preflight, reset, watcher, wait until it is really watching, runner.  Whatever
refuses does so before the state of the earlier run is touched.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.events import Metadata, Settings
from atvm_pipeline.core.recognise.dialect import Dialect

from . import clock, settings as env
from .artifacts import list_artifacts
from .environment import runner_environment
from .files import Busy, is_locked, locked, make_folder
from .processes import find_runner
from .records import BaselineRecord, ExitRecord, Paths, Request, read_record, write_record
from .refusals import BAD_CONFIG, CANNOT_WRITE, IN_USE, TEMPLATE_FAILED, UNAVAILABLE, Refused
from .reset import archive, await_verdict
from .supervisor import Supervisor
from .template import run_template
from .webhook import Webhook

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
    notes: tuple[str, ...] = ()
    share_config: bool = False


def build_request(wanted: Wanted, supervisor: str) -> Request:
    """The request as it is saved: with every setting in force and a new random `run_id`.  Raises ConfigError."""
    environ, paths = wanted.environ, wanted.paths
    log = Path(environ.get("ATVM_RUNNER_LOG") or paths.runner_log)
    return Request(
        build_name=paths.build_name,
        run_id=secrets.token_hex(8),
        requested_at=clock.now(),
        categorized=wanted.categorize,
        notes=wanted.notes,
        metadata=wanted.metadata,
        settings=wanted.settings,
        alert_channel=environ.get("ATVM_WATCHER_ALERT_CHANNEL") or None,
        template_command=wanted.template_command,
        runner_command=wanted.runner_command,
        workdir=str(wanted.workdir),
        log_path=str(log if log.is_absolute() else wanted.workdir / log),
        artifacts_dir=str(artifacts_folder(wanted)),
        inventory_path=str(inventory_path(environ, wanted.workdir)),
        dialect_path=environ.get("ATVM_WATCHER_DIALECT") or None,
        ca_file=environ.get("ATVM_WATCHER_CA_FILE") or None,
        supervisor=supervisor,
        orphan_limit_s=env.orphan_limit_s(environ),
        environment=runner_environment(environ),
    )


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
    return f"the webhook at {webhook.place} is not encrypted (http)" if webhook.insecure else None


@contextlib.contextmanager
def start_locks(wanted: Wanted) -> Iterator[None]:
    """Hold the build's lock, and the config file's: two starts must not rewrite it at once.  Raises Refused."""
    paths = wanted.paths
    _check_writable(paths)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(paths.start_lock))
        except Busy:
            raise Refused(
                IN_USE,
                f"build {paths.build_name} is being started or cancelled by another command; try again when it has returned",
            ) from None
        config = wanted.metadata.config_file
        if config and not wanted.share_config:
            name = sha256(str((wanted.workdir / config).resolve()).encode()).hexdigest()[:24]
            try:
                stack.enter_context(locked(paths.start_lock.with_name(f"{name}.config")))
            except Busy:
                raise Refused(
                    IN_USE,
                    f"config file {config} is in use by another start in this working directory; try again when it has returned",
                ) from None
        yield


def _check_writable(paths: Paths) -> None:
    try:
        make_folder(paths.start_lock.parent)
        usable = os.access(paths.state_root, os.W_OK | os.X_OK) and os.access(
            paths.start_lock.parent, os.W_OK | os.X_OK
        )
        why = "permission denied"
    except OSError as error:
        usable, why = False, error.strerror or "input/output error"
    if not usable:
        raise Refused(
            CANNOT_WRITE,
            f"cannot write the state root {paths.state_root} ({why}): set ATVM_WATCHER_STATE_ROOT to a folder of yours",
        )


def check_living(wanted: Wanted) -> None:
    """Refuse what a living run uses: this build, its log, its config file in the same working directory.  Raises Refused."""
    paths = wanted.paths
    if is_locked(paths.runner_lock):
        raise Refused(
            IN_USE,
            f"a runner of build {paths.build_name} is alive; cancel it first with: cancel-atvm-runner.sh --build-name {paths.build_name}",
        )
    foreign = find_runner(paths.build_name, wanted.workdir)
    if foreign is not None:
        raise Refused(
            IN_USE,
            f"process {foreign.pid} ({foreign.name}) runs build {paths.build_name}; wait for it, or watch it with: start-atvm-run-watcher.sh --attach",
        )
    log = wanted.environ.get("ATVM_RUNNER_LOG")
    for other in living_requests(paths):
        if log and Path(log).resolve() == Path(other.log_path).resolve():
            raise Refused(
                IN_USE,
                f"log {log} is in use by the living run {other.build_name}; set ATVM_RUNNER_LOG to another file",
            )
        config = wanted.metadata.config_file
        same_folder = Path(other.workdir).resolve() == wanted.workdir.resolve()
        if config and not wanted.share_config and same_folder and _same_file(wanted.workdir, config, other):
            raise Refused(
                IN_USE,
                f"config file {config} is in use by the living run {other.build_name}, whose later groups would read "
                "the rewritten file; wait for it, or go on with --share-config",
            )


def _same_file(workdir: Path, config: str, other: Request) -> bool:
    named = other.metadata.config_file
    return named is not None and (workdir / config).resolve() == (Path(other.workdir) / named).resolve()


def living_requests(paths: Paths) -> Iterator[Request]:
    """The requests of the other builds of this state root whose runner lives."""
    try:
        names = sorted(
            entry.name for entry in os.scandir(paths.state_root) if entry.is_dir() and entry.name[0] != "."
        )
    except OSError:
        return
    for name in names:
        other = Paths(paths.state_root, name)
        if name != paths.build_name and (is_locked(other.runner_lock) or is_locked(other.start_lock)):
            request = read_record(other.request, Request)
            if request is not None:
                yield request


def run_template_step(wanted: Wanted) -> None:
    """Run the template command to its end.  Raises Refused (10) with the last lines of its output."""
    if wanted.template_command is None:
        return
    result = run_template(
        wanted.template_command, wanted.workdir, runner_environment(wanted.environ), wanted.paths.build_name
    )
    if result.exit_code != 0:
        how = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
        lines = "".join(f"\n  {line}" for line in result.tail)
        raise Refused(
            TEMPLATE_FAILED,
            f"the template command failed ({how}); nothing was started; its output is in {result.log_path}{lines}",
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


def baseline_of(wanted: Wanted) -> dict[str, tuple[int, int, int]]:
    """The reports that lie there before the template runs."""
    return list_artifacts(artifacts_folder(wanted), wanted.dialect)


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
