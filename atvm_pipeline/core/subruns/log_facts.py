"""Apply the log's facts to children and sub-runs: which child a line belongs to.

This module does not decide about pass or fail.
"""

from typing import assert_never

from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import LogRead
from atvm_pipeline.core.results import add_counts
from atvm_pipeline.core.state import (
    ERRORS_MAX,
    FAILURES_MAX,
    LAUNCHES_MAX,
    RECORDED_URL_CHARS_MAX,
    RUN_UNPLACED_MAX,
    SUBRUNS_MAX,
    Child,
    Failure,
    Launch,
    Run,
    SubRun,
    Wrapper,
)
from atvm_pipeline.core.text import one_line

from .children import (
    browsers_in,
    current_child,
    in_wrapper,
    open_child,
    put_child,
    put_subrun,
    spec_runs,
    trigger,
)
from .spec_facts import (
    on_open,
    on_spec,
    on_unjudged,
    screenshots_listed,
    spec_reported,
    spec_started,
    spec_summarised,
    tests_counted,
    with_failure,
)
from .summary_facts import totals_reported, with_unplaced

MAY_GO_ON = frozenset({"heap-exhausted", "automation-lost"})
"""Errors that Cypress may survive, or that another program may print: they count if their child leaves no summary."""


def apply_fact(run: Run, fact: f.Fact, event: LogRead) -> Run:
    """Apply one fact of the log."""
    if fact.stream != run.stream:
        run = replace(run, stream=fact.stream)
    match fact:
        case f.ChildLaunched():
            return _launched(run, fact)
        case f.ChildStarted():
            if fact.before:
                run = on_unjudged(run, lambda child: replace(child, last=fact.before))
            return _start_child(run, fact.offset, event, started=True)
        case f.ChildDescribed():
            return _described(run, fact)
        case f.SpecStarted():
            return spec_started(_with_open_child(run, fact.offset, event), fact)
        case f.TestFailed():
            return on_spec(run, lambda spec: with_failure(spec, Failure(title=fact.title, error=fact.error)))
        case f.TestFlaky():
            return on_spec(run, lambda spec: replace(spec, flaky=(*spec.flaky, fact.title)[:FAILURES_MAX]))
        case f.TestsCounted():
            return on_unjudged(run, lambda child: tests_counted(child, fact))
        case f.SpecReported():
            first = current_child(run) is None
            return spec_reported(_with_open_child(run, fact.offset, event) if first else run, fact)
        case f.ScreenshotsListed():
            return on_unjudged(run, lambda child: screenshots_listed(child, fact))
        case f.RunFinished():
            return _run_finished(run, fact, event)
        case f.SpecSummarised():
            return on_unjudged(run, lambda child: spec_summarised(child, fact))
        case f.LineUnplaced():
            return _line_unplaced(run, fact)
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
        case f.WrapperTotals():
            return _wrapper_totals(run, fact)
        case f.FormLearnt():
            return run
        case f.EpilogueRead():
            failing = run.epilogue_failing + fact.failing
            return replace(
                run, epilogue_passing=run.epilogue_passing + fact.passing, epilogue_failing=failing
            )
        case f.WordsUnread():
            return replace(run, words_unread=run.words_unread or fact)
        case f.RunnerProgressed():
            return replace(run, last_progress_text=fact.text)
        case _:
            assert_never(fact)


def _start_child(run: Run, offset: int, event: LogRead, *, started: bool, headless: bool = False) -> Run:
    run = trigger(run, "next-child", event.at, event.watched_s)
    before = current_child(run)
    run = _subrun_for_next_child(run, event)
    subrun = run.subruns[-1]
    if len(run.subruns) > SUBRUNS_MAX or len(subrun.children) >= SUBRUNS_MAX:
        # The child is not kept, so it cannot pass: the run can no longer be COMPLETED.
        return replace(run, subruns=run.subruns[:SUBRUNS_MAX], too_many=True)
    label = run.launched[0].label if run.launched else None
    child = Child(
        offset=offset,
        at=event.at,
        watched_s=event.watched_s,
        label=label,
        started=started,
        stream=run.stream,
        headless=headless,
        overlaps=_overlaps(before, headless=headless),
    )
    subrun = replace(subrun, children=(*subrun.children, child), started_at=subrun.started_at or event.at)
    # The process table, reported on change only, may have shown its browser before the log showed the child.
    living = browsers_in(run.processes)
    past = tuple(browser for browser in living if browser in (*run.browsers, *run.past_browsers))
    mine = tuple(browser for browser in living if browser not in past)
    return replace(
        put_subrun(run, subrun),
        streams=run.streams if run.stream in run.streams else (*run.streams, run.stream),
        launched=run.launched[1:],
        had_browser=bool(mine),
        browsers=mine,
        past_browsers=past,
    )


def _with_open_child(run: Run, offset: int, event: LogRead) -> Run:
    """Return a run with an open child; start one if `(Run Starting)` was lost.

    It may be lost in a replaced log, or if the watcher joined late.
    """
    if open_child(run) is not None:
        return run
    return _start_child(run, offset, event, started=True, headless=True)


def _overlaps(before: Child | None, *, headless: bool) -> bool:
    """Return whether a child starts next to an unfinished one, or continues one after another's end."""
    if before is None:
        return False
    return (before.totals is None and before.recorded_offset is None) or (headless and before.overlaps)


def _launched(run: Run, fact: f.ChildLaunched) -> Run:
    """Remember a command line that starts a child; one that a test prints while its spec runs starts nothing."""
    if spec_runs(run) or (run.launched and run.launched[-1].label == fact.label):
        return run
    launch = Launch(label=fact.label, offset=fact.offset)
    return replace(run, launched=(*run.launched, launch)[:LAUNCHES_MAX])


def _described(run: Run, fact: f.ChildDescribed) -> Run:
    """Apply the header box. Its group shows which of several command lines belongs to this child."""
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
    """Return a run whose last sub-run is the one for the next child: the open wrapper's, the only one, or a new one."""
    last = run.subruns[-1] if run.subruns else None
    if last is not None and (not run.request.categorized or _continues(last, run.stream)):
        return run
    subrun = SubRun(index=len(run.subruns) + 1, started_at=event.at)
    return replace(run, subruns=(*run.subruns, subrun))


def _continues(subrun: SubRun, stream: int) -> bool:
    """Return whether the next child belongs to an open wrapper too."""
    return in_wrapper(subrun) and (not subrun.children or subrun.children[-1].stream == stream)


def _run_finished(run: Run, fact: f.RunFinished, event: LogRead) -> Run:
    if open_child(run) is None:
        run = _start_child(run, fact.offset, event, started=False)
    run = on_open(
        run, lambda child: replace(child, finished_offset=fact.offset, finished_watched_s=event.watched_s)
    )
    return trigger(run, "run-finished", event.at, event.watched_s)


def _totals_reported(run: Run, fact: f.TotalsReported, event: LogRead) -> Run:
    run = on_unjudged(run, lambda child: totals_reported(child, fact))
    if fact.within:
        return run
    return trigger(run, "totals-reported", event.at, event.watched_s)


def _line_unplaced(run: Run, fact: f.LineUnplaced) -> Run:
    if current_child(run) is None:
        return replace(run, unplaced=(*run.unplaced, fact)[:RUN_UNPLACED_MAX])
    return on_unjudged(run, lambda child: with_unplaced(child, fact))


def _run_recorded(run: Run, fact: f.RunRecorded, event: LogRead) -> Run:
    # It is printed below the totals row that ended the child: recorded on the current child, ended or not.
    child = current_child(run)
    if child is not None and child.recorded_offset is None:
        url = one_line(fact.url, RECORDED_URL_CHARS_MAX)
        run = put_child(run, replace(child, recorded_offset=fact.offset, recorded_url=url))
    return trigger(run, "run-recorded", event.at, event.watched_s)


def _error_reported(run: Run, fact: f.ErrorReported, event: LogRead) -> Run:
    if fact.scope == "spec":
        child = open_child(run)
        if child is not None and child.specs:
            return on_spec(run, lambda spec: replace(spec, error=spec.error or fact))
    launched = _launched_since(run)
    goes_on = fact.code in MAY_GO_ON
    if goes_on and (open_child(run) is None or (launched and not spec_runs(run))):
        return run  # another program's line, or there is nothing that it could have ended
    late = current_child(run) if not launched else None
    if open_child(run) is None and late is not None and fact.code in ("run-canceled", "cypress-signalled"):
        # These two are printed after the summary and refer to the child that has just ended.
        return put_child(run, replace(late, errors=(*late.errors, fact)[:ERRORS_MAX]))
    if open_child(run) is None or (launched and not spec_runs(run)):
        # A new command line was printed: the error is of the child that it started, which never printed its first line.
        run = _start_child(run, fact.offset, event, started=False)
    doubt = spec_runs(run) or goes_on

    def on_child(child: Child) -> Child:
        if doubt:
            return replace(child, doubtful=(*child.doubtful, fact)[:ERRORS_MAX])
        return replace(child, errors=(*child.errors, fact)[:ERRORS_MAX])

    return on_open(run, on_child)


def _launched_since(run: Run) -> bool:
    """Return whether a command line was printed after everything that is known of the current child."""
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
        if len(run.subruns) >= SUBRUNS_MAX:
            return replace(run, too_many=True)
        subrun = SubRun(index=len(run.subruns) + 1, wrapper=wrapper, started_at=event.at)
        return replace(run, subruns=(*run.subruns, subrun))
    only = run.subruns[-1]
    if only.wrapper is not None:
        # Several wrappers one after another in one sub-run: their numbers of specs are added.
        total = (only.wrapper.total or 0) + (fact.total or 0)
        wrapper = replace(wrapper, total=total, totals=only.wrapper.totals)
    return put_subrun(run, replace(only, wrapper=wrapper))


def _wrapper_finished(run: Run, fact: f.WrapperFinished, event: LogRead) -> Run:
    if not run.subruns or not in_wrapper(run.subruns[-1]):
        return run
    run = trigger(run, "next-child", event.at, event.watched_s)
    subrun = run.subruns[-1]
    wrapper = subrun.wrapper
    assert wrapper is not None
    return put_subrun(run, replace(subrun, wrapper=replace(wrapper, finished_offset=fact.offset)))


def _wrapper_totals(run: Run, fact: f.WrapperTotals) -> Run:
    subrun = run.subruns[-1] if run.subruns else None
    if subrun is None or subrun.wrapper is None:
        return run
    before = subrun.wrapper.totals
    if before is not None:
        # Several wrappers one after another in one sub-run: their totals are added.
        fact = replace(
            fact, failed=before.failed + fact.failed, counts=add_counts(before.counts, fact.counts)
        )
    return put_subrun(run, replace(subrun, wrapper=replace(subrun.wrapper, totals=fact)))
