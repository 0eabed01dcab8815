"""Simulates watchers that die, with failing disks and jumping clocks, until one promise breaks or all is done.

Usage: python -m tests.simulation [--exhaustive] [--seeds A..B] [--minutes M] [--seed N | --plan JSON] [--failures N]
       python -m tests.simulation --archived [--seeds A..B] | --archive-plan JSON

With --archived: histories of two runs, in which the messages of an archived run are delivered by its own sender.
Without an option: the exhaustive part and the seeds 0..199. Exits with 1 if a history failed or if something
that must be reached was not reached. With --seed or --plan: one history, with its trace.
"""

import argparse
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterable

import msgspec

from . import archived
from .campaign import exhaustive, run, seeds
from .coverage import Coverage
from .driver import Failed, play
from .plans import Plan, drawn


def main() -> int:
    options = parse()
    coverage = Coverage()
    if options.plan is not None or options.seed is not None:
        plan = (
            msgspec.json.decode(options.plan, type=Plan) if options.plan is not None else drawn(options.seed)
        )
        return one(plan, coverage)
    first, last = (int(part) for part in options.seeds.split(".."))
    if options.archived or options.archive_plan is not None:
        return archived_runs(options.archive_plan, range(first, last + 1), options.failures)
    parts = [] if options.only_seeds else [exhaustive(coverage)]
    if not options.exhaustive:
        parts.append(
            itertools.chain(seeds(first, last), seeds(last + 1, sys.maxsize) if options.minutes else ())
        )
    began_s = time.monotonic()
    failed = run(
        itertools.chain(*parts),
        coverage,
        seconds=options.minutes * 60 if options.minutes else float("inf"),
        failures_max=options.failures,
        tell=lambda failure: print(failure, "\n", flush=True),
    )
    print(coverage.report())
    # Seeds alone do not promise to reach anything.
    missing = [] if options.only_seeds else coverage.missing()
    print(f"{coverage.histories} histories in {time.monotonic() - began_s:.0f} s, {len(failed)} failed")
    for kind, what in missing:
        print(f"never reached: {kind}: {what}")
    return 1 if failed or missing else 0


def archived_runs(one_plan: str | None, seeds_: range, failures_max: int) -> int:
    """Play histories of two runs: one, or every death at every call and the long ones of the seeds."""
    if one_plan is not None:
        plans: Iterable[archived.ArchivePlan] = [msgspec.json.decode(one_plan, type=archived.ArchivePlan)]
    else:
        small = map(archived.every_death, archived.BASES)
        plans = itertools.chain(*small, archived.cut_saves(), map(archived.drawn, seeds_))
    counts: Counter[str] = Counter()
    began_s, failed = time.monotonic(), 0
    for plan in plans:
        try:
            told = archived.play(plan, counts)
        except Failed as failure:
            print(failure, "\n", flush=True)
            failed += 1
            if failed >= failures_max:
                break
        else:
            if one_plan is not None:
                print("\n".join(told.trace))
    print("\n".join(f"{number:6d}  {name}" for name, number in sorted(counts.items())))
    print(f"{counts['histories']} histories in {time.monotonic() - began_s:.0f} s, {failed} failed")
    return 1 if failed else 0


def one(plan: Plan, coverage: Coverage) -> int:
    print(msgspec.json.format(msgspec.json.encode(plan), indent=1).decode())
    try:
        told = play(plan, coverage)
    except Failed as failure:
        print(failure)
        return 1
    print("\n".join(told.trace))
    print(told.ending, [(post.key, post.outcome, post.attempts) for post in told.run.outbox])
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--exhaustive", action="store_true", help="only the small histories, all of them")
    parser.add_argument("--only-seeds", action="store_true", help="only the long histories")
    parser.add_argument("--seeds", default="0..199", metavar="A..B")
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="stop after this; further seeds until then"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="one long history")
    parser.add_argument("--plan", metavar="JSON", help="one history, as a failure prints it")
    parser.add_argument(
        "--archived", action="store_true", help="histories of two runs: every death of the sender, and seeds"
    )
    parser.add_argument("--archive-plan", metavar="JSON", help="one history of two runs")
    parser.add_argument(
        "--failures", type=int, default=1, metavar="N", help="continue until so many have failed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
