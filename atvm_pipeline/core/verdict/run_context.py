"""All that is derived about a run and its sub-runs for one decision."""

from typing import NamedTuple

from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.reason_parts import make_reason
from atvm_pipeline.core.results import SubRunResult
from atvm_pipeline.core.state import Run

from .subrun_context import (
    SubRunContext,
    result_of,
    subrun_context,
)
from .subrun_verdict import (
    subrun_failure,
    unfinished,
)


class RunContext(NamedTuple):
    """A run with its sub-runs: recorded results of those with a verdict, current results of the others."""

    run: Run
    cases: tuple[SubRunContext | None, ...]
    """None for a sub-run that has a verdict."""
    results: tuple[SubRunResult, ...]


def run_context(run: Run) -> RunContext:
    """Derive everything about a run's sub-runs."""
    cases = tuple(
        None if subrun.result is not None else subrun_context(run, subrun) for subrun in run.subruns
    )
    results = tuple(
        subrun.result or result_now(subrun_context(run, subrun) if case is None else case)
        for subrun, case in zip(run.subruns, cases, strict=True)
    )
    return RunContext(run, cases, results)


def result_now(case: SubRunContext) -> SubRunResult:
    """Return the result of a sub-run without a verdict, as it is shown while it runs."""
    failing = subrun_failure(case)
    phase = Phase.RUNNING if case.subrun.children else Phase.PENDING
    current = make_reason("running" if phase is Phase.RUNNING else "pending")
    return result_of(case, phase, failing or current, failing=failing is not None)


def has_unfinished(case: RunContext) -> bool:
    """Return whether a sub-run has not printed its end."""
    return any(found is not None and unfinished(found) is not None for found in case.cases)
