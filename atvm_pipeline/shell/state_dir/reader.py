"""Reader of `state.json` for the commands that only display it. Light to import: no reducer, no sources."""

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from atvm_pipeline.core.build_name import valid_build_name
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.system.files import Unreadable, is_locked, read_small

from .paths import Paths

SCHEMA = 2
"""The schema of `state.json`, as in `core/events.py`, which is too heavy to import here."""
STATE_FILE_BYTES_MAX = 256 * 1024 * 1024
"""A snapshot of thousands of specs has megabytes; a larger file was not written by this program."""


Shape = Any
"""Expected type of a value: a type, None, one of several (a tuple), a list of one shape, or an object with keys (`key?`
is optional)."""
POST = {"outcome": str, "detail?": str, "at?": str, "next_attempt_at?": (str, None), "marked?": bool}
SPEC = {
    "spec": str,
    "result": str,
    "detail": str,
    "sources": [str],
    "offset?": (int, None),
    "failing?": int,
    "failures?": [{"title": str, "error": str}],
    "started_at?": (str, None),
    "running?": bool,
    "flaky?": [str],
    "flaky_tests?": [str],
}
HOST = {
    "host": str,
    "kernel": (str, None),
    "result": str,
    "detail": str,
    "tests": int,
    "passing": int,
    "duration_s?": (float, int, None),
}
LEDGER = {
    "planned": int,
    **dict.fromkeys(
        ("passed?", "failed?", "pending?", "skipped?", "crashed?", "not_run?", "no_report?"), int
    ),
}
CASE = {
    "phase": str,
    "reason": {"code": str, "text": str, "evidence": [{"kind": str}]},
    "ledger": LEDGER,
    "post": (POST, None),
    "notes?": [str],
    "failing?": bool,
    "started_at?": (str, None),
    "finished_at?": (str, None),
}
SUBRUN = {
    **CASE,
    "index": int,
    "name": str,
    "label": (str, None),
    "hosts": [HOST],
    "specs": [SPEC],
    "recorded_url?": (str, None),
}
STATE = {
    **CASE,
    "build_name": (str, None),
    "run_id": str,
    "subruns": [SUBRUN],
    "attention?": (str, None),
    "attentions?": [str],
    "alerts?": [POST],
    "requested_hosts?": [str],
    "host_sources?": {},
    "not_checked?": [str],
    "host_check_note?": str,
    "updated_at?": (str, None),
    "last_activity_at?": (str, None),
}
"""The keys that every reading command may rely on."""


class StoredRun(NamedTuple):
    """The content of a `state.json`."""

    state: dict[str, Any]
    """The public object. The keys that a reader uses exist and have their types, whatever the file contains."""
    facts: dict[str, Any]
    """The facts behind it, unchecked; {} if the file has none."""


def read_state(paths: Paths) -> dict[str, Any] | None:
    """Return the public object of `state.json`; None if the build is not known. Raises DataError, Unreadable."""
    found = read_run(paths)
    return None if found is None else found.state


def read_run(paths: Paths) -> StoredRun | None:
    """Return the content of `state.json`; None if the build is not known. Raises DataError, Unreadable."""
    data = read_small(paths.state, STATE_FILE_BYTES_MAX)
    if data is None:
        if paths.state.is_file() and paths.state.stat().st_size > STATE_FILE_BYTES_MAX:
            raise DataError(
                f"{paths.state} is larger than {STATE_FILE_BYTES_MAX} bytes, so it is not a state file of this program"
            )
        return None
    see = f"see the run with: atvm-pipeline replay {paths.journal}"
    try:
        state = json.loads(data.decode(), parse_constant=_no_constant)
        if b"\\ud" in data.lower():
            json.dumps(state, ensure_ascii=False).encode()  # Half of a surrogate pair cannot be printed.
        why = shape_error(state, STATE)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    if why:
        raise DataError(f"{paths.state} is not the state of a run ({why}); {see}")
    facts = state.pop("facts", None)
    return StoredRun(upgraded(state), facts if isinstance(facts, dict) else {})


RUN_KEYS_2 = ("release", "scenario", "last_activity_at", "forecast", "provenance", "history")
SUBRUN_KEYS_2 = ("gap_before_s", "recorded_url")
SPEC_KEYS_2 = ("started_at", "finished_at")
FAILURE_KEYS_2 = ("change", "failing_runs", "failing_since", "known")
POST_KEYS_2 = ("post_id", "root_id", "transport")


def upgraded(state: dict[str, Any]) -> dict[str, Any]:
    """Return the object of a `state.json` of schema 1 with the keys of schema 2; another one is not changed."""
    if state.get("schema", 1) != 1:
        return state
    from atvm_pipeline.core.signature import signature_of  # noqa: PLC0415 - only for a state of an earlier release

    state["schema"] = SCHEMA
    state.update({key: state.get(key) for key in RUN_KEYS_2})
    for _, post in posts_of(state):
        post.update({key: post.get(key) for key in POST_KEYS_2})
    for subrun in state["subruns"]:
        subrun.update({key: subrun.get(key) for key in SUBRUN_KEYS_2})
        for spec in subrun["specs"]:
            spec.update({key: spec.get(key) for key in SPEC_KEYS_2})
            spec.update(running=False, screenshots=[], changes=[], flaky_tests=spec.get("flaky", []))
            for failure in spec.get("failures", ()):
                failure.update(dict.fromkeys(FAILURE_KEYS_2), signature=signature_of(failure["error"]))
    return state


def log_begin(paths: Paths) -> int:
    """Return the offset of the first byte of the current log file, as recorded by the watcher; 0 without a rotation.

    Raises Unreadable.
    """
    with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError):
        begin = json.loads(read_small(paths.state, STATE_FILE_BYTES_MAX) or b"")["facts"]["log"]["begin"]
        return begin if type(begin) is int else 0
    return 0


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a record such as `request.json`, unchecked; {} if it cannot be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(read_small(path) or b"")
        return found if isinstance(found, dict) else {}
    return {}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def shape_error(value: object, shape: Shape, where: str = "$") -> str:
    """Return a text about the first place at which a JSON value does not have that shape; "" if it has."""
    if isinstance(shape, tuple):
        found = [shape_error(value, one, where) for one in shape]
        return "" if "" in found else found[0]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where} is not a list"
        found = [shape_error(one, shape[0], f"{where}[{at}]") for at, one in enumerate(value)]
        return next(filter(None, found), "")
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{where} is not an object"
        return next(filter(None, (_key_error(value, key, shape[key], where) for key in shape)), "")
    # Not isinstance: True must not count as a number here.
    fits = value is None if shape is None else type(value) is shape
    return "" if fits else f"{where} is not of type {shape.__name__ if shape is not None else 'null'}"


def _key_error(value: dict[str, object], key: str, shape: Shape, where: str) -> str:
    name = key.removesuffix("?")
    if name in value:
        return shape_error(value[name], shape, f"{where}.{name}")
    return "" if key.endswith("?") else f"{where} has no {name}"


def phase_of(paths: Paths) -> str | None:
    """Return the phase of a build's run; None if it is not known or cannot be read."""
    with contextlib.suppress(DataError, OSError):
        state = read_state(paths)
        return None if state is None else str(state["phase"])
    return None


def liveness(paths: Paths) -> dict[str, bool]:
    """Return whether watcher and runner are alive.

    The proof is the lock that each of them holds, not the content of a file. The watcher of an archived run is the
    sender of its messages; the runner's lock of the build belongs to the current run.
    """
    runner = not paths.is_archived and is_locked(paths.runner_lock)
    return {"watcher": is_locked(paths.watcher_lock), "runner": runner}


def builds(state_root: Path) -> list[str]:
    """Return the build names that have a directory in the state root, sorted. Raises Unreadable."""
    try:
        names = [entry.name for entry in state_root.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(state_root, error) from None
    return sorted(name for name in names if valid_build_name(name))


def may_lack_states(state_root: Path) -> bool:
    """Return whether a process may be alive whose state was removed: it holds a lock, or the locks were removed too.

    A cheap check before a scan of the process table.
    """
    try:
        names = {entry.stem for entry in (state_root / ".locks").iterdir()}
    except OSError:
        return True
    runs = (Paths(state_root, name) for name in names if valid_build_name(name))
    return any(not paths.request.exists() and any(liveness(paths).values()) for paths in runs)


def posts_pending(state: dict[str, Any]) -> bool:
    """Return whether a message of the run is not settled."""
    return any(post["outcome"] == "pending" for _, post in posts_of(state))


def posts_of(state: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the messages of the run, each with its owner: a sub-run, the run, or an alert."""
    named = [
        *((f"sub-run {subrun['index']}", subrun.get("post")) for subrun in state["subruns"]),
        ("the run", state.get("post")),
        *(("an alert", post) for post in state.get("alerts", ())),
    ]
    return [(owner, post) for owner, post in named if post is not None]


def undelivered(state: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the messages that ended without being sent, in the form of `posts_of`."""
    return [(owner, post) for owner, post in posts_of(state) if post["outcome"] in LOST]


def count_words(lost: list[tuple[str, dict[str, Any]]]) -> str:
    """Return how many messages ended with which outcome, such as `3 messages were rejected`."""
    parts = []
    for outcome, (one, several) in LOST.items():
        count = sum(1 for _, post in lost if post["outcome"] == outcome)
        if count:
            parts.append(f"{plural(count, 'message')} {one if count == 1 else several}")
    return ", ".join(parts)


LOST = {
    "rejected": ("was rejected", "were rejected"),
    "uncertain": ("may not have arrived", "may not have arrived"),
    "expired": ("was not delivered within 72 hours", "were not delivered within 72 hours"),
}
"""The outcomes that the operator should know about, in words for one message and for several; a test compares them with
`core/messages/undelivered.py`."""
