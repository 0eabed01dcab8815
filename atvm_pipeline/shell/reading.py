"""Reading what a watcher has written, for the commands that only look.  Light to import: no fold, no sources."""

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.naming import valid_build_name

from .files import Unreadable, is_locked, read_small
from .records import Paths

STATE_MAX_BYTES = 256 * 1024 * 1024


class _Evidence(msgspec.Struct):
    kind: str


class _Reason(msgspec.Struct):
    code: str
    text: str
    evidence: list[_Evidence]


class _Ledger(msgspec.Struct):
    planned: int


class _Post(msgspec.Struct):
    outcome: str


class _Host(msgspec.Struct):
    host: str
    kernel: str | None
    result: str
    detail: str
    tests: int
    passing: int


class _Failure(msgspec.Struct):
    title: str
    error: str


class _Spec(msgspec.Struct):
    spec: str
    result: str
    detail: str
    sources: list[str]
    offset: int | None = None
    failures: list[_Failure] = []


class _Case(msgspec.Struct, kw_only=True):
    phase: str
    reason: _Reason
    ledger: _Ledger
    post: _Post | None
    notes: list[str] = []


class _SubRun(_Case, kw_only=True):
    index: int
    name: str
    label: str | None
    hosts: list[_Host]
    specs: list[_Spec]


class _State(_Case, kw_only=True):
    """What every command that looks may count on."""

    build_name: str | None
    run_id: str
    subruns: list[_SubRun]
    attention: str | None = None
    alerts: list[_Post] = []


def read_state(paths: Paths) -> dict[str, Any] | None:
    """The public object of `state.json`; None if the build is not known.  Raises DataError, Unreadable.

    Whatever the file holds, the keys that a reader uses are there and of their types.
    """
    data = read_small(paths.state, STATE_MAX_BYTES)
    if data is None:
        return None
    see = f"see the run with: atvm-pipeline replay {paths.journal}"
    try:
        state = msgspec.json.decode(data, type=dict[str, Any])
        state.pop("facts", None)
        msgspec.convert(state, _State)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{paths.state} is no state of a run ({why}); {see}") from None
    return state


def phase_of(paths: Paths) -> str | None:
    """The phase of a build's run; None if it is not known or cannot be read."""
    with contextlib.suppress(DataError, OSError):
        state = read_state(paths)
        return None if state is None else str(state["phase"])
    return None


def live(paths: Paths) -> dict[str, bool]:
    """Who lives: proven by the locks that they hold, not by what a file says."""
    return {"watcher": is_locked(paths.watcher_lock), "runner": is_locked(paths.runner_lock)}


def builds(state_root: Path) -> list[str]:
    """The build names that have a folder in the state root, sorted.  Raises Unreadable."""
    try:
        names = [entry.name for entry in state_root.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(state_root, error) from None
    return sorted(name for name in names if valid_build_name(name))


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
