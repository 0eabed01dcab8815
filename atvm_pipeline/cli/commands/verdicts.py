"""Print the tables of phases, Cypress processes, verdicts and reason codes."""

import argparse

from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.terminal import width
from atvm_pipeline.cli.verdict_tables import as_data, diagram, render_tables
from atvm_pipeline.cli.views import print_json
from atvm_pipeline.shell.exit_codes import DONE

HELP = CommandHelp(
    examples=("atvm-pipeline verdicts | less", "atvm-pipeline verdicts --json"),
    exit_codes="0",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--diagram", action="store_true", help="print the phases as a Mermaid diagram, as in the README"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the tables."""
    if args.json:
        print_json(as_data())
    else:
        print(diagram() if args.diagram else render_tables(width()), end="")
    return DONE
