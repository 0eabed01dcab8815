"""The runner's half of a start, for a watcher that is waiting for it or without a watcher."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from atvm_pipeline.shell.state_dir.reader import phase_of
from atvm_pipeline.shell.state_dir.records import Paths, Request, RunnerRecord, read_record, write_record
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log

from .conflicts import check_living, check_log
from .launch import await_first_moments, baseline_of, prepare, report_left_out, start_runner
from .run_preflight import run_preflight
from .start_options import StartOptions, build_request
from .steps import StartResult


def start_runner_only(options: StartOptions) -> StartResult:
    """Start the runner for the watcher that waits for it, or with a new request that is not watched yet.

    Raises CommandError.
    """
    paths = options.paths
    if options.runner_command is None:
        raise CommandError(USAGE, "--runner-command is missing: pass the command that runs Cypress")
    if options.template_command is not None:
        log("notice: this half does not run the template command: run it before you start the watcher")
    check_living(options)
    new = build_request(options)
    known = _waiting_request(paths)
    request = new
    if known is not None:
        _check_alike(known, new)
        options = _with_request_of(known, options)
        # The request of the watcher stays in force: it gets the command and the environment of this call.
        request = replace(
            known,
            runner_command=options.runner_command,
            environment=new.environment,
            config_path=known.config_path or new.config_path,
        )
    check_log(Path(request.log_path))
    report_left_out(options.environ)
    preflight = run_preflight(options)
    if options.check:
        return StartResult(started=False, hosts=preflight.hosts)
    with contextlib.ExitStack() as stack:
        if known is not None:
            # Its watcher has already started the journal, and has no planned specs.
            write_record(paths.request, request)
        else:
            request = replace(request, planned_specs=preflight.planned)
            stack.enter_context(prepare(request, options, baseline_of(options), env.keep(options.environ)))
            log(
                f"{paths.build_name} is not watched yet; attach a watcher with: start-atvm-run-watcher.sh --attach --build-name {paths.build_name}"
            )
        start_runner(request, options)
        await_first_moments(request, options, watched=known is not None)
    return StartResult(started=True)


def _waiting_request(paths: Paths) -> Request | None:
    """Return the request of a watcher that waits for its runner; None without one."""
    known = read_record(paths.request, Request)
    if known is None or not is_locked(paths.watcher_lock) or phase_of(paths) in TERMINAL_PHASES:
        return None
    had_runner = (
        paths.runner_exit.exists() or read_record(paths.runner, RunnerRecord, known.run_id) is not None
    )
    return None if had_runner else known


def _check_alike(known: Request, new: Request) -> None:
    """Refuse a half with other options than the waiting watcher was started with. Raises CommandError."""
    wanted = (known.categorized or new.categorized, new.workdir, new.log_path)
    if (known.categorized, known.workdir, known.log_path) != wanted:
        raise CommandError(
            USAGE,
            "the waiting watcher was started with another --categorize, --workdir or ATVM_RUNNER_LOG: "
            "start both halves with the same values",
        )
    if new.hosts and folded_names(new.hosts) != folded_names(known.hosts):
        known_hosts = hosts_option(known.hosts)
        raise CommandError(
            USAGE,
            f"the waiting watcher was started with {known_hosts}: start both halves with the same hosts",
        )


def hosts_option(hosts: tuple[str, ...]) -> str:
    """Return --hosts as it is typed on the command line."""
    return f"--hosts {','.join(hosts)}" if hosts else "no --hosts"


def folded_names(names: Iterable[str]) -> set[str]:
    """Return the names in the form for comparisons that ignore case."""
    return {name.casefold() for name in names}


def _with_request_of(known: Request, options: StartOptions) -> StartOptions:
    """Return the start with the hosts, the template and the config file of the waiting watcher."""
    metadata = replace(
        options.metadata,
        template=known.metadata.template,
        config_file=options.metadata.config_file or known.metadata.config_file,
    )
    return replace(options, hosts=known.hosts, metadata=metadata)
