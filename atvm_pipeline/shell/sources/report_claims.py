"""Other living runs of this controller to which a report may also belong. Reads their state, writes nothing."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from atvm_pipeline.core.facts import Instant
from atvm_pipeline.core.junit.report import Report
from atvm_pipeline.core.verdict.report_paths import SpecNames, plain_path
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked, read_small

CLAIMS_CACHED_S = 1.0
CLAIMING_BUILDS_MAX = 500
"""Limit for watched builds whose state is read."""
STATE_BYTES_MAX = 32 * 1024 * 1024
LATE = timedelta(minutes=10)
"""A run that ended longer ago cannot have written a new report; its watcher may still be alive to deliver."""


class _Spec(msgspec.Struct, frozen=True):
    spec: str
    detail: str = ""


class _SubRun(msgspec.Struct, frozen=True):
    specs: tuple[_Spec, ...] = ()


class _State(msgspec.Struct, frozen=True):
    """The part of another run's `state.json` that is needed here."""

    finished_at: Instant | None = None
    subruns: tuple[_SubRun, ...] = ()


def find_claims(
    state_root: Path, build_name: str, artifacts_dir: Path
) -> Callable[[Report], tuple[str, ...]]:
    """Return a function that returns the other builds to which a report may belong.

    These are watched now, use the same directory and have a spec that the report names. The function never raises, and
    reads the disk at most once a second.
    """
    looked_at_s: float | None = None
    others: dict[str, SpecNames] = {}

    def rivals(report: Report) -> tuple[str, ...]:
        nonlocal looked_at_s, others
        now_s = clock.monotonic()
        if looked_at_s is None or now_s - looked_at_s >= CLAIMS_CACHED_S:
            looked_at_s = now_s
            others = _others(state_root, build_name, artifacts_dir)
        named = {name for reported in report.specs for name in (reported.spec, reported.within) if name}
        return tuple(sorted(build for build, specs in others.items() if any(map(specs.match, named))))

    return rivals


def _others(state_root: Path, build_name: str, artifacts_dir: Path) -> dict[str, SpecNames]:
    """Return build -> the specs that its log ran."""
    try:
        with os.scandir(state_root) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return {}
    found = {}
    watched = 0
    for name in sorted(names):
        paths = Paths(state_root, name)
        if name == build_name or watched >= CLAIMING_BUILDS_MAX or not is_locked(paths.watcher_lock):
            continue
        watched += 1
        specs = _specs(paths, artifacts_dir)
        if specs:
            found[name] = SpecNames(specs)
    return found


def _specs(paths: Paths, artifacts_dir: Path) -> frozenset[str]:
    try:
        request = read_record(paths.request, Request)
        data = read_small(paths.state, STATE_BYTES_MAX)
    except OSError:
        return frozenset()
    if request is None or data is None:
        return frozenset()
    if os.path.realpath(request.artifacts_dir) != os.path.realpath(artifacts_dir):
        return frozenset()
    try:
        state = msgspec.json.decode(data, type=_State)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()
    if state.finished_at is not None and clock.now() - state.finished_at > LATE:
        return frozenset()
    return frozenset(
        plain_path(spec.spec) for subrun in state.subruns for spec in subrun.specs if spec.detail != "not_run"
    )
