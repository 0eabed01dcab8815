"""The state of a build for a command that shows it, and what a person must know besides."""

from typing import Any

from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.exit_codes import DATA, CommandError
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import liveness, posts_pending, read_state

from .views import attentions


def known_state(paths: Paths) -> dict[str, Any]:
    """The state of a build.  Raises Refused (65) if there is none."""
    state = read_state(paths)
    if state is not None:
        return state
    if paths.request.exists():
        raise CommandError(
            DATA, f"build {paths.build_name} was requested, but no watcher has written a state yet"
        )
    raise CommandError(
        DATA,
        f"build {paths.build_name} is not known in {paths.state_root} (atvm-pipeline status lists what is)",
    )


def headline(paths: Paths, state: dict[str, Any]) -> str:
    """One line: the reason, and what a person must know besides."""
    return " | ".join(part for part in (state["reason"].get("text", ""), *concerns(paths, state)) if part)


def concerns(paths: Paths, state: dict[str, Any]) -> list[str]:
    """Return what a person must know besides the reason."""
    parts: list[str] = []
    if state["phase"] not in TERMINAL_PHASES and not liveness(paths)["watcher"]:
        parts.append(
            "NOBODY WATCHES: join with start-atvm-run-watcher.sh --attach --build-name " + paths.build_name
        )
    elif posts_pending(state):
        parts.append(
            "a message waits to be delivered"
            if liveness(paths)["watcher"]
            else "a message was not delivered, and nobody watches"
        )
    return [*parts, *(f"attention: {text}" for text in attentions(state))]
