"""Run the runner command of one request, track its process tree, and record how it ended."""

import argparse
import os

from atvm_pipeline.cli.options import (
    add_state_root,
    checked_build_name,
    environment,
    given_state_root,
    state_root,
)
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.shell.runner.exit_status import note_service_result
from atvm_pipeline.shell.runner.wrapper import run_runner
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.supervisor.release import follow_release

HELP = CommandHelp(
    examples=("systemctl status atvm-runner@BUILD", "atvm-pipeline runner BUILD"),
    exit_codes="that of the runner command",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="name of the build")
    parser.add_argument(
        "--stopped",
        action="store_true",
        help="only add systemd's service result to the record (ExecStopPost=)",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    paths = Paths(state_root(args, environment()), checked_build_name(args.build))
    follow_release(
        paths, ["runner", args.build, *(["--stopped"] if args.stopped else []), *given_state_root(args)]
    )
    if args.stopped:
        note_service_result(paths, os.environ)
        return 0
    return run_runner(paths)
