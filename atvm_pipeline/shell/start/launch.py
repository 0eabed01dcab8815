"""Parts of a start: template, reset, watcher, runner, and the lines that report them."""

import contextlib
from collections.abc import Mapping
from math import inf
from pathlib import Path

from msgspec.structs import replace

from atvm_pipeline.core.events import Process
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import join_names as listed
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.config.runner_env import left_out
from atvm_pipeline.shell.exit_codes import TEMPLATE_FAILED, UNAVAILABLE, CommandError
from atvm_pipeline.shell.processes.process_table import output_of
from atvm_pipeline.shell.runner.orphans import find_process
from atvm_pipeline.shell.sources.report_files import list_artifacts
from atvm_pipeline.shell.state_dir.archive import archive_run, await_verdict
from atvm_pipeline.shell.state_dir.reader import phase_of
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    ExitRecord,
    Paths,
    Request,
    read_record,
    write_record,
)
from atvm_pipeline.shell.state_dir.retention import prune_builds
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked, make_folder, sync_folder
from atvm_pipeline.shell.system.log import log

from .first_moments import watch_first_moments
from .resources import commands_environment
from .senders import Senders
from .start_options import StartOptions, hint
from .template import run_template

WATCHER_WAIT_S = 60.0
RUNNER_WAIT_S = 30.0
STOP_WATCHER_WAIT_S = 30.0


def run_template_step(options: StartOptions) -> None:
    """Run the template command to its end. Raises CommandError: 10 with the last lines of its output, 73 without a log."""
    if options.template_command is None:
        return
    result = run_template(
        options.template_command,
        options.workdir,
        commands_environment(options),
        options.paths.build_name,
        env.launch_log_dir(options.environ),
    )
    if result.exit_code != 0:
        how = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
        raise CommandError(
            TEMPLATE_FAILED,
            f"the template command failed ({how}); nothing was started; its output is in {result.log_path}",
            result.tail,
        )


def prepare(
    request: Request, options: StartOptions, baseline: Mapping[str, tuple[int, int, int]], keep: int
) -> Senders:
    """Stop a stale watcher, archive the previous run and write the new request.

    Returns the senders that were started for messages of archived runs.
    """
    paths = options.paths
    await_verdict(paths)
    # A watcher whose state directory was removed may have lost its lock with it, and would write into the new directory.
    if is_locked(paths.watcher_lock) or (
        not paths.request.exists() and find_process(paths, "watch") is not None
    ):
        options.supervisor.stop_watcher(paths, STOP_WATCHER_WAIT_S)
    if is_locked(paths.watcher_lock):
        raise CommandError(
            UNAVAILABLE,
            f"the watcher of the previous run of build {paths.build_name} does not stop; see {paths.watcher_log}",
        )
    archived = archive_run(paths, keep)
    make_folder(paths.folder)
    # The name of the directory must survive a power failure, like the request in it.
    sync_folder(paths.state_root)
    write_record(
        paths.baseline,
        BaselineRecord(build_name=paths.build_name, run_id=request.run_id, files=dict(baseline)),
    )
    request = replace(request, log_start=_length(Path(request.log_path)))
    write_record(paths.request, request)
    senders = Senders(options.supervisor, options.environ)
    senders.start(paths, archived)
    return senders


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def baseline_of(options: StartOptions, started_s: float = inf) -> dict[str, tuple[int, int, int]]:
    """List the reports that exist before the template runs.

    For a runner that was started earlier, at `started_s` (seconds since 1970), its own reports are left out.
    """
    listed = list_artifacts(options.artifacts_dir, options.dialect)
    return {name: version for name, version in listed.items() if version[2] < started_s * 1e9}


def follow(options: StartOptions, runner: Process) -> StartOptions:
    """Return the start for a runner that was started by other means: no command, its own output as the log."""
    output = None if options.environ.get("ATVM_RUNNER_LOG") else output_of(runner.pid)
    environ = {**options.environ, "ATVM_RUNNER_LOG": output} if output is not None else options.environ
    return replace(options, runner_command=None, environ=environ)


def read_log_from_its_start(request: Request, paths: Paths, started_s: float) -> None:
    """Count the existing content of the log as part of this run if the runner has written to the log since its start."""
    with contextlib.suppress(FileNotFoundError):
        if Path(request.log_path).stat().st_mtime >= started_s:
            saved = read_record(paths.request, Request, request.run_id)
            write_record(paths.request, replace(saved or request, log_start=0))


def start_watcher(request: Request, options: StartOptions) -> None:
    """Start the watcher and wait until it has read all sources once. Raises CommandError (69)."""
    paths, supervisor = options.paths, options.supervisor
    supervisor.start_watcher(paths, options.environ)
    reason = supervisor.wait_until_watching(paths, request.run_id, WATCHER_WAIT_S)
    if reason is not None:
        raise CommandError(
            UNAVAILABLE,
            f"the watcher of build {paths.build_name} did not start: {reason}; see {paths.watcher_log}",
        )


def start_runner(request: Request, options: StartOptions) -> None:
    """Start the runner and wait until it runs. Raises CommandError (69), after recording the failure for the watcher."""
    paths, supervisor = options.paths, options.supervisor
    supervisor.start_runner(paths)
    reason = supervisor.wait_until_running(paths, request.run_id, RUNNER_WAIT_S)
    if reason is None:
        return
    if read_record(paths.runner_exit, ExitRecord, request.run_id) is None:
        record = ExitRecord(
            build_name=request.build_name, run_id=request.run_id, error=reason, finished_at=clock.now()
        )
        write_record(paths.runner_exit, record)
    raise CommandError(UNAVAILABLE, f"the runner of build {paths.build_name} did not start: {reason}")


def await_first_moments(request: Request, options: StartOptions, *, watched: bool) -> str | None:
    """Wait until the runner is known to run, and log it; return how it has ended already, None while it runs.

    Raises CommandError (69) if it failed immediately.
    """
    build, log_path = request.build_name, request.log_path
    moments = watch_first_moments(request, options.paths, options.dialect)
    if moments.failed:
        report = (
            f"the watcher reports it, see {hint(options, 'atvm-pipeline', 'explain', build)}"
            if watched
            else "it is not watched"
        )
        lines = "its last lines follow" if moments.last_lines else "it is empty"
        raise CommandError(
            UNAVAILABLE,
            f"the runner of build {build} ended at once {moments.ended}, before Cypress printed anything; {report}; "
            f"log {log_path}: {lines}",
            moments.last_lines,
        )
    log(f"runner: {f'ended {moments.ended}' if moments.ended else 'running'}, log {log_path}")
    return moments.ended


def prune(paths: Paths, keep_builds: int) -> None:
    """Delete the oldest finished builds and log their names."""
    deleted = prune_builds(paths.state_root, keep_builds, paths.build_name)
    if deleted:
        log(
            f"notice: deleted the oldest finished builds, because there are more than {keep_builds} other builds "
            f"(ATVM_WATCHER_KEEP_BUILDS): {listed(deleted)}"
        )


def report_left_out(environ: Mapping[str, str]) -> None:
    """Log the variables that neither template nor runner gets."""
    names = left_out(environ)
    if names:
        log(f"notice: not passed to template and runner, because not UTF-8: {', '.join(names)}")


def report_watching(request: Request, paths: Paths) -> None:
    """Log that the run is being watched, or that it has already ended."""
    phase = phase_of(paths)
    if phase in TERMINAL_PHASES:
        log(f"watcher: {paths.build_name} has ended: {phase}")
    else:
        log(f"watcher: watching {paths.build_name} (run {request.run_id})")
