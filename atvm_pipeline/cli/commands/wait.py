"""Wait until a run has ended and its messages are settled.

0 if it is COMPLETED, 1 if not; 69, before both, if no watcher lives or a message was not delivered.
"""

import argparse
import time
from typing import Any

from atvm_pipeline.cli.options import add_state_root, checked_build_name, environment, state_root
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.exit_codes import DATA, DONE, NO, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.state_dir.reader import count_words, liveness, posts_pending, read_state, undelivered
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system.log import log

BUILDS_NAMED_MAX = 5
"""Messages named in the line about those that were not delivered."""
WAIT_POLL_S = 0.2
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
        raise CommandError(USAGE, f"--timeout {args.timeout} is no time: use a number of seconds")
    paths = Paths(state_root(args, environment()), checked_build_name(args.build))
    if read_state(paths) is None and not paths.request.exists():
        raise CommandError(DATA, f"build {paths.build_name} is not known in {paths.state_root}")
    begin = time.monotonic()
    watched = begin
    while True:
        state = read_state(paths)
        if state is not None and state["phase"] in TERMINAL_PHASES and not posts_pending(state):
            log(f"{paths.build_name}: {state['phase']}: {state['reason']['text']}")
            _check_messages(paths.build_name, state)
            return DONE if state["phase"] == "COMPLETED" else NO
        now = time.monotonic()
        watched = now if liveness(paths)["watcher"] else watched
        if now - watched >= UNWATCHED_S:
            phase = state["phase"] if state is not None else "not begun"
            raise CommandError(
                UNAVAILABLE,
                f"nobody watches {paths.build_name} ({phase}): join with start-atvm-run-watcher.sh --attach --build-name {paths.build_name}",
            )
        if args.timeout is not None and now - begin >= args.timeout:
            phase = state["phase"] if state is not None else "not begun"
            raise CommandError(UNAVAILABLE, f"{paths.build_name} is still {phase} after {args.timeout:.0f} s")
        time.sleep(WAIT_POLL_S)


def _check_messages(build_name: str, state: dict[str, Any]) -> None:
    """Raise Refused (69) if a message of the run was not delivered, with one line that names it."""
    lost = undelivered(state)
    if not lost:
        return
    names = ", ".join(f"{owner}: {post['outcome']}" for owner, post in lost[:BUILDS_NAMED_MAX])
    more = f" and {len(lost) - BUILDS_NAMED_MAX} more" if len(lost) > BUILDS_NAMED_MAX else ""
    why = next((f"; {post['detail']}" for _, post in lost if post.get("detail")), "")
    text = f"{build_name} has ended ({state['phase']}); {count_words(lost)} ({names}{more}){why}"
    if any(owner != "an alert" for owner, _ in lost):
        text += f"; deliver with: atvm-pipeline resend {build_name}"
    raise CommandError(UNAVAILABLE, text)
