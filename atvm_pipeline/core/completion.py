"""Decides when verdicts are recorded: first for each finished sub-run, then for the run. A recorded verdict is final.

`verdict/` decides which verdict it is. This module decides when, and requests the messages that follow from it.
"""

from msgspec.structs import replace

from . import timeouts
from .messages import outbox
from .messages.closing import closing_notes, closing_sentences
from .messages.payload import run_payload, subrun_payload
from .phases import Phase
from .results import SubRunResult
from .state import Run, Stage, SubRun, Verdict
from .subruns.children import in_wrapper, put_subrun
from .transitions import INHERITED_PHASES
from .verdict.run_context import run_context
from .verdict.run_verdict import judge_run
from .verdict.subrun_context import SubRunContext, label_mismatch, result_of, run_ledger, subrun_context
from .verdict.subrun_verdict import Decision, judge_subrun, subrun_failure

ALERT_PHASES = frozenset({Phase.HUNG, Phase.TERMINATED, Phase.UNKNOWN})
"""Ends that are reported to the alert channel; a cancel is never reported."""


def close_subruns(run: Run) -> Run:
    """End the sub-runs whose children have ended, and decide those that have settled."""
    # This runs for every event, and a long run has many sub-runs with a verdict: only the others are checked.
    open_ = [subrun for subrun in run.subruns if subrun.result is None]
    for subrun in open_:
        if subrun.ended_watched_s is None:
            run = _end_subrun(run, subrun)
    if not run.request.categorized:
        return run
    for subrun in (run.subruns[subrun.index - 1] for subrun in open_):
        if _settled(run, subrun):
            case = subrun_context(run, subrun)
            run = _record_verdict(run, case, judge_subrun(case))
    return run


def _end_subrun(run: Run, subrun: SubRun) -> Run:
    """End a categorized sub-run with its children (a wrapper's with its end line), any other with the run."""
    if run.over_watched_s is not None:
        return put_subrun(run, replace(subrun, ended_at=run.over_at, ended_watched_s=run.over_watched_s))
    if not run.request.categorized or in_wrapper(subrun) or not subrun.children:
        return run
    last = subrun.children[-1]
    if last.stage is not Stage.ENDED:
        return run
    return put_subrun(run, replace(subrun, ended_at=last.ended_at, ended_watched_s=last.ended_watched_s))


def _settled(run: Run, subrun: SubRun) -> bool:
    """Return whether the time for late reports is over (ATVM_WATCHER_SETTLE_S)."""
    if subrun.ended_watched_s is None:
        return False
    by_itself = run.over_watched_s is None or _ended_before_the_run(subrun)
    return by_itself and run.watched_s - subrun.ended_watched_s >= run.request.settings.settle_s


def _ended_before_the_run(subrun: SubRun) -> bool:
    return not any(child.ended_by == "runner-over" for child in subrun.children) and not in_wrapper(subrun)


def _record_verdict(run: Run, case: SubRunContext, judged: Decision) -> Run:
    """Record the verdict of a sub-run and request its message."""
    failing = judged.phase is Phase.FAILED or subrun_failure(case) is not None
    result = _ended(result_of(case, judged.phase, judged.reason, failing=failing))
    subrun = replace(case.subrun, result=result, ended_at=case.subrun.ended_at or run.at)
    if result.finished_at is None:
        result = replace(result, finished_at=subrun.ended_at)
        subrun = replace(subrun, result=result)
    run = put_subrun(run, subrun)
    if result.label_trusted is False:
        text = label_mismatch(case, result.label, result.name)
        run = outbox.notice(run, f"label-{subrun.index}", text)
    if judged.phase.value in run.request.settings.post_phases and run.cancel is None:
        key = f"{run.request.run_id}/{subrun.index:03d}"
        run = outbox.request_post(run, key, "subrun", subrun_payload(run, result, key), subrun.index)
    return run


def _ended(result: SubRunResult) -> SubRunResult:
    """Return a result in which no spec is running: the run ended before the spec, or without it."""
    if not any(spec.running for spec in result.specs):
        return result
    return replace(result, specs=tuple(replace(spec, running=False) for spec in result.specs))


def complete_run(run: Run, phase: Phase) -> Run:
    """Decide the run if it is over and settled, was cancelled, or passed a limit; else report a quiet run to the operator."""
    if run.cancel is not None or timeouts.never_started(run, phase):
        return _judge_run(run)
    if run.over_watched_s is not None:
        # This also holds where every sub-run has a verdict: the log may not be read to its end yet.
        settled = run.watched_s - run.over_watched_s >= run.request.settings.settle_s
        return _judge_run(run) if settled else run
    if timeouts.limit_passed(run) is not None and phase is Phase.RUNNING:
        return _judge_run(run)
    if timeouts.is_quiet(run):
        return outbox.notice(run, "quiet", timeouts.quiet_text(run))
    return run


def _judge_run(run: Run) -> Run:
    # A sub-run that ended by itself keeps its own verdict, also where a cancel or a limit cut its settling short.
    for subrun in run.subruns:
        ended = subrun.ended_watched_s is not None and _ended_before_the_run(subrun)
        if subrun.result is None and ended and run.request.categorized:
            own = subrun_context(run, subrun)
            run = _record_verdict(run, own, judge_subrun(own))
    whole = run_context(run)
    judged = judge_run(whole)
    for sub in whole.cases:
        if sub is not None:
            run = _record_verdict(run, sub._replace(run=run), _unfinished_verdict(run, sub, judged))
    results = results_of(run)
    verdict = Verdict(
        phase=judged.phase,
        reason=judged.reason,
        finished_at=run.over_at or run.at,
        ledger=run_ledger(run, results),
    )
    run = outbox.clear_notice(_alert(replace(run, verdict=verdict), verdict), "quiet")
    return _closing_post(run, verdict, results)


def _unfinished_verdict(run: Run, case: SubRunContext, judged: Decision) -> Decision:
    """Return the run's verdict for its only sub-run, and for an unfinished one of several where the run as such ended."""
    if not run.request.categorized or judged.phase in INHERITED_PHASES:
        return judged
    return judge_subrun(case)


def results_of(run: Run) -> tuple[SubRunResult, ...]:
    """Return the results of the sub-runs that have a verdict."""
    return tuple(subrun.result for subrun in run.subruns if subrun.result is not None)


def _alert(run: Run, verdict: Verdict) -> Run:
    if verdict.phase not in ALERT_PHASES:
        return run
    return outbox.request_alert(run, "end", verdict.reason.text, word=verdict.phase)


def _closing_post(run: Run, verdict: Verdict, results: tuple[SubRunResult, ...]) -> Run:
    """Request one message at the end of a categorized run: always, or only for an end that no sub-run's message has reported.

    `ATVM_WATCHER_CLOSING_POST` decides which.
    """
    if (
        not run.request.categorized
        or verdict.phase.value not in run.request.settings.post_phases
        or run.cancel is not None
    ):
        return run
    sentences = closing_sentences(run, verdict, results)
    if not sentences and run.request.messages.closing_post != "always":
        return run
    key = f"{run.request.run_id}/run"
    sentence = " ".join(sentences) or verdict.reason.text
    payload = run_payload(run, verdict, results, key, sentence=sentence, notes=closing_notes(run))
    return outbox.request_post(run, key, "run", payload)
