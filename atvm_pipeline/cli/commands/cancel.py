"""Mark a run as cancelled and stop watching it. The runner continues; --runner stops it too."""

import argparse
import contextlib

from atvm_pipeline.cli.options import (
    add_state_root,
    checked_build_name,
    checked_text,
    environment,
    given_state_root,
    state_root,
    user_and_host as whoami,
)
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import show_run
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.events import CancelRequested, DeliverySettled
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.reducer import begin_run
from atvm_pipeline.shell.exit_codes import DATA, DONE, IN_USE, NO, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.runner.orphans import find_process, missing_text
from atvm_pipeline.shell.runner.stop import stop_runner
from atvm_pipeline.shell.start.conflicts import check_not_starting
from atvm_pipeline.shell.state_dir.reader import read_state
from atvm_pipeline.shell.state_dir.records import MarkerRecord, Paths, Request, read_record, write_record
from atvm_pipeline.shell.state_dir.store import Store, load
from atvm_pipeline.shell.supervisor import Local
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import Busy, locked
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.typed_command import typed_command
from atvm_pipeline.shell.watcher.first_event import first_event
from atvm_pipeline.shell.watcher.loop import Loop
from atvm_pipeline.shell.watcher.service import crashed_deliveries

CANCEL_WAIT_S = 30.0
CANCEL_POLL_S = 0.05


CANCEL = CommandHelp(
    usage="--build-name BUILD [options]",
    examples=('cancel-atvm-run-watcher.sh --build-name BUILD --why "wrong datastore"',),
    exit_codes="0 if the run is cancelled, 1 if it had already ended (nothing changes), 65 if the build is not known, 69 if the "
    "watcher did not stop within 30 s, 75 if the build is being started",
)
STOP_RUNNER = CommandHelp(
    description="Stop the runner of one request and all processes of its tree. The run is not marked as cancelled: its watcher "
    "reports how it ended.",
    usage="--build-name BUILD [options]",
    examples=('cancel-atvm-runner.sh --build-name BUILD --why "host is needed"',),
    exit_codes="0 if no process of the runner is left, 65 if the build is not known, 69 if a process did not stop, 75 if the "
    "build is being started",
    hidden=("--runner",),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", nargs="?", metavar="BUILD", help="name of the build")
    parser.add_argument("--build-name", metavar="BUILD", help="the same as BUILD")
    parser.add_argument("--why", default="", metavar="TEXT", help="reason, stored with the request")
    parser.add_argument("--runner", action="store_true", help="stop the runner and its process tree too")
    parser.add_argument("--only", choices=("runner",), help=argparse.SUPPRESS)
    add_state_root(parser)


def help_for(arguments: list[str]) -> CommandHelp:
    """Return the texts of `--help`: of a cancel, or of the stop of the runner alone."""
    return STOP_RUNNER if "--only" in arguments else CANCEL


def run(args: argparse.Namespace) -> int:
    """Cancel the run. Returns 0 if it is cancelled, 1 if it had already ended (nothing changes), 69 if not done in 30 s."""
    if (args.build is None) == (args.build_name is None):
        raise CommandError(USAGE, "give one build: --build-name BUILD")
    build_name = args.build if args.build is not None else args.build_name
    paths = Paths(state_root(args, environment()), checked_build_name(build_name))
    request = read_record(paths.request, Request)
    who = whoami()
    checked_text("--why", args.why)
    if request is None:
        return _cancel_removed(args, paths, who)
    if args.only == "runner":
        check_not_starting(paths)
        return _stop_runner(paths, who, args.why)
    try:
        with locked(paths.start_lock):
            code = _cancel(paths, request, who, args.why)
    except Busy:
        raise CommandError(
            IN_USE,
            f"build {paths.build_name} is being started or cancelled by another command; try again when that is done",
        ) from None
    finally:
        # Also if the watcher does not respond: the operator requested to stop the runner.
        stopped = _stop_runner(paths, who, args.why) if args.runner else DONE
    if not args.runner and show_run(paths).live["runner"]:
        words = ["--build-name", paths.build_name, *given_state_root(args)]
        stop = typed_command("cancel-atvm-runner.sh", *words)
        log(f"the runner of {paths.build_name} continues; to stop it: {stop}")
    return max(code, stopped)


def _cancel_removed(args: argparse.Namespace, paths: Paths, who: str) -> int:
    """Stop the processes of a build whose state directory was removed. Raises CommandError (65) without any."""
    runner, watcher = find_process(paths), find_process(paths, "watch")
    if runner is None and watcher is None:
        raise CommandError(
            DATA,
            f"build {paths.build_name} not found in {paths.state_root}, and no process of it is running; list the builds with: "
            + typed_command("atvm-pipeline", "status", *given_state_root(args)),
        )
    if args.only == "runner":
        return _stop_runner(paths, who, args.why)
    if watcher is not None:
        Local().stop_watcher(paths, CANCEL_WAIT_S)
        log(
            f"{paths.build_name}: watcher stopped ({watcher.where()}); {missing_text(paths)}, so nothing is recorded"
        )
    if args.runner:
        return _stop_runner(paths, who, args.why)
    if runner is not None:
        stop = runner.command("cancel-atvm-runner.sh", environment())
        log(f"{paths.build_name}: the runner continues ({runner.where()}); stop it with: {stop}")
    return DONE


def _stop_runner(paths: Paths, who: str, why: str) -> int:
    result = stop_runner(paths, who=who, why=why)
    log(f"{paths.build_name}: {result.text}")
    return DONE if result.stopped else UNAVAILABLE


def _cancel(paths: Paths, request: Request, who: str, why: str) -> int:
    ended = _ended_phase(paths, request)
    if ended is not None:
        log(f"{paths.build_name} had already ended ({ended}); nothing changed")
        return NO
    marker = MarkerRecord(
        build_name=request.build_name, run_id=request.run_id, who=who, why=why, requested_at=clock.now()
    )
    write_record(paths.cancel, marker)

    def unwatched() -> bool:
        try:
            with locked(paths.watcher_lock):
                _cancel_unwatched(paths, request, marker)
        except Busy:
            return False
        return True

    if clock.wait_until(unwatched, CANCEL_WAIT_S, CANCEL_POLL_S):
        return _report_end(paths, request)
    phase = _ended_phase(paths, request)
    state = f"the run is {phase}" if phase is not None else "the run is not CANCELLED yet"
    raise CommandError(
        UNAVAILABLE,
        f"the watcher of {paths.build_name} did not stop within {CANCEL_WAIT_S:.0f} s ({state}); it stops as soon as it "
        f"reads the marker. Check with: atvm-pipeline status {paths.build_name}",
    )


def _report_end(paths: Paths, request: Request) -> int:
    phase = _ended_phase(paths, request)
    if phase == "CANCELLED":
        print(f"{paths.build_name}: CANCELLED")
        return DONE
    log(f"{paths.build_name} ended at the same moment ({phase}) and was not cancelled")
    return NO


def _ended_phase(paths: Paths, request: Request) -> str | None:
    """Return the phase in which the run has ended, or None; from the journal if `state.json` cannot be read."""
    state = None
    with contextlib.suppress(DataError):
        state = read_state(paths)
    if state is None:
        run = load(paths, request.run_id).run
        return run.verdict.phase.value if run is not None and run.verdict is not None else None
    if state.get("run_id") != request.run_id or state["phase"] not in TERMINAL_PHASES:
        return None
    return str(state["phase"])


def _cancel_unwatched(paths: Paths, request: Request, marker: MarkerRecord) -> None:
    """Write CANCELLED for the watcher: none is running, and the caller holds its lock."""
    loaded = load(paths, request.run_id)
    if loaded.run is not None and loaded.run.verdict is not None:
        return
    with Store(paths, loaded.journal_bytes) as store:
        run = begin_run(first_event(request)).run if loaded.run is None else loaded.run
        if loaded.journal_bytes == 0:
            store.append([run.request])
        loop = Loop(run, store, _never, on_save=lambda _snapshot: None)
        cancelled = CancelRequested(
            at=clock.now(), who=marker.who, why=marker.why, requested_at=marker.requested_at
        )
        # The cancel comes first: after it, a settled delivery starts no other one.
        loop.feed([cancelled, *crashed_deliveries(run)])
        loop.save()


def _never(effect: object, _deadline: object) -> DeliverySettled:
    raise AssertionError(f"a cancelled run sends nothing: {effect}")
