"""Wait until a run has ended and its messages are settled: 0 if it is COMPLETED, 1 if not, 69 if nobody watches."""

import argparse
import time

from atvm_pipeline.shell.reading import TERMINAL, live, posts_pending, read_state
from atvm_pipeline.shell.records import Paths
from atvm_pipeline.shell.refusals import DATA, DONE, NO, UNAVAILABLE, USAGE, Refused

from .common import add_state_root, checked_build_name, environment, say, state_root

LOOK_S = 0.2
UNWATCHED_S = 3.0
"""A watcher that is being restarted holds no lock for a moment."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD")
    parser.add_argument("--timeout", type=float, metavar="S", help="give up after this many seconds (69)")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Wait."""
    if args.timeout is not None and not args.timeout >= 0:  # nan is neither
        raise Refused(USAGE, f"--timeout {args.timeout} is no time: use a number of seconds")
    paths = Paths(state_root(args, environment()), checked_build_name(args.build))
    if read_state(paths) is None and not paths.request.exists():
        raise Refused(DATA, f"build {paths.build_name} is not known in {paths.state_root}")
    begin = time.monotonic()
    watched = begin
    while True:
        state = read_state(paths)
        if state is not None and state["phase"] in TERMINAL and not posts_pending(state):
            say(f"{paths.build_name}: {state['phase']}: {state['reason']['text']}")
            return DONE if state["phase"] == "COMPLETED" else NO
        now = time.monotonic()
        watched = now if live(paths)["watcher"] else watched
        if now - watched >= UNWATCHED_S:
            phase = state["phase"] if state is not None else "not begun"
            raise Refused(
                UNAVAILABLE,
                f"nobody watches {paths.build_name} ({phase}): join with start-atvm-run-watcher.sh --attach --build-name {paths.build_name}",
            )
        if args.timeout is not None and now - begin >= args.timeout:
            phase = state["phase"] if state is not None else "not begun"
            raise Refused(UNAVAILABLE, f"{paths.build_name} is still {phase} after {args.timeout:.0f} s")
        time.sleep(LOOK_S)
