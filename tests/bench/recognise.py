"""The speed of recognising, reading and folding a log, against `grep -cE`; the cost of one line; memory.

`python -m tests.bench.recognise [--mb 500] [--rounds 3]`. grep uses the same anchors. Everything is measured
in one run, the two programs turn by turn, each minus its time for an empty log: the ratios count, the
absolute values depend on the machine. CPU time is compared with the goal: both programs have one thread, and
the clock also counts the other processes on the machine. Exits with 1 if a figure misses its goal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter
from typing import NamedTuple

from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from tests.bench import grep
from tests.bench.console_log import LINES_PER_SPEC, Written, costly_lines, write_log, write_prefixed
from tests.bench.long_runs import fold
from tests.bench.table import Row, print_table, row

RATIO_MIN = 0.3
PREFIXED_MIN = 0.5
"""Speed of a log with a prefix before each line, relative to one without."""
LINE_MS_MAX = 100.0
MEMORY_GROWTH_MAX = 1.1
REDUCE_GROWTH_MAX = 3.0
"""Maximum factor for twice as much: linear is 2, quadratic 4."""
SHORTER = 10
"""The log that memory is compared with is this many times shorter."""
LINE_BYTES = 1_000_000
BLOCK_BYTES = 1024 * 1024
MB = 1_000_000


class Took(NamedTuple):
    """The time of one process, and its output."""

    wall_s: float
    cpu_s: float
    out: bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recognise", description=__doc__)
    parser.add_argument("--mb", type=int, default=500, help="size of the log")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each program")
    parser.add_argument("--subruns", type=int, default=2000, help="sub-runs of the run that is only folded")
    parser.add_argument("--specs", type=int, default=5000, help="specs of the child that is only folded")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="atvm-bench-") as folder:
        rows += _speed(Path(folder), given.mb * MB, given.rounds)
        rows += _memory(Path(folder), given.mb * MB)
    rows += _lines(given.rounds)
    rows += _reduce(given.subruns, given.specs, given.rounds)
    return print_table(rows)


# Speed


def _speed(folder: Path, size: int, rounds: int) -> list[Row]:
    log, empty = folder / "runner.log", folder / "empty.log"
    empty.touch()
    written = write_log(log, size)
    _same_lines(log)
    prefixed = folder / "prefixed.log"
    with_prefix = write_prefixed(prefixed, log, written)
    turns = [
        (
            _less(_fold, log, empty, written),
            _less(_grep, log, empty),
            _less(_fold, prefixed, empty, with_prefix),
        )
        for _ in range(rounds)
    ]
    log.unlink()
    prefixed.unlink()
    folds, greps = [turn[0] for turn in turns], [turn[1] for turn in turns]
    walls = [grepped.wall_s / folded.wall_s for folded, grepped, _ in turns]
    cpus = [grepped.cpu_s / folded.cpu_s for folded, grepped, _ in turns]
    behind = [folded.cpu_s / other.cpu_s for folded, _, other in turns]
    anchors = 100 * int(greps[0].out) / written.lines
    mb = written.size / MB
    return [
        Row(
            f"log: {mb:.0f} MB, {written.lines} lines, {anchors:.2f} % anchors, {written.specs} specs", "", ""
        ),
        row("recognise + parse + reduce, MB/s", [mb / took.wall_s for took in folds], 0),
        row("grep -cE, the same anchors, MB/s", [mb / took.wall_s for took in greps], 0),
        row("ratio, by CPU time", cpus, 2, f">= {RATIO_MIN}", missed=min(cpus) < RATIO_MIN),
        row("ratio, by the clock", walls, 2),
        row(
            "the same lines with a clock before each, by CPU time",
            behind,
            2,
            f">= {PREFIXED_MIN}",
            missed=min(behind) < PREFIXED_MIN,
        ),
    ]


def _same_lines(log: Path) -> None:
    """Check that both search for the same lines; otherwise the results mean nothing.

    This also brings the log into the page cache.
    """
    ours, theirs = grep.lines_counted(log), int(_grep(log).out)
    if ours != theirs:
        raise SystemExit(
            f"the scanner's pattern finds {ours} lines, grep {theirs}: they are not the same anchors"
        )


def _less(run: Callable[..., Took], log: Path, empty: Path, *written: Written) -> Took:
    """Return the time of `run` for the log, minus its start time."""
    whole, start = run(log, *written), run(empty)
    tiny = 1e-6  # so that a log of next to nothing does not divide by zero
    return Took(max(whole.wall_s - start.wall_s, tiny), max(whole.cpu_s - start.cpu_s, tiny), whole.out)


def _grep(log: Path) -> Took:
    return _run(grep.command(log), env=grep.UTF8, codes=(0, 1))  # 1: no line was found


def _fold(log: Path, written: Written | None = None) -> Took:
    took = _run([sys.executable, "-m", "tests.bench.fold_log", str(log)])
    if written is not None:
        found = json.loads(took.out)
        expected = {
            "bytes": written.size,
            "subruns": written.children,
            "specs": written.specs,
            "failed": written.failed,
        }
        if found | expected != found:
            raise SystemExit(f"the fold found {found}, the log holds {expected}")
    return took


def _run(
    command: Sequence[str | bytes], *, env: dict[str, str] | None = None, codes: Sequence[int] = (0,)
) -> Took:
    before, began = getrusage(RUSAGE_CHILDREN), perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, env=env, check=False)
    wall_s, after = perf_counter() - began, getrusage(RUSAGE_CHILDREN)
    if done.returncode not in codes:
        raise SystemExit(f"{command[0]!r} ended with {done.returncode}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall_s, cpu_s, done.stdout)


# Memory


def _memory(folder: Path, size: int) -> list[Row]:
    """Compare runs with the same specs, one with a log many times longer; and measure one more spec."""
    log = folder / "runner.log"
    short = write_log(log, size // SHORTER)
    short_kib = _peak_kib(log, short)
    long = write_log(log, 0, lines_per_spec=SHORTER * LINES_PER_SPEC, children_min=short.children)
    long_kib = _peak_kib(log, long)
    many = write_log(log, size)
    many_kib = _peak_kib(log, many)
    growth = long_kib / short_kib
    per_spec = 1024 * (many_kib - short_kib) / max(many.specs - short.specs, 1)
    return [
        Row(
            f"peak memory, {short.size / MB:.0f} MB and {long.size / MB:.0f} MB of the same {short.specs} specs, MiB",
            f"{short_kib / 1024:.1f}",
            f"{long_kib / 1024:.1f}",
            f"x {MEMORY_GROWTH_MAX}",
            growth > MEMORY_GROWTH_MAX,
        ),
        Row(
            f"peak memory, {many.size / MB:.0f} MB with {many.specs} specs, MiB", "", f"{many_kib / 1024:.1f}"
        ),
        Row("memory for one more spec, bytes", "", f"{per_spec:.0f}"),
    ]


def _peak_kib(log: Path, written: Written) -> int:
    return int(json.loads(_fold(log, written).out)["peak_kib"])


# Lines


def _lines(rounds: int) -> list[Row]:
    scanner = Scanner(Dialect())
    rows = []
    for shape, line in costly_lines(LINE_BYTES).items():
        took = [_line_ms(scanner, line) for _ in range(rounds)]
        missed = max(took) > LINE_MS_MAX
        rows.append(
            row(
                f"one line of {len(line) / MB:.1f} MB: {shape}, ms",
                took,
                1,
                f"<= {LINE_MS_MAX:.0f}",
                missed=missed,
            )
        )
    return rows


def _line_ms(scanner: Scanner, line: bytes) -> float:
    state, began = ScannerState(), perf_counter()
    for at in range(0, len(line), BLOCK_BYTES):
        state = scanner.scan(state, line[at : at + BLOCK_BYTES]).state
    scanner.finish(state)
    return 1000 * (perf_counter() - began)


# reduce alone


def _reduce(subruns: int, specs: int, rounds: int) -> list[Row]:
    rows = []
    for what, of_half, of_whole in (
        (f"{subruns} sub-runs of 3 specs", (subruns // 2, 3), (subruns, 3)),
        (f"1 child of {specs} specs", (1, specs // 2), (1, specs)),
    ):
        halves, wholes = zip(*((fold(*of_half), fold(*of_whole)) for _ in range(rounds)), strict=True)
        growth = min(wholes) / min(halves)
        rows.append(row(f"reduce alone, {what}, ms", [1000 * took for took in wholes], 0))
        rows.append(
            Row(
                "  times as long as half of it",
                "",
                f"{growth:.1f}",
                f"<= {REDUCE_GROWTH_MAX:.0f}",
                growth > REDUCE_GROWTH_MAX,
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
