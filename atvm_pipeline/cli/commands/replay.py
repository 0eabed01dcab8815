"""Rebuild the state from a journal and print it; with --json, the bytes of state.json."""

import argparse
import sys
from pathlib import Path

import msgspec

from atvm_pipeline.cli.options import add_state_root, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_page import state_page
from atvm_pipeline.cli.terminal import page_width
from atvm_pipeline.core.codec import encode_state
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.exit_codes import DATA, DONE, CommandError
from atvm_pipeline.shell.state_dir.run_address import find_run
from atvm_pipeline.shell.state_dir.store import read_journal

HELP = CommandHelp(
    examples=(
        "atvm-pipeline replay BUILD",
        "atvm-pipeline replay journal.jsonl --json",
    ),
    exit_codes="0 if the state was printed, 65 if the file is missing or is not a journal",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "journal",
        metavar="JOURNAL",
        help="a journal.jsonl, its directory, or a run: BUILD, BUILD@TIME or a run id",
    )
    parser.add_argument("--json", action="store_true", help="print the bytes of state.json")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print the state. Raises CommandError (65) if the file is not a journal."""
    path = _journal(args)
    events, length, damaged = read_journal(path)
    if damaged is not None:
        raise damaged
    if not events:
        raise CommandError(DATA, f"{path} does not exist or contains no events")
    try:
        state = state_file(replay(events))
    except ValueError as error:
        raise CommandError(DATA, f"{path}: {error}") from None
    if length < path.stat().st_size:
        print(f"the last line of {path} is incomplete and was ignored", file=sys.stderr)
    if args.json:
        sys.stdout.buffer.write(encode_state(state))
    else:
        view = msgspec.to_builtins(state)
        title = f"{state.build_name} ({plural(len(events), 'event')})"
        print("\n".join(state_page(view, title, page_width())))
    return DONE


def _journal(args: argparse.Namespace) -> Path:
    """Return the path of the journal: a path that exists comes before a run of that name."""
    path = Path(args.journal)
    if path.is_dir():
        return path / "journal.jsonl"
    if path.exists() or path.name != args.journal:
        return path
    paths = find_run(state_root(args, environment()), args.journal)
    return paths.journal if paths.folder.is_dir() else path
