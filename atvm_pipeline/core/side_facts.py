"""Facts that never change a verdict: earlier runs, versions, forecasts, screenshots, and the record for later runs."""

from msgspec.structs import replace

from .events import BaselineRead, ForecastMade, HistoryRecorded, ProvenanceRead, ScreenshotKept
from .results import Screenshot
from .state import Run, SubRun

SCREENSHOTS_MAX = 500
"""Screenshots of a run that are remembered, kept or not."""
FORECASTS_MAX = 20
"""Forecasts of a run that are remembered."""


def baseline_read(run: Run, event: BaselineRead) -> Run:
    """Remember the earlier runs. The first baseline counts, so that a run is always compared with the same ones."""
    if run.history is not None or run.verdict is not None or any(subrun.result for subrun in run.subruns):
        return _ignored(run)
    return replace(run, history=event.history)


def provenance_read(run: Run, event: ProvenanceRead) -> Run:
    """Remember the versions that the start found."""
    if run.provenance is not None:
        return _ignored(run)
    return replace(run, provenance=event.provenance, config_lines=event.config_lines)


def forecast_made(run: Run, event: ForecastMade) -> Run:
    """Remember a forecast: one for each share of the run, and none after its end."""
    known = run.forecasts
    late = run.verdict is not None or len(known) >= FORECASTS_MAX
    if late or any(forecast.at_share == event.at_share for forecast in known):
        return _ignored(run)
    return replace(run, forecasts=(*known, event))


def screenshot_kept(run: Run, event: ScreenshotKept) -> Run:
    """Remember a screenshot, also after the verdict of its sub-run: it is evidence and changes nothing else."""
    known = any(
        (old.subrun, old.spec_offset, old.path) == (event.subrun, event.spec_offset, event.path)
        for old in run.screenshots
    )
    if known or not 0 < event.subrun <= len(run.subruns) or len(run.screenshots) >= SCREENSHOTS_MAX:
        return _ignored(run)
    return replace(run, screenshots=(*run.screenshots, event))


def history_recorded(run: Run, event: HistoryRecorded) -> Run:
    """Remember whether the record for later runs exists. There is one attempt, so the first outcome counts."""
    return _ignored(run) if run.recorded is not None else replace(run, recorded=event)


def spec_screenshots(run: Run, subrun: SubRun) -> dict[int, tuple[Screenshot, ...]]:
    """Return the screenshots of a sub-run's specs, by the offset of the spec: those that the log names, then others."""
    found: dict[int, dict[str, Screenshot]] = {}
    for child in subrun.children:
        for spec in child.specs:
            if spec.screenshots:
                found[spec.offset] = {path: Screenshot(path=path) for path in spec.screenshots}
    for event in run.screenshots:
        if event.subrun == subrun.index:
            found.setdefault(event.spec_offset, {})[event.path] = Screenshot(
                path=event.path, kept=event.kept, sha256=event.sha256, bytes=event.bytes, error=event.error
            )
    return {offset: tuple(shots.values()) for offset, shots in found.items()}


def _ignored(run: Run) -> Run:
    return replace(run, ignored=run.ignored + 1)
