"""Follow one run until it has ended and every message is settled; then exit."""

import argparse

from atvm_pipeline.cli.options import (
    add_state_root,
    checked_build_name,
    environment,
    given_state_root,
    state_root,
)
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.core.messages.undelivered import LOST_OUTCOMES, last_outcomes
from atvm_pipeline.shell.exit_codes import DATA, DONE, IN_USE, UNAVAILABLE, CommandError
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.supervisor.release import follow_release
from atvm_pipeline.shell.system.files import Busy, locked
from atvm_pipeline.shell.system.log import start_lines_with_time
from atvm_pipeline.shell.watcher.first_event import first_event
from atvm_pipeline.shell.watcher.service import run_watcher

HELP = CommandHelp(
    examples=("systemctl status atvm-run-watcher@BUILD", "atvm-pipeline watch BUILD"),
    exit_codes="0 in every phase once all messages are settled, 69 if a message was rejected, uncertain or expired, 75 if the "
    "build is already being watched",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="name of the build")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Follow the run. Returns 0 once all messages are settled, 69 if one of them was rejected, uncertain or expired."""
    environ = environment()
    paths = Paths(state_root(args, environ), checked_build_name(args.build))
    follow_release(paths, ["watch", args.build, *given_state_root(args)])
    request = read_record(paths.request, Request)
    if request is None:
        raise CommandError(
            DATA,
            f"build {paths.build_name} has no readable request.json in {paths.state_root}: start it with start-atvm-run.sh",
        )
    try:
        with locked(paths.watcher_lock):
            start_lines_with_time()
            watched = run_watcher(paths, request, environ, first_event)
    except Busy:
        raise CommandError(IN_USE, f"build {paths.build_name} is already being watched") from None
    return UNAVAILABLE if any(post.outcome in LOST_OUTCOMES for post in last_outcomes(watched)) else DONE
