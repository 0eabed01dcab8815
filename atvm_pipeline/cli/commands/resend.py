"""Send a message of a run again, marked as a repeat."""

import argparse
from collections.abc import Callable
from pathlib import Path

from atvm_pipeline.cli.options import add_state_root, environment, given_state_root, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import Call, paths_of
from atvm_pipeline.core.events import ResendRequested, WatcherStarted
from atvm_pipeline.core.state import Post, Run
from atvm_pipeline.shell.delivery.sender import make_sender
from atvm_pipeline.shell.exit_codes import DATA, DONE, IN_USE, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.processes.process_table import self_identity
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.state_dir.store import Store, load
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import Busy, locked
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.watcher.archived_run import NoSources
from atvm_pipeline.shell.watcher.loop import Loop
from atvm_pipeline.shell.watcher.service import crashed_deliveries

HELP = CommandHelp(
    examples=("atvm-pipeline resend BUILD", "atvm-pipeline resend BUILD 2"),
    exit_codes="0 if all messages were sent, now or before; 69 if one was not or may not have been, 65 if the run is not "
    "known, 75 if its watcher is still running or the run has not ended",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="BUILD, BUILD@TIME for an archived run, or a run id")
    parser.add_argument(
        "subrun",
        nargs="?",
        type=int,
        metavar="N",
        help="sub-run whose message to send (default: every message that was not sent)",
    )
    parser.add_argument(
        "--archived", metavar="DIR", help="directory of an archived run of BUILD, instead of its address"
    )
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Send again. Returns 0 if all messages were sent, 69 if one was not, or may not have been."""
    environ = environment()
    call = Call(clock.now(), given_state_root(args))
    paths = paths_of(state_root(args, environ), args.build)
    if args.archived:
        paths = Paths(paths.state_root, paths.build_name, Path(args.archived))
    request = read_record(paths.request, Request)
    if request is None:
        raise CommandError(DATA, f"build {paths.build_name} not found in {paths.folder}")
    deliver = make_sender(request, environ)
    try:
        with locked(paths.watcher_lock):
            loaded = load(paths, request.run_id)
            if loaded.run is None:
                raise CommandError(DATA, f"{paths.folder} has no journal of this run")
            if loaded.run.verdict is None and not paths.is_archived:
                attach = call.command("start-atvm-run-watcher.sh --attach --build-name", paths.build_name)
                raise CommandError(
                    IN_USE,
                    f"build {paths.build_name} has not ended and no watcher is running: attach one, which sends the waiting "
                    f"messages: {attach}",
                )
            keys = chosen(loaded.run, args.subrun)
            if not keys:
                log(f"{address_of(paths)}: {_nothing_left(loaded.run, paths, call)}")
                return DONE
            with Store(paths, loaded.journal_bytes) as store:
                loop = Loop(loaded.run, store, deliver, on_save=lambda _snapshot: None)
                return _resend(
                    loop,
                    keys,
                    lambda number: call.command("atvm-pipeline resend", address_of(paths), *number),
                )
    except Busy:
        watched = (
            "the sender of its messages is running" if paths.is_archived else "it is still being watched"
        )
        raise CommandError(
            IN_USE,
            f"{address_of(paths)} cannot be resent now, because {watched}; try again when that has ended",
        ) from None


def chosen(run: Run, subrun: int | None) -> list[str]:
    """Return the keys of the messages to send, [] if none is left. Raises CommandError (64) for a sub-run without one."""
    first = [post for post in run.outbox if "/resend-" not in post.key and post.kind != "alert"]
    if subrun is not None:
        keys = [post.key for post in first if post.subrun == subrun]
        if not keys:
            others = ", ".join(str(post.subrun) for post in first if post.subrun is not None)
            known = f"sub-runs with a message: {others}" if others else "this run has no messages of sub-runs"
            raise CommandError(USAGE, f"sub-run {subrun} has no message; {known}")
        return keys
    if len(first) == 1:
        return [first[0].key]
    return [post.key for post in first if last_outcome(run, post) != "sent"]


def _nothing_left(run: Run, paths: Paths, call: Call) -> str:
    numbers = [post.subrun for post in run.outbox if post.kind == "subrun"]
    if not numbers:
        return "this run has no messages"
    repeat = call.command("atvm-pipeline resend", address_of(paths), str(numbers[-1]))
    return f"all messages were sent; to repeat one, give the number of its sub-run, for example: {repeat}"


def last_outcome(run: Run, post: Post) -> str:
    """Return the outcome of a message, or of its last manual repeat."""
    return [p.outcome for p in run.outbox if p.key == post.key or p.key.startswith(f"{post.key}/resend-")][-1]


def _resend(loop: Loop, keys: list[str], again: Callable[[list[str]], str]) -> int:
    pid, _ = self_identity()
    before = {post.key: post.attempts for post in loop.run.outbox}
    # A run that was archived without a verdict must not get one from the time that passes now.
    archived = loop.run.verdict is None
    loop.feed(
        [
            WatcherStarted(
                at=clock.now(), pid=pid, resumed=True, archived=archived, utc_offset_s=clock.utc_offset_s()
            )
        ]
    )
    loop.feed(crashed_deliveries(loop.run))
    loop.feed([ResendRequested(at=clock.now(), key=key) for key in keys])
    ours = [
        post.key
        for post in loop.run.outbox
        if _belongs(post, keys) and (post.key not in before or post.outcome == "pending")
    ]

    def tried(run: Run) -> bool:
        # Other messages that are due are attempted as well: no attempt may be interrupted.
        if any(post.in_flight for post in run.outbox):
            return False
        return all(post.attempts > before.get(post.key, 0) for post in run.outbox if post.key in ours)

    loop.follow(NoSources(), on_ready=lambda: None, until=tried)
    posts = [post for post in loop.run.outbox if post.key in ours]
    for post in posts:
        log(_result(post, again))
    return DONE if all(post.outcome == "sent" for post in posts) else UNAVAILABLE


def _result(post: Post, again: Callable[[list[str]], str]) -> str:
    """Return one line about a message that was sent again, with the next step if it did not arrive."""
    name = f"message of sub-run {post.subrun}" if post.subrun is not None else "message of the run"
    if post.outcome == "sent":
        return f"{name}: sent (marked as a repeat, delivery {post.delivery_id})"
    words, step = NEXT_STEPS[post.outcome]
    detail = f": {post.detail}" if post.detail else ""
    number = [str(post.subrun)] if post.subrun is not None else []
    return f"{name}: {words}{detail}; {step} {again(number)}"


NEXT_STEPS = {
    "rejected": ("rejected", "fix the webhook, then send again:"),
    "uncertain": ("may not have arrived", "if the channel does not have it, send again:"),
    "pending": ("not delivered", "send again:"),
    "expired": ("not delivered", "send again:"),
    "dropped": ("not sent", "send again:"),
}
"""Outcome of a repeat -> its words, and the advice before the command."""


def _belongs(post: Post, keys: list[str]) -> bool:
    return any(post.key == key or post.key.startswith(f"{key}/resend-") for key in keys)
