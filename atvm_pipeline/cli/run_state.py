"""The state of a build for a command that shows it, and the problems that an operator must know."""

from typing import Any

from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.exit_codes import DATA, CommandError
from atvm_pipeline.shell.state_dir.archived_messages import ArchivedMessages
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import liveness, posts_of, posts_pending, read_state
from atvm_pipeline.shell.state_dir.run_address import address_of

from .views import attentions


def known_state(paths: Paths) -> dict[str, Any]:
    """Return the state of a build. Raises CommandError (65) without one."""
    state = read_state(paths)
    if state is not None:
        return state
    if paths.request.exists():
        raise CommandError(
            DATA,
            f"build {paths.build_name} was requested, but its watcher has not written a state yet; try again",
        )
    raise CommandError(
        DATA,
        f"build {paths.build_name} not found in {paths.state_root}; list the builds with: atvm-pipeline status",
    )


def headline(paths: Paths, state: dict[str, Any]) -> str:
    """Return one line: the reason, and the problems that an operator must know."""
    return " | ".join(part for part in (state["reason"].get("text", ""), *concerns(paths, state)) if part)


def concerns(paths: Paths, state: dict[str, Any]) -> list[str]:
    """Return the problems that an operator must know in addition to the reason."""
    parts: list[str] = []
    attach = f"start-atvm-run-watcher.sh --attach --build-name {paths.build_name}"
    if state["phase"] not in TERMINAL_PHASES and not liveness(paths)["watcher"]:
        parts.append(f"NOT WATCHED: attach a watcher with {attach}")
    elif posts_pending(state):
        waiting = [post for _, post in posts_of(state) if post["outcome"] == "pending"]
        are = f"{len(waiting)} {'message is' if len(waiting) == 1 else 'messages are'} not delivered yet"
        why = next((post["detail"] for post in waiting if post.get("detail")), "")
        parts.append(
            f"{are}{': ' if why else ''}{why}"
            if liveness(paths)["watcher"]
            else f"{are} and no watcher is running: attach one with {attach}"
        )
    return [*parts, *(f"attention: {text}" for text in attentions(state))]


def archived_line(found: ArchivedMessages) -> str:
    """Return one line about an archived run whose messages are not delivered yet."""
    count, address = len(found.waiting), address_of(found.paths)
    text = f"{count} {'message is' if count == 1 else 'messages are'} not delivered yet"
    why = f": {found.why}" if found.why else ""
    sender = (
        "its sender is running"
        if found.sending
        else f"its sender is not running, start it with: atvm-pipeline deliver {address} --background"
    )
    return f"{'archived':<10} {address}  {text}{why}; {sender}"
