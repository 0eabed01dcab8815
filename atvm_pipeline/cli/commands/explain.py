"""Explain the verdict of a run: the reason, the line of the log that proves it, and the next step."""

import argparse

from atvm_pipeline.cli import terminal
from atvm_pipeline.cli.evidence_page import evidence_page
from atvm_pipeline.cli.explanation import as_data, explain, summary
from atvm_pipeline.cli.options import add_state_root, environment, given_state_root, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import Call, known_run, paths_of
from atvm_pipeline.cli.views import print_json
from atvm_pipeline.shell.exit_codes import DONE
from atvm_pipeline.shell.system import clock

UNWRAPPED_COLUMNS = 100_000
HELP = CommandHelp(
    examples=("atvm-pipeline explain BUILD", "atvm-pipeline explain BUILD -v"),
    exit_codes="0 if the explanation was printed, 65 if the run is not known or its state cannot be read",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="BUILD, BUILD@TIME for an archived run, or a run id")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show every sub-run and spec, all evidence and notes"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print the explanation."""
    call = Call(clock.now(), given_state_root(args))
    shown = known_run(paths_of(state_root(args, environment()), args.build), call)
    found = explain(shown, call)
    if args.json:
        print_json(as_data(found))
    elif args.verbose:
        columns = terminal.page_width() or UNWRAPPED_COLUMNS
        page = evidence_page(found.state, shown.paths, found.concerns, columns)
        print("\n".join([*page, *(f"next: {step}" for step in found.steps)]))
    else:
        print("\n".join(summary(found, terminal.width())))
    return DONE
