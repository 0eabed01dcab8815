"""Show all runs as a table, or one run in detail, and whether their processes are running."""

import argparse
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from atvm_pipeline.cli.options import add_state_root, environment, given_state_root, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import Call, ShownRun, known_run, paths_of, removed_runs, show_run
from atvm_pipeline.cli.run_table import NOT_WRITTEN, in_order, last_activity, row_of, table
from atvm_pipeline.cli.terminal import page_width, style
from atvm_pipeline.cli.times import parse_since
from atvm_pipeline.cli.views import print_json
from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.exit_codes import DONE, USAGE, CommandError
from atvm_pipeline.shell.state_dir.archived_messages import archived_messages
from atvm_pipeline.shell.state_dir.disk_state import disk_problem
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import builds
from atvm_pipeline.shell.state_dir.run_address import all_archived_runs
from atvm_pipeline.shell.system import clock

FAILED_PHASES = ("FAILED", "TERMINATED", "HUNG", "UNKNOWN", "CORRUPT", "NO STATE")

HELP = CommandHelp(
    examples=(
        "atvm-pipeline status",
        "atvm-pipeline status --running",
        "atvm-pipeline status BUILD",
        "atvm-pipeline status BUILD --json",
    ),
    exit_codes="0 if the state was printed, 65 if the run is not known or its state cannot be read",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "build",
        nargs="?",
        metavar="BUILD",
        help="the run to show: a build name, BUILD@TIME or a run id for an archived run (default: all runs)",
    )
    parser.add_argument(
        "--running", action="store_true", help="only runs that have not ended, or whose processes live"
    )
    parser.add_argument("--failed", action="store_true", help="only runs that failed or are failing")
    parser.add_argument(
        "--since", metavar="TIME", help="only runs that were active since then: 2h, 1d, 18:05, 2026-11-23"
    )
    parser.add_argument("--all", action="store_true", help="archived runs too")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the object of state.json, with the key live; a list for all runs",
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print the state. Raises CommandError (65) for an unknown run."""
    root = state_root(args, environment())
    call = Call(clock.now(), given_state_root(args))
    if args.build is None:
        _print_all(root, args, call)
        return DONE
    given = [f"--{name}" for name in ("running", "failed", "since", "all") if getattr(args, name, None)]
    if given:
        raise CommandError(USAGE, f"{given[0]} selects from all runs: use it without {args.build!r}")
    shown = known_run(paths_of(root, args.build), call)
    if args.json:
        print_json(_object(shown))
    else:
        from atvm_pipeline.cli.run_page import run_page

        print("\n".join(run_page(shown, call, page_width())))
    return DONE


def _print_all(root: Path, args: argparse.Namespace, call: Call) -> None:
    """Print every run that the options select; an unreadable state is one entry among the others."""
    since = parse_since(args.since, call.now) if args.since is not None else None
    runs = in_order(
        run for run in _runs(root, archived=args.all, waiting=not args.json) if _is_selected(run, args, since)
    )
    if args.json:
        print_json([_object(run) for run in runs])
        return
    disk = disk_problem(root)
    if disk:
        print(
            style(printable(f"{disk}: watchers keep their results in memory until there is room"), "warning")
        )
    if runs:
        print("\n".join(table([row_of(run, call) for run in runs], page_width())))
        return
    selected = any((args.running, args.failed, since, not args.all and _has_archive(root)))
    print(
        printable(
            f"no runs in {root}" + (" match; see all with: atvm-pipeline status --all" if selected else "")
        )
    )


def _has_archive(root: Path) -> bool:
    return next(iter(all_archived_runs(root)), None) is not None


def _runs(root: Path, *, archived: bool, waiting: bool) -> Iterator[ShownRun]:
    """Yield the runs of the state root; `archived`: the archived ones too; `waiting`: of those, the ones whose messages wait."""
    for name in builds(root):
        paths = Paths(root, name)
        run = show_run(paths)
        if run.state is not None or run.error or paths.request.exists():
            yield run
    yield from removed_runs(root)
    if archived:
        yield from map(show_run, all_archived_runs(root))
    elif waiting:
        # These runs still need attention.
        yield from (show_run(found.paths) for found in archived_messages(root) if found.waiting)


def _is_selected(run: ShownRun, args: argparse.Namespace, since: datetime | None) -> bool:
    if args.running and not run.is_living:
        return False
    if args.failed and not (run.phase in FAILED_PHASES or (run.state or {}).get("failing")):
        return False
    if since is None or run.is_living:
        return True
    at = last_activity(run)
    return at is not None and at >= since


def _object(run: ShownRun) -> dict[str, Any]:
    """Return the object of `--json`."""
    if run.state is None:
        return {
            "build_name": run.paths.build_name,
            "phase": None,
            "error": run.error or NOT_WRITTEN,
            "live": run.live,
        }
    address = {"address": run.address} if run.paths.is_archived else {}
    return {**run.state, **address, "live": run.live}
