"""Files of a finished run as the events that a watcher would have fed, for the command `inspect`. Reads only."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.console.scanner import Scan, Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import (
    ArtifactWritten,
    ClockTicked,
    Event,
    LogRead,
    RunnerExited,
    RunRequested,
    Settings,
)
from atvm_pipeline.core.facts import Fact
from atvm_pipeline.core.hosts.requested_hosts import requested_hosts
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.scenario import scenario_of
from atvm_pipeline.core.state import Run

from .report_files import ReportScanner

INSPECT_BLOCK_BYTES = 1024 * 1024
FAR = datetime(9999, 1, 1, tzinfo=UTC)
DURATIONS_MAX_S = 10.0 * 365 * 86400
"""Limit for the sum of the durations, because a log may claim specs of thousands of years."""
MARGIN = timedelta(minutes=10)
"""Slack before the first spec when the start of a run is estimated."""


class FinishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """Input of `inspect`: the files and the known facts of a finished run."""

    log: Path
    artifacts: Path | None = None
    build_name: str | None = None
    hosts: tuple[str, ...] = ()
    """The names from --hosts; if there are any, only they are checked."""
    scenario: str | None = None
    """The name from --scenario."""
    categorized: bool = False
    exit_code: int | None = None
    signal: str | None = None
    since: datetime | None = None
    inventory: Mapping[str, str | None] = {}
    dialect: Dialect = Dialect()


def inspect_log(
    finished: FinishedRun, *, on_bytes: Callable[[int], None], on_fact: Callable[[Fact], None] | None = None
) -> Run:
    """Reduce the files of a finished run to its state. Raises OSError if the log cannot be read."""
    run = begin_run(_request(finished)).run
    scanner = Scanner(finished.dialect)
    with finished.log.open("rb") as file:
        while data := file.read(INSPECT_BLOCK_BYTES):
            on_bytes(len(data))
            run = _read(run, scanner.scan(run.log.scanner, data), on_fact, final=False)
        run = _read(run, scanner.finish(run.log.scanner), on_fact, final=True)
    for artifact in _artifacts(finished, run):
        run = _feed(run, artifact)
    assumed = finished.exit_code is None and finished.signal is None
    at = run.request.at
    exited = RunnerExited(at=at, exit_code=finished.exit_code, signal=finished.signal, assumed=assumed)
    run = _feed(run, exited)
    # All waiting times of a verdict have passed.
    return _feed(run, ClockTicked(at=at, watched_s=run.request.settings.settle_s))


def _request(finished: FinishedRun) -> RunRequested:
    found = requested_hosts(
        finished.build_name or "", finished.inventory, finished.dialect, named=finished.hosts
    )
    return RunRequested(
        seq=1,
        at=_written_at(finished.log),
        build_name=finished.build_name,
        run_id="inspect",
        scenario=scenario_of(finished.build_name, found.hosts, named=finished.scenario),
        categorized=finished.categorized,
        settings=Settings(post_phases=()),
        dialect=finished.dialect,
        requested_hosts=found.hosts,
        host_sources=found.sources,
        not_checked=found.not_checked,
        inventory=dict(finished.inventory),
        log_path=str(finished.log),
        artifacts_dir=str(finished.artifacts) if finished.artifacts is not None else None,
        offline=True,
    )


def _written_at(log: Path) -> datetime:
    """Return when the log was last written. A time outside the range of datetime is moved to the nearest one in it."""
    return datetime.fromtimestamp(min(max(log.stat().st_mtime, 0.0), FAR.timestamp()), UTC)


def _feed(run: Run, event: Event) -> Run:
    return reduce(run, replace(event, seq=run.seq + 1)).run


def _read(run: Run, scan: Scan, on_fact: Callable[[Fact], None] | None, *, final: bool) -> Run:
    state: ScannerState = scan.state
    if on_fact is not None:
        for fact in scan.facts:
            on_fact(fact)
    event = LogRead(at=run.request.at, end=state.offset, facts=scan.facts, scanner=state, final=final)
    return _feed(run, event)


def since_from(run: Run, finished: FinishedRun) -> datetime:
    """Return the time from which a report belongs to this run.

    It is the given time, else the time of the log minus the durations of its specs and ten minutes.
    """
    if finished.since is not None:
        return finished.since
    durations = sum(
        spec.duration_s or 0.0 for subrun in run.subruns for child in subrun.children for spec in child.specs
    )
    return run.request.at - timedelta(seconds=min(durations, DURATIONS_MAX_S)) - MARGIN


def _artifacts(finished: FinishedRun, run: Run) -> list[ArtifactWritten]:
    if finished.artifacts is None:
        return []
    since = since_from(run, finished)
    source = ReportScanner(finished.artifacts, finished.artifacts.parent, finished.dialect, baseline={})
    found = sorted(source.scan(None, final=True), key=lambda artifact: (artifact.mtime, artifact.path))
    return [
        replace(artifact, at=run.request.at, stale=True, report=None) if artifact.mtime < since else artifact
        for artifact in found
    ]
