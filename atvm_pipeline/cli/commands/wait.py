"""Wait until a run has ended and its messages are settled.

Exit code: 0 if the run is COMPLETED, 1 if not. 69 has priority: no watcher is running, or a message was not delivered.
"""

import argparse
import time
from typing import Any

from atvm_pipeline.cli.options import add_state_root, checked_build_name, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.exit_codes import DATA, DONE, NO, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.state_dir.reader import (
    count_words,
    liveness,
    posts_of,
    posts_pending,
    read_state,
    undelivered,
)
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system.log import log

BUILDS_NAMED_MAX = 5
"""Messages listed in the line about undelivered messages."""
WAIT_POLL_S = 0.2
UNWATCHED_S = 3.0
"""Time without a watcher that is accepted: a watcher that is being restarted holds no lock for a moment."""


HELP = CommandHelp(
    examples=("atvm-pipeline wait BUILD --timeout 36000 && echo passed",),
    exit_codes="0 if the run is COMPLETED, 1 if not; 69 comes first: no watcher is running, a message was not delivered, or "
    "the time is over; 65 if the build is not known",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="name of the build")
    parser.add_argument("--timeout", type=float, metavar="S", help="give up after this many seconds (69)")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Wait for the end of the run."""
    if args.timeout is not None and not args.timeout >= 0:  # true for nan too
        raise CommandError(USAGE, f"--timeout {args.timeout} is not valid: use a number of seconds")
    paths = Paths(state_root(args, environment()), checked_build_name(args.build))
    if read_state(paths) is None and not paths.request.exists():
        raise CommandError(DATA, f"build {paths.build_name} not found in {paths.state_root}")
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
            phase = state["phase"] if state is not None else "not started"
            raise CommandError(
                UNAVAILABLE,
                f"no watcher is running for {paths.build_name} ({phase}): attach one with "
                f"start-atvm-run-watcher.sh --attach --build-name {paths.build_name}",
            )
        if args.timeout is not None and now - begin >= args.timeout:
            raise CommandError(UNAVAILABLE, _timed_out(paths.build_name, state, args.timeout))
        time.sleep(WAIT_POLL_S)


def _timed_out(build_name: str, state: dict[str, Any] | None, timeout_s: float) -> str:
    if state is not None and state["phase"] in TERMINAL_PHASES:
        count = sum(post["outcome"] == "pending" for _, post in posts_of(state))
        messages = "1 message is" if count == 1 else f"{count} messages are"
        return (
            f"{build_name} has ended ({state['phase']}), but {messages} not delivered after {timeout_s:.0f} s"
        )
    phase = state["phase"] if state is not None else "not started"
    return f"{build_name} is still {phase} after {timeout_s:.0f} s"


def _check_messages(build_name: str, state: dict[str, Any]) -> None:
    """Raise CommandError (69), with one line about the messages, if a message of the run was not delivered."""
    lost = undelivered(state)
    if not lost:
        return
    names = ", ".join(f"{owner}: {post['outcome']}" for owner, post in lost[:BUILDS_NAMED_MAX])
    more = f" and {len(lost) - BUILDS_NAMED_MAX} more" if len(lost) > BUILDS_NAMED_MAX else ""
    why = next((f"; {post['detail']}" for _, post in lost if post.get("detail")), "")
    text = f"{build_name} has ended ({state['phase']}); {count_words(lost)} ({names}{more}){why}"
    if any(owner != "an alert" for owner, _ in lost):
        text += f"; to send again: atvm-pipeline resend {build_name}"
    raise CommandError(UNAVAILABLE, text)
