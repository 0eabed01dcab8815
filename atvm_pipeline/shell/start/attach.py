"""Attaching a watcher to an existing run, without a reset."""

from msgspec.structs import replace

from atvm_pipeline.shell.delivery.webhook_check import check_webhook
from atvm_pipeline.shell.exit_codes import DATA, IN_USE, USAGE, CommandError
from atvm_pipeline.shell.processes.discovery import find_runner
from atvm_pipeline.shell.runner.orphans import find_process
from atvm_pipeline.shell.state_dir.records import Request, read_record, write_record
from atvm_pipeline.shell.supervisor import release
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log

from .launch import report_watching, start_watcher
from .resources import folded
from .result import StartResult
from .runner_half import hosts_option
from .start_options import StartOptions

CA_FILE = "ATVM_WATCHER_CA_FILE"


def attach(options: StartOptions) -> StartResult | None:
    """Start a watcher for an existing run, without a reset.

    Returns None if there is no such run, but a runner of this build that was started by other means, or whose state
    directory was removed; the caller then starts the watcher's half, which follows that runner. Raises CommandError,
    ConfigError.
    """
    paths = options.paths
    request = read_record(paths.request, Request)
    if request is None:
        if not paths.request.exists() and _is_runner_alive(options):
            return None
        raise CommandError(
            DATA,
            f"cannot attach: build {paths.build_name} is not known in {paths.state_root}; start it without --attach",
        )
    if is_locked(paths.watcher_lock):
        raise CommandError(IN_USE, f"build {paths.build_name} is already being watched")
    if options.hosts and set(folded(options.hosts)) != set(folded(request.hosts)):
        raise CommandError(
            USAGE,
            f"cannot change the hosts of build {paths.build_name}: it was started with {hosts_option(request.hosts)}; "
            "leave --hosts out",
        )
    # The run keeps the settings that it was started with.
    warning = check_webhook({**options.environ, CA_FILE: request.ca_file or ""}, request.settings)
    if warning is not None:
        log(f"warning: {warning}")
    options.supervisor.check(paths, options.environ)
    if options.check:
        return StartResult(started=False)
    if request.release != release.own():
        # The operator attaches with this release, so the run uses it from now on.
        request = replace(request, release=release.own())
        write_record(paths.request, request)
    start_watcher(request, options)
    report_watching(request, paths)
    return StartResult(started=True, run_id=request.run_id, log=request.log_path)


def _is_runner_alive(options: StartOptions) -> bool:
    paths = options.paths
    return find_runner(paths.build_name, options.workdir) is not None or find_process(paths) is not None
