"""Evaluate the log and reports of a finished run, offline. Writes no files and sends no messages."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from atvm_pipeline.cli.fact_lines import describe_fact
from atvm_pipeline.cli.options import (
    add_hosts,
    add_scenario,
    checked_build_name,
    checked_hosts,
    checked_scenario,
    checked_text,
    environment,
)
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_page import LABEL_COLUMNS, state_page
from atvm_pipeline.cli.terminal import page_width
from atvm_pipeline.cli.times import local_time
from atvm_pipeline.cli.views import print_json
from atvm_pipeline.core.facts import Fact
from atvm_pipeline.core.snapshot import snapshot
from atvm_pipeline.shell.config.dialect_file import load_dialect
from atvm_pipeline.shell.config.inventory_file import load_inventory
from atvm_pipeline.shell.exit_codes import DATA, DONE, USAGE, CommandError
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log, since_from
from atvm_pipeline.shell.system.log import log

PROGRESS_MIN_BYTES = 32 * 1024 * 1024
"""A smaller log is read before a progress bar would be visible."""
BAR_CHARS = 40
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR = datetime(9000, 1, 1, tzinfo=UTC)


HELP = CommandHelp(
    examples=(
        "atvm-pipeline inspect runner.log --artifacts cmcReporter --build-name BUILD",
        "atvm-pipeline inspect runner.log --exit-code 1 --categorize --json",
    ),
    exit_codes="0 if the log was evaluated, whatever the phase; 65 if a file is missing",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("log", metavar="LOG", help="the runner's log")
    files = parser.add_argument_group("other files")
    files.add_argument("--artifacts", metavar="DIR", help="directory of the XML reports")
    files.add_argument("--inventory", metavar="FILE", help="Markdown table of hosts and kernels")
    files.add_argument("--dialect", metavar="FILE", help="patterns of your runner (TOML, docs/dialect.md)")
    request = parser.add_argument_group("request")
    request.add_argument(
        "--build-name", metavar="B", help="compare the log with the hosts that this name requests"
    )
    add_hosts(request)
    add_scenario(request)
    request.add_argument("--categorize", action="store_true", help="one sub-run per group of hosts")
    ending = parser.add_argument_group("end of the run")
    end = ending.add_mutually_exclusive_group()
    end.add_argument(
        "--exit-code",
        type=int,
        metavar="N",
        help="exit code of the runner (default: not known, 0 is assumed)",
    )
    end.add_argument("--signal", metavar="NAME", help="the signal that ended the runner")
    ending.add_argument("--since", metavar="TIME", help="reports older than this are stale (RFC 3339)")
    output = parser.add_argument_group("output")
    output.add_argument("--lines", action="store_true", help="show every recognised line and its meaning")
    output.add_argument("--json", action="store_true", help="print the object of state.json")


def run(args: argparse.Namespace) -> int:
    """Print the evaluation."""
    if args.exit_code is not None and not 0 <= args.exit_code <= 255:  # noqa: PLR2004 - an exit status has 8 bits
        raise CommandError(USAGE, f"--exit-code {args.exit_code} is not valid: use 0 to 255")
    for name in ("log", "artifacts", "inventory", "dialect"):
        checked_text("LOG" if name == "log" else f"--{name}", getattr(args, name) or "")
    path = Path(args.log)
    if not path.is_file():
        raise CommandError(DATA, f"log {args.log} does not exist or is not a file")
    if args.artifacts is not None and not Path(args.artifacts).is_dir():
        # This is not an error: many failed runs have written no report.
        log(f"artifact directory {args.artifacts} does not exist: no reports are read")
    if args.inventory is not None and not Path(args.inventory).is_file():
        raise CommandError(DATA, f"inventory {args.inventory} does not exist or is not a file")
    environ = environment()
    finished = FinishedRun(
        log=path,
        artifacts=Path(args.artifacts) if args.artifacts else None,
        build_name=checked_build_name(args.build_name) if args.build_name else None,
        hosts=checked_hosts(args.hosts),
        scenario=checked_scenario(args.scenario, environ),
        categorized=args.categorize,
        exit_code=args.exit_code,
        signal=_signal(args.signal),
        since=_time(args.since),
        inventory=load_inventory(Path(args.inventory) if args.inventory else None),
        dialect=load_dialect(args.dialect or environ.get("ATVM_WATCHER_DIALECT")),
    )
    bar = ProgressBar(path.stat().st_size)
    facts: list[Fact] = []
    on_fact: Callable[[Fact], None] | None = None
    if args.lines:
        on_fact = facts.append if args.json else _print_fact
    run_ = inspect_log(finished, on_bytes=bar.advance, on_fact=on_fact)
    bar.end()
    view = msgspec.to_builtins(snapshot(run_))
    if args.json:
        if args.lines:
            view["lines"] = [msgspec.to_builtins(fact) for fact in facts]
        print_json(view)
    else:
        print("\n".join(state_page(view, args.build_name or args.log, page_width())))
        if finished.artifacts is not None:
            stale = sum(1 for artifact in run_.artifacts if artifact.stale)
            print(
                f"  {'reports:':<{LABEL_COLUMNS}}{len(run_.artifacts)} found, {stale} of them older than "
                f"{local_time(since_from(run_, finished))}"
            )
    return DONE


def _signal(text: str | None) -> str | None:
    import signal

    if text is None:
        return None
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if name not in signal.Signals.__members__:
        raise CommandError(USAGE, f"--signal {text[:20]!r} is not a signal: use a name such as KILL or TERM")
    return name


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
        when = when if when.tzinfo is not None else when.astimezone()
        # At the limits of datetime, a conversion to another time zone overflows.
        if EPOCH <= when.astimezone(UTC) <= FAR:
            return when
    except (ValueError, OverflowError):
        pass
    raise CommandError(
        USAGE, f"--since {text[:40]!r} is not a time: use RFC 3339, for example 2026-11-23T10:00:00Z"
    )


def _print_fact(fact: Fact) -> None:
    print(f"{fact.offset:>12}  {describe_fact(fact)}")


class ProgressBar:
    """A progress bar on a terminal, for a log that takes a while."""

    def __init__(self, total: int) -> None:
        """Create a bar for `total` bytes."""
        self._total = total
        self._shown = total >= PROGRESS_MIN_BYTES and sys.stderr.isatty()
        self._drawn = -1
        self._done = 0

    def advance(self, size: int) -> None:
        """Count `size` more bytes."""
        self._done += size
        percent = min(100, self._done * 100 // max(1, self._total))
        if self._shown and percent != self._drawn:
            self._drawn = percent
            filled = "#" * (BAR_CHARS * percent // 100)
            sys.stderr.write(f"\r[{filled:<{BAR_CHARS}}] {percent:3d} %")
            sys.stderr.flush()

    def end(self) -> None:
        """Erase the bar."""
        if self._shown:
            sys.stderr.write("\r" + " " * (BAR_CHARS + 9) + "\r")
