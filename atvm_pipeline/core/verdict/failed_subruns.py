"""The failed sub-runs of a run: counted, named, and the one whose reason is the run's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.results import SubRunResult
from atvm_pipeline.core.state import Reason, Run
from atvm_pipeline.core.text import join_names

from .subrun_context import SubRunContext, reason_of, subrun_context
from .subrun_verdict import subrun_failure, subrun_missing


class FailedSubRun(NamedTuple):
    """One sub-run that failed."""

    name: str
    reason: Reason
    decides: bool
    """Whether the reason belongs to the row of the table that is being asked."""
    late: bool = False
    """Whether it failed after it had been judged COMPLETED."""


def reason_of_subruns(
    run: Run,
    cases: Sequence[SubRunContext | None],
    results: Sequence[SubRunResult],
    condition: Callable[[SubRunContext], Reason | None],
    is_of_row: Callable[[str], bool],
) -> Reason | None:
    """Return the run's reason for one row of the table, None if no sub-run meets it.

    `condition` asks an unjudged sub-run, `is_of_row` the reason code of a failed one.  The first sub-run that meets
    the row gives code and evidence.  The count covers every failed sub-run, whatever its code, so that it equals the
    number of sub-runs that a reader sees as FAILED.
    """
    failed = [
        found
        for case, result in zip(cases, results, strict=True)
        if (found := _failed(run, case, result, condition, is_of_row)) is not None
    ]
    first = next((found for found in failed if found.decides), None)
    if first is None or not run.request.categorized:
        return None if first is None else first.reason
    named = join_names(
        [f"{found.name} (after its verdict)" if found.late else found.name for found in failed]
    )
    same = all(found.reason.text == first.reason.text for found in failed)
    sentence = first.reason.text if same else f"{first.name}: {first.reason.text}"
    text = f"{len(failed)} of {len(results)} sub-runs failed: {named}. {sentence}"
    return Reason(code=first.reason.code, text=text, evidence=first.reason.evidence)


def late_failure(run: Run, result: SubRunResult) -> Reason | None:
    """Return why a sub-run fails that was judged COMPLETED: its verdict stays, but the run knows of it."""
    if result.phase != Phase.COMPLETED:
        return None
    return _why(_case_now(run, result))


def _failed(
    run: Run,
    case: SubRunContext | None,
    result: SubRunResult,
    condition: Callable[[SubRunContext], Reason | None],
    is_of_row: Callable[[str], bool],
) -> FailedSubRun | None:
    if case is None and result.phase == Phase.FAILED:
        own = reason_of(result)
        return FailedSubRun(result.name, own, decides=is_of_row(own.code))
    now = _case_now(run, result) if case is None else case
    of_row = condition(now)
    why = of_row or _why(now)
    if why is None:
        return None
    return FailedSubRun(result.name, why, decides=of_row is not None, late=case is None)


def _case_now(run: Run, result: SubRunResult) -> SubRunContext:
    return subrun_context(run, run.subruns[result.index - 1])


def _why(case: SubRunContext) -> Reason | None:
    return subrun_failure(case) or subrun_missing(case)
