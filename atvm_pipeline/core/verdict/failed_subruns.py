"""The failed sub-runs of a run: their number, their names, and the one whose reason the run takes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.results import SubRunResult
from atvm_pipeline.core.state import Reason, Run
from atvm_pipeline.core.text import join_names, plural

from .subrun_context import SubRunContext, reason_of, subrun_context
from .subrun_verdict import subrun_failure, subrun_missing


class FailedSubRun(NamedTuple):
    """One sub-run that failed."""

    name: str
    reason: Reason
    decides: bool
    """Whether the reason belongs to the row of the table that is being evaluated."""
    late: bool = False
    """Whether the failure was found after the verdict COMPLETED."""


def reason_of_subruns(
    run: Run,
    cases: Sequence[SubRunContext | None],
    results: Sequence[SubRunResult],
    condition: Callable[[SubRunContext], Reason | None],
    is_of_row: Callable[[str], bool],
) -> Reason | None:
    """Return the run's reason for one row of the table, None if no sub-run matches it.

    `condition` checks a sub-run without a verdict, `is_of_row` the reason code of a failed one. Code and evidence are those
    of the first sub-run that matches the row. The count covers every failed sub-run, whatever its code, so that it equals
    the number of sub-runs that are shown as FAILED.
    """
    failed = [
        found
        for case, result in zip(cases, results, strict=True)
        if (found := _failed(run, case, result, condition, is_of_row)) is not None
    ]
    first = next((found for found in failed if found.decides), None)
    if first is None or not run.request.categorized:
        return None if first is None else first.reason
    named = join_names([f"{found.name} (found later)" if found.late else found.name for found in failed])
    same = all(found.reason.text == first.reason.text for found in failed)
    sentence = first.reason.text if same else f"{first.name}: {first.reason.text}"
    text = f"{len(failed)} of {plural(len(results), 'sub-run')} failed: {named}. {sentence}"
    return Reason(code=first.reason.code, text=text, evidence=first.reason.evidence)


def late_failure(run: Run, result: SubRunResult) -> Reason | None:
    """Return a failure of a sub-run that was found after its verdict COMPLETED, for the run's verdict, or None.

    The verdict of the sub-run itself is final.
    """
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
