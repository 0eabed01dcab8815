"""The runner's half of a start, for a watcher that is waiting for it or without a watcher."""

import contextlib
from pathlib import Path

from msgspec.structs import replace

from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from atvm_pipeline.shell.state_dir.records import Request, write_record
from atvm_pipeline.shell.system.log import log

from .conflicts import check_living, check_log
from .launch import await_first_moments, baseline_of, prepare, report_left_out, start_runner
from .resources import commands_environment, folded, new_request, waiting_request, with_request_of
from .result import StartResult
from .run_preflight import run_preflight
from .start_options import StartOptions, hint


def start_runner_only(options: StartOptions) -> StartResult:
    """Start the runner for the watcher that waits for it, or with a new request that is not watched yet.

    Raises CommandError.
    """
    paths = options.paths
    if options.runner_command is None:
        raise CommandError(USAGE, "--runner-command is missing: pass the command that runs Cypress")
    if options.template_command is not None:
        log(
            "notice: the template command is not run by this half: run it before the runner starts, or use start-atvm-run.sh, "
            "which runs it"
        )
    check_living(options)
    new = new_request(options)
    known = waiting_request(paths)
    request = new
    if known is not None:
        _check_alike(known, new)
        options = with_request_of(known, options)
        # The request of the watcher stays in force: it gets the command and the environment of this call.
        request = replace(
            known,
            runner_command=options.runner_command,
            environment=commands_environment(options),
            config_path=known.config_path or new.config_path,
        )
    check_log(Path(request.log_path))
    report_left_out(options.environ)
    preflight = run_preflight(options)
    if options.check:
        return StartResult(started=False, preflight=preflight)
    with contextlib.ExitStack() as stack:
        if known is not None:
            # Its watcher has already started the journal, and has no planned specs.
            write_record(paths.request, request)
        else:
            request = replace(request, planned_specs=preflight.planned)
            stack.enter_context(prepare(request, options, baseline_of(options), env.keep(options.environ)))
            log(
                f"{paths.build_name} is not watched yet; attach a watcher with: "
                + hint(options, "start-atvm-run-watcher.sh", "--attach", "--build-name", paths.build_name)
            )
        start_runner(request, options)
        ended = await_first_moments(request, options, watched=known is not None)
    return StartResult(
        started=True, run_id=request.run_id, preflight=preflight, ended=ended, log=request.log_path
    )


def _check_alike(known: Request, new: Request) -> None:
    """Refuse a half with other options than the waiting watcher was started with. Raises CommandError."""
    # The commands of both halves may differ in --categorize: the request of the watcher stays in force.
    different = ["without --categorize, and this call has it"] if new.categorized > known.categorized else []
    for name, old, own in (
        ("--workdir", known.workdir, new.workdir),
        ("ATVM_RUNNER_LOG", known.log_path, new.log_path),
    ):
        if old != own:
            different.append(f"with {name} {old}, and this call has {own}")
    if different:
        raise CommandError(
            USAGE,
            f"the waiting watcher was started {'; '.join(different)}: start both halves with the same values",
        )
    if new.hosts and set(folded(new.hosts)) != set(folded(known.hosts)):
        known_hosts = hosts_option(known.hosts)
        raise CommandError(
            USAGE,
            f"the waiting watcher was started with {known_hosts}: start both halves with the same hosts",
        )


def hosts_option(hosts: tuple[str, ...]) -> str:
    """Return --hosts as it is typed on the command line."""
    return f"--hosts {','.join(hosts)}" if hosts else "no --hosts"
