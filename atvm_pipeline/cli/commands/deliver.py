"""Deliver the messages of an archived run, then exit. A start runs this by itself.

Nothing else of the archived run changes.
"""

import argparse
import contextlib
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from atvm_pipeline.cli.options import add_state_root, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.core.errors import ConfigError, DataError
from atvm_pipeline.core.messages import outbox
from atvm_pipeline.core.messages.undelivered import LOST_OUTCOMES, last_outcomes
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.exit_codes import DATA, DONE, IN_USE, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.state_dir.archived_messages import archived_messages
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.state_dir.run_address import address_of, find_run
from atvm_pipeline.shell.supervisor import choose
from atvm_pipeline.shell.system.files import Busy, is_locked, locked
from atvm_pipeline.shell.system.log import log, start_lines_with_time
from atvm_pipeline.shell.watcher.archived_run import deliver_archived

START_WAIT_S = 30.0


HELP = CommandHelp(
    examples=(
        "atvm-pipeline deliver BUILD@2026-11-24",
        "atvm-pipeline deliver BUILD@2026-11-24 --background",
    ),
    exit_codes="0 if all messages are settled, 69 if one of them was not delivered, 75 if they are already being delivered",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "archive",
        metavar="ARCHIVE",
        help="archived run: BUILD@TIME, its run id, or its directory in .archive",
    )
    parser.add_argument(
        "--background",
        action="store_true",
        help="start the sender as a service or background process and return",
    )
    parser.add_argument(
        "--supervisor",
        choices=("auto", "systemd", "local"),
        default="auto",
        help="with --background: run as a systemd unit or as a background process (default: auto)",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Deliver the messages. Returns 0 once all are settled, 69 if one of them was rejected, uncertain or expired."""
    environ = environment()
    paths = find_run(state_root(args, environ), args.archive)
    request = _request_of(paths)
    if args.background:
        return _start(paths, request, environ, args.supervisor)
    try:
        delivered = _deliver(paths, request, environ)
    except Busy:
        raise CommandError(
            IN_USE, f"the messages of {address_of(paths)} are already being delivered or sent again"
        ) from None
    runs = [delivered, *([] if delivered.stopping else _continue(paths, environ))]
    return UNAVAILABLE if any(map(_has_lost, runs)) else DONE


def _request_of(paths: Paths) -> Request:
    """Return the request of an archived run. Raises CommandError."""
    if not paths.is_archived:
        raise CommandError(
            USAGE,
            f"{paths.build_name} is not an archived run; its watcher delivers its messages, attach one with: "
            f"start-atvm-run-watcher.sh --attach --build-name {paths.build_name}",
        )
    request = read_record(paths.request, Request)
    if request is None:
        raise CommandError(
            DATA,
            f"cannot deliver messages: {paths.request} is missing or unreadable, so its run is not known",
        )
    return request


def _start(paths: Paths, request: Request, environ: Mapping[str, str], supervisor_name: str) -> int:
    """Start the sender in the background. Raises CommandError, ConfigError, OSError."""
    address = address_of(paths)
    if is_locked(paths.watcher_lock):
        print(f"{address}: its messages are already being delivered")
        return DONE
    supervisor = choose(supervisor_name)
    supervisor.start_watcher(paths, environ)
    reason = supervisor.wait_until_watching(paths, request.run_id, START_WAIT_S)
    if reason is not None:
        raise CommandError(
            UNAVAILABLE, f"the sender of {address} did not start: {reason}; see {paths.watcher_log}"
        )
    print(f"{address}: the sender of its messages was started")
    return DONE


def _deliver(paths: Paths, request: Request, environ: Mapping[str, str]) -> Run:
    """Deliver the messages of one run and return it. Raises Busy, ConfigError, DataError, OSError."""
    with locked(paths.watcher_lock):
        start_lines_with_time()
        delivered = deliver_archived(paths, request, environ)
    if not outbox.pending(delivered):
        log(f"{address_of(paths)}: all messages are settled")
    return delivered


def _continue(paths: Paths, environ: Mapping[str, str]) -> Iterator[Run]:
    """Deliver the messages of other archived runs of the build that no sender delivers; yield the runs.

    A start that finds enough senders starts none, and counts on this. A run that cannot be delivered is left out.
    """
    tried = {paths.folder}
    while found := _next(paths, tried):
        tried.add(found.folder)
        # The handlers of the last run would stop nothing any more.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        with contextlib.suppress(Busy):
            try:
                log(f"continuing with the messages of {address_of(found)}")
                delivered = _deliver(found, _request_of(found), environ)
            except (CommandError, ConfigError, DataError, OSError) as error:
                log(f"cannot deliver the messages of {address_of(found)}: {error}")
                continue
            yield delivered
            if delivered.stopping:
                return


def _next(paths: Paths, tried: set[Path]) -> Paths | None:
    with contextlib.suppress(OSError):
        for found in archived_messages(paths.state_root, paths.build_name):
            if found.waiting and not found.sending and found.paths.folder not in tried:
                return found.paths
    return None


def _has_lost(run: Run) -> bool:
    return any(post.outcome in LOST_OUTCOMES for post in last_outcomes(run))
