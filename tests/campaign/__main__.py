"""The campaign of real faults: kills, full disks, bad receivers, on real runs of the stand-in.

Usage: python -m tests.campaign [--kills 300] [--seed N] [--jobs 2] [--minutes M]     (-h lists all options)

Each run is a real start of a scenario of the stand-in automation root. Its watcher is killed and started
again until the run ends. Its receiver is fair, down, dishonest, behind a gateway or silent; its disk fills up
or not. All of it is drawn from the seed. A kill counts if it hit a living watcher. Afterwards the posts that
a reader saw are compared with the state, and the state with the journal and with the same scenario
undisturbed.

Exit code: 0 nothing lost, nothing doubled, every verdict as undisturbed; 1 something is wrong, and the
directory of its run is kept; 2 fewer kills than requested in the given time. `--again SEED/NUMBER` plays one
run of a campaign again: with the same plan, although the moments depend on the machine.
"""

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.campaign import archived, disk
from tests.campaign.plan import DISKS, RECEIVERS, Plan, draw
from tests.campaign.playing import Outcome, play
from tests.campaign.totals import Totals

SILENT_EVERY = 25
"""A receiver that answers nothing costs half a minute a message."""
DISK_EVERY = 4


class Campaign:
    """Plays runs until there have been enough kills."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.totals = Totals()
        self._goldens: dict[tuple[str, bool], dict[str, Any] | None] = {}
        self._golden_locks: dict[tuple[str, bool], threading.Lock] = {}

    def run(self) -> Totals:
        options = self.options
        ends_s = time.monotonic() + options.minutes * 60
        numbers = count()
        playing: set[Future[Outcome]] = set()
        with ThreadPoolExecutor(options.jobs) as pool:
            while True:
                enough = self.totals.kills >= options.kills or time.monotonic() >= ends_s
                enough = enough or bool(options.stop and self.totals.failed)
                while not enough and len(playing) < options.jobs:
                    playing.add(pool.submit(self.play, f"{options.seed}/{next(numbers)}"))
                if not playing:
                    return self.totals
                done, playing = wait(playing, return_when=FIRST_COMPLETED)
                for future in done:
                    self._note(future.result())

    def _note(self, outcome: Outcome) -> None:
        self.totals.add(outcome)
        if not self.options.json:
            plan, told = outcome.plan, outcome.told
            trouble = plan.disk or ", ".join(plan.behaviours[:-1]) or ("down" if plan.down_s else "")
            trouble = f"gateway {', '.join(plan.gateway)}" if plan.gateway else trouble
            print(
                f"{plan.seed:>10}  {plan.scenario:<28} {outcome.counts['kills']:>2} kills "
                f"{told.unmarked}+{told.marked} of {told.due} messages {outcome.took_s:5.1f} s  {trouble}"
                + "".join(f"\n    WRONG: {text}" for text in outcome.wrong),
                flush=True,
            )

    def play(self, seed: str) -> Outcome:
        plan = self.plan(seed)
        golden = self._golden(plan)
        return play(plan, self.folder / seed.replace("/", "-"), golden)

    def plan(self, seed: str) -> Plan:
        """Return the plan of a run: the receiver and the disk by the run's number, all else by its seed."""
        number = int(seed.rpartition("/")[2])
        receiver, on_disk = self.options.receiver, self.options.disk
        if receiver == "all":
            receiver = "silent" if number % SILENT_EVERY == SILENT_EVERY - 1 else RECEIVERS[:-1][number % 4]
        if on_disk == "all":
            on_disk = DISKS[number // DISK_EVERY % 2] if number % DISK_EVERY == DISK_EVERY - 1 else "none"
        return draw(seed, receiver=receiver, disk=None if on_disk == "none" else on_disk)

    def _golden(self, plan: Plan) -> dict[str, Any] | None:
        """Return how this scenario ends undisturbed; it is played once."""
        key = (plan.scenario, plan.categorize)
        with self._golden_locks.setdefault(key, threading.Lock()):
            if key not in self._goldens:
                calm = replace(
                    plan,
                    seed=f"undisturbed {plan.scenario}",
                    speed=25,
                    behaviours=("ok",),
                    down_s=None,
                    gateway=None,
                    disk=None,
                    kills=(),
                )
                name = f"undisturbed-{plan.scenario}-{plan.categorize}"
                outcome = play(calm, self.folder / name)
                self._goldens[key] = outcome.result
                if outcome.wrong:
                    self.totals.add(outcome)
            return self._goldens[key]


def options_from(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=300, help="kills to reach (default: 300)")
    parser.add_argument("--seed", default="1", help="draws everything (default: 1)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once (default: 2)")
    parser.add_argument("--minutes", type=float, default=60, help="start no run after so many (default: 60)")
    parser.add_argument("--receiver", choices=("all", *RECEIVERS), default="all", help="default: all in turn")
    parser.add_argument(
        "--disk",
        choices=("all", "none", *DISKS),
        default="all",
        help="which full disks (default: all in turn)",
    )
    parser.add_argument(
        "--stop", action="store_true", help="start no run after the first in which anything is wrong"
    )
    parser.add_argument("--again", metavar="SEED/NUMBER", help="play this run alone")
    parser.add_argument(
        "--archived",
        type=int,
        metavar="N",
        help="play N rounds of a new start whose previous run has messages to deliver; kill their sender",
    )
    parser.add_argument("--json", action="store_true", help="the sum as JSON, nothing else")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    options = options_from(argv)
    # It reports its own threads when it is stopped.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    if options.archived is not None:
        return archived.main(options.archived, options.seed, Path(tempfile.mkdtemp(prefix="campaign-")))
    if options.disk != "none":
        why = disk.missing()
        if why is None:
            disk.enter_private(["-m", "tests.campaign", *argv])
        elif options.disk == "all":
            print(f"no disk is filled: {why}", file=sys.stderr)
            options.disk = "none"
        else:
            print(f"no disk can be filled: {why}", file=sys.stderr)
            return 2
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    campaign = Campaign(options, folder)
    if options.again:
        campaign._note(campaign.play(options.again))
    else:
        campaign.run()
    totals = campaign.totals
    with contextlib.suppress(OSError):
        folder.rmdir()  # empty unless something was wrong
    print(json.dumps(totals.as_dict(), indent=1) if options.json else f"\n{totals.table()}")
    if totals.failed:
        return 1
    return 0 if options.again or totals.kills >= options.kills else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
