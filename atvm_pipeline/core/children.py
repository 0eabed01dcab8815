"""Folding the log's facts into children and sub-runs.

Says which child a line belongs to and when a child ends; says nothing about pass or fail.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import assert_never

from msgspec.structs import replace

from . import facts as f
from .events import LogRead
from .results import is_worse
from .state import (
    ERRORS_MAX,
    FAILURES_MAX,
    LAUNCHES_MAX,
    SPECS_MAX,
    SUBRUNS_MAX,
    Child,
    Failure,
    Launch,
    Run,
    Spec,
    Stage,
    SubRun,
    Wrapper,
)
from .transitions import CHILD_TRANSITIONS

_ENDED = Stage.ENDED


def current_child(run: Run) -> Child | None:
    """The child that the log spoke of last, ended or not."""
    if not run.subruns or not run.subruns[-1].children:
        return None
    return run.subruns[-1].children[-1]


def open_child(run: Run) -> Child | None:
    """The child that has not ended, if there is one."""
    child = current_child(run)
    return child if child is not None and child.stage is not _ENDED else None


def put_child(run: Run, child: Child) -> Run:
    """`run` with its current child replaced."""
    subrun = run.subruns[-1]
    subrun = replace(subrun, children=(*subrun.children[:-1], child))
    return put_subrun(run, subrun)


def put_subrun(run: Run, subrun: SubRun) -> Run:
    """`run` with the sub-run of the same index replaced."""
    at = subrun.index - 1
    return replace(run, subruns=(*run.subruns[:at], subrun, *run.subruns[at + 1 :]))


def trigger(run: Run, name: str, at: datetime, watched_s: float) -> Run:
    """Move the current child by `CHILD_TRANSITIONS`; without a cell nothing changes."""
    child = current_child(run)
    if child is None:
        return run
    stage = CHILD_TRANSITIONS[child.stage].get(name)
    if stage is None:
        return run
    if stage is _ENDED:
        child = replace(child, stage=stage, ended_at=at, ended_watched_s=watched_s, ended_by=name)
    else:
        child = replace(child, stage=stage)
    return put_child(run, child)


def reopen(run: Run) -> Run:
    """Take back that the run was over: a Cypress process of it lives."""
    if run.over_watched_s is None:
        return run
    run = replace(run, over_watched_s=None, over_at=None)
    child = current_child(run)
    if child is None or child.ended_by != "runner-over" or run.subruns[-1].result is not None:
        return run
    stage = Stage.OPEN if child.finished_offset is None else Stage.SUMMARISED
    run = put_child(run, replace(child, stage=stage, ended_at=None, ended_watched_s=None, ended_by=None))
    return put_subrun(run, replace(run.subruns[-1], ended_at=None, ended_watched_s=None))


def apply_fact(run: Run, fact: f.Fact, event: LogRead) -> Run:
    """Fold one fact of the log.  Facts that fit nowhere change nothing."""
    match fact:
        case f.ChildLaunched():
            return _launched(run, fact)
        case f.ChildStarted():
            return _begin_child(run, fact.offset, event, started=True)
        case f.ChildDescribed():
            return _described(run, fact)
        case f.SpecStarted():
            return _spec_started(run, fact, event)
        case f.TestFailed():
            return _on_spec(
                run, lambda spec: _with_failure(spec, Failure(title=fact.title, error=fact.error))
            )
        case f.TestFlaky():
            return _on_spec(run, lambda spec: replace(spec, flaky=(*spec.flaky, fact.title)[:FAILURES_MAX]))
        case f.SpecReported():
            return _spec_reported(run, fact)
        case f.RunFinished():
            return _run_finished(run, fact, event)
        case f.SpecSummarised():
            return _on_unjudged(run, lambda child: _spec_summarised(child, fact))
        case f.TotalsReported():
            return _totals_reported(run, fact, event)
        case f.RunRecorded():
            return _run_recorded(run, fact, event)
        case f.ErrorReported():
            return _error_reported(run, fact, event)
        case f.WrapperStarted():
            return _wrapper_started(run, fact, event)
        case f.WrapperFinished():
            return _wrapper_finished(run, fact, event)
        case f.RunnerProgressed():
            return replace(run, last_progress_text=fact.text)
        case _:
            assert_never(fact)


def _begin_child(run: Run, offset: int, event: LogRead, *, started: bool) -> Run:
    run = trigger(run, "next-child", event.at, event.watched_s)
    run = _subrun_for_next_child(run, event)
    subrun = run.subruns[-1]
    if len(run.subruns) > SUBRUNS_MAX or len(subrun.children) >= SUBRUNS_MAX:
        # What is not kept cannot pass: the run can no longer be COMPLETED.
        return replace(run, subruns=run.subruns[:SUBRUNS_MAX], too_many=True)
    label = run.launched[0].label if run.launched else None
    child = Child(offset=offset, at=event.at, watched_s=event.watched_s, label=label, started=started)
    subrun = replace(subrun, children=(*subrun.children, child), started_at=subrun.started_at or event.at)
    return replace(put_subrun(run, subrun), launched=run.launched[1:], had_browser=False)


def _launched(run: Run, fact: f.ChildLaunched) -> Run:
    """A command line that starts a child; one printed by a test while its spec runs starts nothing."""
    if spec_runs(run) or (run.launched and run.launched[-1].label == fact.label):
        return run
    launch = Launch(label=fact.label, offset=fact.offset)
    return replace(run, launched=(*run.launched, launch)[:LAUNCHES_MAX])


def spec_runs(run: Run) -> bool:
    """Whether a spec has begun and not reported."""
    child = open_child(run)
    return child is not None and bool(child.specs) and child.specs[-1].box is None


def _described(run: Run, fact: f.ChildDescribed) -> Run:
    """The header box; its group says which of several command lines was this child's."""
    child = open_child(run)
    if child is None:
        return run
    own = next((launch for launch in run.launched if launch.label == fact.group), None)
    if own is not None and child.label != fact.group:
        given_back = (Launch(label=child.label, offset=child.offset),) if child.label is not None else ()
        run = replace(run, launched=(*given_back, *(launch for launch in run.launched if launch is not own)))
        child = replace(child, label=own.label)
    return put_child(run, replace(child, described=fact))


def _subrun_for_next_child(run: Run, event: LogRead) -> Run:
    """The last sub-run is the one that the next child joins: the open wrapper's, the only one, or a new one."""
    last = run.subruns[-1] if run.subruns else None
    if last is not None and (not run.request.categorized or in_wrapper(last)):
        return run
    subrun = SubRun(index=len(run.subruns) + 1, started_at=event.at)
    return replace(run, subruns=(*run.subruns, subrun))


def in_wrapper(subrun: SubRun) -> bool:
    """Whether the sub-run belongs to a wrapper that has not printed its end line."""
    return subrun.wrapper is not None and subrun.wrapper.finished_offset is None


def _on_open(run: Run, change: Callable[[Child], Child]) -> Run:
    child = open_child(run)
    return run if child is None else put_child(run, change(child))


def _on_unjudged(run: Run, change: Callable[[Child], Child]) -> Run:
    """Change the current child, ended or not: what it prints late counts until its verdict, and for the run after it."""
    child = current_child(run)
    return run if child is None else put_child(run, change(child))


def _on_spec(run: Run, change: Callable[[Spec], Spec]) -> Run:
    """Change the spec that began last."""

    def on_child(child: Child) -> Child:
        if not child.specs:
            return child
        return replace(child, specs=(*child.specs[:-1], change(child.specs[-1])))

    return _on_open(run, on_child)


def _with_failure(spec: Spec, failure: Failure) -> Spec:
    return replace(spec, failures=(*spec.failures, failure)[:FAILURES_MAX])


def _spec_started(run: Run, fact: f.SpecStarted, event: LogRead) -> Run:
    if open_child(run) is None:
        # `(Run Starting)` was lost (a replaced log, a watcher that joined late): the child shows itself here.
        run = _begin_child(run, fact.offset, event, started=True)
    # How late a line is read says nothing about when it was written: only when all before it had been read does.
    since = run.log.since or run.request.at
    spec = Spec(
        spec=fact.spec, offset=fact.offset, position=fact.position, total=fact.total, began=True, since=since
    )
    return _on_open(run, lambda child: replace(child, specs=_append(child.specs, spec)))


def _append(specs: tuple[Spec, ...], spec: Spec) -> tuple[Spec, ...]:
    return specs if len(specs) >= SPECS_MAX else (*specs, spec)


def _spec_reported(run: Run, fact: f.SpecReported) -> Run:
    def on_child(child: Child) -> Child:
        at = _reported_at(child.specs, fact.spec)
        known = child.specs[at].box if at is not None else None
        if known is not None and not is_worse(fact.counts, known):
            # A second box for one spec cannot be Cypress's own: the worse of the two is believed.
            return child
        box = {"box": fact.counts, "box_offset": fact.offset, "duration_s": fact.duration_s}
        if at is None:
            spec = Spec(spec=fact.spec, offset=fact.offset, began=True, **box)  # type: ignore[arg-type]
            return replace(child, specs=_append(child.specs, spec))
        return replace(child, specs=_swap(child.specs, at, replace(child.specs[at], **box)))

    late = current_child(run)
    if open_child(run) is None and late is not None and fact.counts.failing:
        # A summary came before this box, so a test had printed it: the child had not ended, and a spec has failed.
        return put_child(run, on_child(late))
    return _on_open(run, on_child)


def _reported_at(specs: tuple[Spec, ...], name: str) -> int | None:
    """The spec that a box speaks of: the last of that name without a box, else the last of that name.

    From the end, where it nearly always is: one child may hold thousands.
    """
    last = None
    for at in range(len(specs) - 1, -1, -1):
        if same_spec(specs[at].spec, name):
            if specs[at].box is None:
                return at
            last = at if last is None else last
    return last


def _swap(specs: tuple[Spec, ...], at: int, spec: Spec) -> tuple[Spec, ...]:
    return (*specs[:at], spec, *specs[at + 1 :])


def same_spec(one: str, other: str) -> bool:
    """Whether two spellings name one spec: equal, or one is the end of the other below a folder.

    Cypress prints names relative to the common root of a run's specs, reports hold them from the project's root.
    """
    one, other = one.replace("\\", "/"), other.replace("\\", "/")
    return one == other or one.endswith("/" + other) or other.endswith("/" + one)


def _spec_summarised(child: Child, fact: f.SpecSummarised) -> Child:
    row = {
        "row": fact.counts,
        "row_offset": fact.offset,
        "row_mark": fact.mark,
        "row_skipped": fact.skipped,
    }
    at = _row_at(child.specs, fact.spec)
    if at is not None:
        spec = child.specs[at]
        duration_s = spec.duration_s if spec.duration_s is not None else fact.duration_s
        return replace(child, specs=_swap(child.specs, at, replace(spec, duration_s=duration_s, **row)))
    spec = Spec(spec=fact.spec, offset=fact.offset, duration_s=fact.duration_s, **row)  # type: ignore[arg-type]
    return replace(child, specs=_append(child.specs, spec))


def _row_at(specs: tuple[Spec, ...], name: str) -> int | None:
    """The spec that a row of the final table speaks of: one of that name without a row, None if there is none.

    The table has the order of the specs, so that those with a row nearly always are the first ones: the next is found
    by halving, and only a table of another order is searched from the start.
    """
    low, high = 0, len(specs)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if specs[middle].row is None else (middle + 1, high)
    likely = (low,) if low < len(specs) else ()
    return next(
        (
            at
            for at in chain(likely, range(len(specs)))
            if specs[at].row is None and same_spec(specs[at].spec, name)
        ),
        None,
    )


def _run_finished(run: Run, fact: f.RunFinished, event: LogRead) -> Run:
    if open_child(run) is None:
        run = _begin_child(run, fact.offset, event, started=False)
    run = _on_open(
        run, lambda child: replace(child, finished_offset=fact.offset, finished_watched_s=event.watched_s)
    )
    return trigger(run, "run-finished", event.at, event.watched_s)


def _totals_reported(run: Run, fact: f.TotalsReported, event: LogRead) -> Run:
    run = _on_unjudged(run, lambda child: replace(child, totals=child.totals or fact))
    return trigger(run, "totals-reported", event.at, event.watched_s)


def _run_recorded(run: Run, fact: f.RunRecorded, event: LogRead) -> Run:
    # It stands below the totals row that ended the child: recorded on the current child, ended or not.
    child = current_child(run)
    if child is not None and child.recorded_offset is None:
        run = put_child(run, replace(child, recorded_offset=fact.offset))
    return trigger(run, "run-recorded", event.at, event.watched_s)


def _error_reported(run: Run, fact: f.ErrorReported, event: LogRead) -> Run:
    if fact.scope == "spec":
        child = open_child(run)
        if child is not None and child.specs:
            return _on_spec(run, lambda spec: replace(spec, error=spec.error or fact))
    launched = _launched_since(run)
    late = current_child(run) if not launched else None
    if open_child(run) is None and late is not None and fact.code in ("run-canceled", "cypress-signalled"):
        # These two are printed after the summary and speak of the child that has just ended.
        return put_child(run, replace(late, errors=(*late.errors, fact)[:ERRORS_MAX]))
    if open_child(run) is None or (launched and not spec_runs(run)):
        # A new command line was printed: the error is of the child that it started and that never printed its begin.
        run = _begin_child(run, fact.offset, event, started=False)
    doubt = spec_runs(run)

    def on_child(child: Child) -> Child:
        if doubt:
            return replace(child, doubtful=(*child.doubtful, fact)[:ERRORS_MAX])
        return replace(child, errors=(*child.errors, fact)[:ERRORS_MAX])

    return _on_open(run, on_child)


def early_ends(child: Child) -> tuple[f.ErrorReported, ...]:
    """Error blocks that certainly ended the child."""
    unfinished = child.stage is _ENDED and child.totals is None
    return (*child.errors, *(child.doubtful if unfinished else ()))


def _launched_since(run: Run) -> bool:
    """Whether a command line was printed after everything that is known of the current child."""
    child = current_child(run)
    if child is None or not run.launched:
        return bool(run.launched)
    last = child.specs[-1] if child.specs else None
    known = max(
        child.offset,
        last.box_offset or last.offset if last is not None else 0,
        *(error.offset for error in (*child.errors, *child.doubtful)),
        0,
    )
    return run.launched[0].offset > known


def _wrapper_started(run: Run, fact: f.WrapperStarted, event: LogRead) -> Run:
    run = trigger(run, "next-child", event.at, event.watched_s)
    wrapper = Wrapper(name=fact.wrapper, offset=fact.offset, total=fact.total, group=fact.group)
    if run.request.categorized:
        subrun = SubRun(index=len(run.subruns) + 1, wrapper=wrapper, started_at=event.at)
        return replace(run, subruns=(*run.subruns, subrun))
    only = run.subruns[-1]
    if only.wrapper is not None:
        # One after another in one sub-run: what each was to run adds up.
        wrapper = replace(wrapper, total=(only.wrapper.total or 0) + (fact.total or 0))
    return put_subrun(run, replace(only, wrapper=wrapper))


def _wrapper_finished(run: Run, fact: f.WrapperFinished, event: LogRead) -> Run:
    if not run.subruns or not in_wrapper(run.subruns[-1]):
        return run
    run = trigger(run, "next-child", event.at, event.watched_s)
    subrun = run.subruns[-1]
    wrapper = subrun.wrapper
    assert wrapper is not None
    return put_subrun(run, replace(subrun, wrapper=replace(wrapper, finished_offset=fact.offset)))
