"""Tests the follower against a model: every written byte is read, or the gap is reported.

Usage: python -m tests.support.log_follower.model [--sequences 20000] [--seed N] [--actions 30]

An action changes a real file as writers, rotations and people do; the model remembers each content that a
file had. The follower is restarted from its recorded events alone. At the end every content must have been
read in order and to its last byte, or a `LogReplaced` with an unknown loss must stand where it is missing.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.support.log_follower.files import Files
from tests.support.log_follower.world import World

ACTIONS = tuple(name[3:] for name in (*vars(Files), *vars(World)) if name.startswith("do_"))
LOSSLESS = (
    *(
        "write",
        "half",
        "rest",
        "noise",
        "banner",
        "much",
        "long",
        "reopen",
        "rename",
        "rename_create",
        "rename_held",
    ),
    *("read", "read_little", "restart", "die_0", "die_1", "die_2"),
)
"""Actions that leave every byte readable, so none may be missing and no gap may be reported."""
PART = 0.4
OFTEN = ("write", "write", "half", "rest", "read", "read", "rename")
"""Actions that happen more often than the rest."""


def play(actions: list[str], *, restart_always: bool = False) -> Counter[str]:
    """Play one sequence, from an empty directory to the last scan.

    Raises AssertionError if something is missing.
    """
    folder = Path(tempfile.mkdtemp(prefix="follow-"))
    try:
        with closing(World(folder, restart_always=restart_always)) as world:
            for action in actions:
                world.act(action)
            world.check()
            if all(action in LOSSLESS for action in actions):
                assert not world.told["gaps reported"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return world.told


def sequence(dice: random.Random, length: int, actions: tuple[str, ...] = ACTIONS) -> list[str]:
    """Return actions from a random subset of all.

    A sequence that may use every action rarely reaches an extreme state.
    """
    part = [action for action in (*actions, *OFTEN) if dice.random() < PART] or list(OFTEN)
    return [dice.choice(part) for _ in range(dice.randint(1, length))]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="play these actions, names with spaces between")
    parser.add_argument("--actions", type=int, default=30, help="at most, in one sequence")
    args = parser.parse_args(argv)
    if args.only is not None:
        print(dict(play(args.only.split())))
        return 0
    total: Counter[str] = Counter()
    for number in range(args.sequences):
        dice = random.Random(f"{args.seed}/{number}")  # noqa: S311 - must be repeatable
        actions = sequence(dice, args.actions, ACTIONS if dice.random() < 0.7 else LOSSLESS)
        try:
            total += play(actions, restart_always=dice.random() < 0.3)
        except AssertionError as error:
            print(f"sequence {number} of seed {args.seed}: {' '.join(actions)}\n{str(error)[:3000]}")
            return 1
        total["sequences"] += 1
        if total["sequences"] % 1000 == 0:
            print(dict(total), flush=True)
    print(
        ", ".join(
            f"{total[name]} {name}" for name in ("sequences", "actions", "restarts", "files", "gaps reported")
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
