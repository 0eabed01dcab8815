"""Reading what a watcher has written, for the commands that only look.  Light to import: no fold, no sources."""

from pathlib import Path
from typing import Any

import msgspec

from atvm_pipeline.core.errors import DataError

from .files import is_locked, read_small
from .records import Paths

STATE_MAX_BYTES = 256 * 1024 * 1024


def read_state(paths: Paths) -> dict[str, Any] | None:
    """The public object of `state.json`; None if the build is not known.  Raises DataError, OSError."""
    data = read_small(paths.state, STATE_MAX_BYTES)
    if data is None:
        return None
    try:
        state = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"{paths.state} cannot be read as JSON ({error}): see it with atvm-pipeline replay {paths.journal}"
        ) from None
    if not isinstance(state, dict) or "phase" not in state:
        raise DataError(
            f"{paths.state} is no state of a run: see it with atvm-pipeline replay {paths.journal}"
        )
    state.pop("facts", None)
    return state


def live(paths: Paths) -> dict[str, bool]:
    """Who lives: proven by the locks that they hold, not by what a file says."""
    return {"watcher": is_locked(paths.watcher_lock), "runner": is_locked(paths.runner_lock)}


def builds(state_root: Path) -> list[str]:
    """The build names that have a folder in the state root, sorted."""
    try:
        return sorted(
            entry.name for entry in state_root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )
    except FileNotFoundError:
        return []


def posts_pending(state: dict[str, Any]) -> bool:
    """Whether any message of the run is not settled."""
    posts = [
        state.get("post"),
        *state.get("alerts", ()),
        *(subrun.get("post") for subrun in state.get("subruns", ())),
    ]
    return any(post is not None and post.get("outcome") == "pending" for post in posts)


TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "HUNG", "UNKNOWN"})
"""Spelled here as well, so that a look at the state does not import the core; a test holds it to `core.state`."""
