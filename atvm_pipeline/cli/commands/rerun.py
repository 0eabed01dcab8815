"""Start a request again, with the values of its first start and a new run id.

--failed starts it for the hosts that did not pass. On a terminal, the command asks before it stops a living run.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from atvm_pipeline.cli.options import add_state_root, environment, given_state_root, state_root, user_and_host
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.start_run import answer, start
from atvm_pipeline.cli.terminal import is_terminal
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.config.settings import state_root_option
from atvm_pipeline.shell.exit_codes import DATA, IN_USE, NO, CommandError
from atvm_pipeline.shell.processes.discovery import find_runner
from atvm_pipeline.shell.start.rerun import check_any_failed, failed_hosts, rerun_options, with_hosts
from atvm_pipeline.shell.start.resources import requested_of
from atvm_pipeline.shell.start.start_options import StartOptions, hint
from atvm_pipeline.shell.state_dir.reader import read_state
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.state_dir.run_address import address_of, find_run
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.subprocesses import run_foreground
from atvm_pipeline.shell.system.typed_command import typed_command

HELP = CommandHelp(
    examples=("atvm-pipeline rerun BUILD", "atvm-pipeline rerun --failed BUILD"),
    exit_codes="0 if the runner is running, 1 if no host failed or you answered no, 10 if the template command failed, 11 if "
    "the preflight found a mismatch, 64 if no command uses the failed hosts, 65 for an unknown build, 69 if a part did not "
    "start, 75 if the build, its log, its config file or a host is in use",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "build", metavar="BUILD", help="build, or an archived run of it: BUILD@TIME or its run id"
    )
    parser.add_argument(
        "--failed",
        action="store_true",
        help="only for hosts that did not pass: {hosts} in the commands is replaced by them",
    )
    parser.add_argument("--check", action="store_true", help="only check; start and change nothing")
    parser.add_argument(
        "--no-preflight", action="store_true", help="start even if the preflight finds a mismatch"
    )
    parser.add_argument(
        "--share-config", action="store_true", help="start even if another run is using the same config file"
    )
    parser.add_argument(
        "--share-hosts", action="store_true", help="start even if another run is testing the same hosts"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Start the run again. Returns 0, or 1 if no host failed or the operator answered no."""
    environ = environment()
    source = find_run(state_root(args, environ), args.build)
    request = read_record(source.request, Request)
    if request is None and not source.folder.exists():
        raise CommandError(
            DATA,
            f"build {source.build_name} not found in {source.state_root}; list the builds with: "
            + typed_command("atvm-pipeline", "status", *state_root_option(environ, source.state_root)),
        )
    if request is None:
        raise CommandError(
            DATA,
            f"build {source.build_name} has no readable request.json in {source.folder}: start it with start-atvm-run.sh",
        )
    paths = Paths(source.state_root, source.build_name)
    options = _with_call(rerun_options(paths, request, environ), args)
    if args.failed:
        # Before any question is asked: a request that cannot be started must not be stopped for it.
        _failed_only(options, source, request)
    if not args.check and not _stop_living(options, args):
        return NO
    if args.failed:
        options = _failed_only(options, source, request)
        log(f"failed hosts of {address_of(source)}: {', '.join(options.hosts)}")
    return answer(options, start(options), as_json=args.json)


def _with_call(options: StartOptions, args: argparse.Namespace) -> StartOptions:
    return replace(
        options,
        started_by=user_and_host(),
        check=args.check,
        no_preflight=args.no_preflight,
        share_config=args.share_config,
        share_hosts=args.share_hosts,
    )


def _failed_only(options: StartOptions, source: Paths, request: Request) -> StartOptions:
    """Return the start for the hosts that did not pass. Raises CommandError."""
    state = _state(source, request)
    requested = tuple(state["requested_hosts"]) if "requested_hosts" in state else requested_of(options).hosts
    hosts = failed_hosts(state, requested)
    check_any_failed(options, state, hosts)
    # With other hosts, another scenario would be derived, and the run would be compared with other runs.
    scenario = options.scenario or state.get("scenario")
    return with_hosts(replace(options, scenario=scenario), hosts)


def _state(source: Paths, request: Request) -> Mapping[str, Any]:
    """Return the state of a run; one without results if the watcher has written none."""
    state = read_state(source)
    if state is not None and state["run_id"] == request.run_id:
        return state
    return {"phase": "PENDING", "reason": {"text": "no result is known"}, "subruns": []}


def _stop_living(options: StartOptions, args: argparse.Namespace) -> bool:
    """Stop the living run of this build after a question; return False if the operator answered no.

    Raises CommandError (75) for a living run without a terminal.
    """
    found = _living(options)
    if found is None:
        return True
    build = options.paths.build_name
    cancel = hint(options, "atvm-pipeline", "cancel", "--runner", build)
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise CommandError(
            IN_USE, f"build {build} is not finished ({found}); wait for it, or stop it first with: {cancel}"
        )
    sys.stderr.write(
        f"build {build} is not finished ({found}). Cancel it, stop its runner and start again? [y/N] "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        log("nothing was changed")
        return False
    words = ["cancel", "--runner", "--why", "started again with rerun", build, *given_state_root(args)]
    code = run_foreground(
        [sys.executable, "-P", "-m", "atvm_pipeline", *words],
        os.environ,
        options.workdir,
        sys.stderr.fileno(),
    )
    # 1: the run ended by itself while the question was open.
    if code not in (0, NO):
        raise CommandError(
            code if code > 0 else IN_USE, f"build {build} was not stopped; nothing was started"
        )
    return True


def _living(options: StartOptions) -> str | None:
    """Return the part of a build that is alive, in words; None without one."""
    paths = options.paths
    if is_locked(paths.runner_lock):
        return "its runner is running"
    runner = find_runner(paths.build_name, options.workdir)
    if runner is not None:
        return f"process {runner.pid}, {runner.name}, is its runner"
    state = read_state(paths)
    if is_locked(paths.watcher_lock) and (state is None or state["phase"] not in TERMINAL_PHASES):
        return "its watcher waits for the runner"
    return None
