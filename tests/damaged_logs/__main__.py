"""The long form: `python -m tests.damaged_logs [--weaves 20000] [--deaths 1000] [--share 1.0] [--first SEED]`.

Prints the verdict counts, each false COMPLETED, each lost verdict and each green log that lost its verdict through a
damaged line, with the reason.  Exits with 1 if a red log was COMPLETED or a green one after a dead one lost its verdict.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from . import dying, lines, weaving


def main() -> int:
    """Run the three checks and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.damaged_logs", description=__doc__)
    parser.add_argument("--weaves", type=int, default=20_000, help="interleavings of two runs")
    parser.add_argument("--deaths", type=int, default=1_000, help="runs that die, with a green one behind")
    parser.add_argument("--share", type=float, default=1.0, help="part of the lines of each log to damage")
    parser.add_argument(
        "--made", type=int, default=20, help="logs made at random, in addition to the recorded ones"
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runner.log"
        bad = _weaves(path, range(args.first, args.first + args.weaves))
        bad += _deaths(path, range(args.first, args.first + args.deaths))
        bad += _damages(path, args.share, args.made, args.first)
    return 1 if bad else 0


def _weaves(path: Path, seeds: range) -> int:
    ends: Counter[str] = Counter()
    bad = 0
    for seed in seeds:
        weave, view, wrong = weaving.check(seed, path)
        kind = "two green" if all(run.green for run in weave.runs) else "one red at least"
        ends[f"{kind}: {view.phase} {view.reason['code']}"] += 1
        if wrong is not None:
            bad += 1
            print(f"FALSE COMPLETED: {wrong}, seed {seed}, {weave.grain}, {weave.asked}")
    _table(f"{len(seeds)} interleavings of two runs, {bad} false COMPLETED", ends)
    return bad


def _deaths(path: Path, seeds: range) -> int:
    lost = [(seed, wrong) for seed in seeds if (wrong := dying.check(seed, path)[1]) is not None]
    for seed, wrong in lost:
        print(f"LOST VERDICT: seed {seed}: {wrong}")
    print(f"{len(seeds)} runs that died with a green one behind: {len(lost)} lost their verdict")
    return len(lost)


def _damages(path: Path, share: float, made: int, seed: int) -> int:
    rng = random.Random(seed)  # noqa: S311 - to be repeated
    ends: Counter[str] = Counter()
    found = [
        damage
        for log in (*lines.recorded_logs(), *lines.made_logs(made))
        for damage in lines.damages(log, path, share, rng)
    ]
    for damage in found:
        ends["green" if damage.was == "COMPLETED" else "red"] += 1
        if damage.is_false_green or damage.is_lost_green:
            what = "FALSE COMPLETED" if damage.is_false_green else "LOST"
            print(
                f"{what}: {damage.log.name}, line {damage.at} {damage.how}: {damage.line[:80]!r}: {damage.reason[:160]}"
            )
    bad = sum(damage.is_false_green for damage in found)
    lost = sum(damage.is_lost_green for damage in found)
    _table(f"{len(found)} logs with one damaged line: {bad} red ones COMPLETED, {lost} green ones lost", ends)
    return bad


def _table(title: str, rows: Counter[str]) -> None:
    print(title)
    for name, count in sorted(rows.items()):
        print(f"  {count:>7}  {name}")


if __name__ == "__main__":
    sys.exit(main())
