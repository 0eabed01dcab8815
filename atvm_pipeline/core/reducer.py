"""The reducer: `reduce(run, event) -> Reduction(run, effects)`, `replay`, and the next deadline.

`reduce` accepts every event in every phase, because events are observations and can arrive in any order. An event without
a row in the tables changes nothing and is counted. Effects are derived from the change of the state, never from the event.
"""

from collections.abc import Iterable
from typing import NamedTuple, assert_never

from msgspec.structs import replace

from . import side_facts, timeouts
from .case_list import CASE_CHARS
from .completion import close_subruns, complete_run
from .console.scanner import ScannerState
from .effects import Effect, EndWatching, PingServer, PostMessage
from .events import (
    ArtifactWritten,
    BaselineRead,
    CancelRequested,
    ClockTicked,
    DeliverySettled,
    Event,
    ForecastMade,
    HistoryRecorded,
    LogRead,
    LogReplaced,
    PostSearched,
    ProcessesSeen,
    ProvenanceRead,
    ResendRequested,
    RunnerExited,
    RunnerStarted,
    RunnerVanished,
    RunRequested,
    ScreenshotKept,
    ServerPinged,
    WatcherStarted,
    WatcherStopped,
    WriteRefused,
)
from .junit.report import Report
from .messages import attempts, outbox, undelivered
from .phases import Phase
from .reason_parts import gap_text, refused_text
from .state import (
    ARTIFACTS_MAX,
    CASES_KEPT_MAX,
    WRITES_REFUSED_MAX,
    LogPosition,
    Run,
    Stage,
    SubRun,
)
from .subruns.children import (
    browsers_in,
    current_child,
    each_stream,
    open_child,
    put_child,
    reopen,
    stream_children,
    trigger,
)
from .subruns.log_facts import apply_fact
from .transitions import PHASE_TRANSITIONS, SUMMARY_WAIT_S

REPLACED_MAX = 20
"""Replacements of the log that are kept."""


class Reduction(NamedTuple):
    """The run after one event, and the effects to perform."""

    run: Run
    effects: tuple[Effect, ...]


def begin_run(event: RunRequested) -> Reduction:
    """Return the state after `RunRequested`, the first event of every journal."""
    subruns = () if event.categorized else (SubRun(index=1),)
    log = LogPosition(end=event.log_start, scanner=ScannerState(offset=event.log_start))
    run = Run(seq=event.seq, request=event, at=event.at, watched_s=event.watched_s, log=log, subruns=subruns)
    return Reduction(run, ())


def reduce(run: Run, event: Event) -> Reduction:
    """Apply one event. An event that was applied before (by its `seq`) changes nothing and has no effects."""
    if event.seq <= run.seq:
        return Reduction(run, ())
    before = run
    # The watched axis never runs backwards, even if a source does.
    run = replace(run, seq=event.seq, at=event.at, watched_s=max(run.watched_s, event.watched_s))
    run = _settle_time(before, _apply(run, event))
    return Reduction(run, _effects(before, run))


def replay(events: Iterable[Event]) -> Run:
    """Return the run after all events. Raises ValueError if they do not start with `RunRequested`."""
    run: Run | None = None
    for event in events:
        if run is not None:
            run = reduce(run, event).run
        elif isinstance(event, RunRequested):
            run = begin_run(event).run
        else:
            raise ValueError(f"a journal must start with run-requested, not with {type(event).__name__}")
    if run is None:
        raise ValueError("the journal is empty")
    return run


def phase_of(run: Run) -> Phase:
    """Return the run's phase. It is derived, never set."""
    if run.verdict is not None:
        return run.verdict.phase
    return Phase.RUNNING if run.seen else Phase.PENDING


def is_finished(run: Run) -> bool:
    """Return whether the run has ended, or is archived, and every post is settled, so that nothing is left to do."""
    return _is_decided(run) and not outbox.pending(run)


def _is_decided(run: Run) -> bool:
    """Return whether nothing but messages can change any more."""
    return run.verdict is not None or run.archived


def next_deadline(run: Run) -> float | None:
    """Return the point on the watched axis of the next `ClockTicked` that changes the run, or None."""
    moments = outbox.post_deadlines(run) + undelivered.lateness_deadlines(run)
    if not _is_decided(run):
        settle = run.request.settings.settle_s
        if run.over_watched_s is None:
            moments += [at for at in timeouts.timeout_deadlines(run, phase_of(run)) if at > run.watched_s]
        else:
            moments.append(run.over_watched_s + settle)
        moments += [
            child.finished_watched_s + SUMMARY_WAIT_S
            for child in stream_children(run)
            if child.stage is Stage.SUMMARISED and child.finished_watched_s is not None
        ]
        moments += [
            subrun.ended_watched_s + settle
            for subrun in run.subruns
            if subrun.ended_watched_s is not None and subrun.result is None
        ]
    return min(moments, default=None)


def _apply(run: Run, event: Event) -> Run:
    match event:
        case RunRequested() | ClockTicked():
            return run
        case WatcherStarted():
            archived = run.archived or event.archived
            run = replace(
                run,
                watcher_pid=event.pid,
                utc_offset_s=event.utc_offset_s,
                stopping=False,
                archived=archived,
            )
            return outbox.forget_pings(run)
        case WatcherStopped():
            return replace(run, stopping=True)
        case RunnerStarted():
            return _seen(replace(run, runner=event), event)
        case ProcessesSeen():
            return _processes_seen(run, event)
        case RunnerExited():
            return _runner_exited(run, event)
        case RunnerVanished():
            if run.exit is not None or run.verdict is not None or run.vanished is not None:
                return _ignored(run)
            return replace(run, vanished=event)
        case WriteRefused():
            return _write_refused(run, event)
        case LogRead():
            return _log_read(run, event)
        case LogReplaced():
            return _log_replaced(run, event)
        case ArtifactWritten():
            return _artifact_written(run, event)
        case CancelRequested():
            if _is_decided(run) or run.cancel is not None:
                return _ignored(run)
            return replace(run, cancel=event)
        case DeliverySettled():
            return attempts.settle_post(run, event)
        case ServerPinged():
            return attempts.on_ping(run, event)
        case ResendRequested():
            return outbox.resend(run, event.key)
        case BaselineRead():
            return side_facts.baseline_read(run, event)
        case ProvenanceRead():
            return side_facts.provenance_read(run, event)
        case ForecastMade():
            return side_facts.forecast_made(run, event)
        case ScreenshotKept():
            return side_facts.screenshot_kept(run, event)
        case HistoryRecorded():
            return side_facts.history_recorded(run, event)
        case PostSearched():
            return attempts.on_search(run, event)
        case _:
            assert_never(event)


def _ignored(run: Run) -> Run:
    return replace(run, ignored=run.ignored + 1)


def _seen(run: Run, event: Event) -> Run:
    """Leave PENDING if the table has a cell for this event."""
    tag = type(event).__struct_config__.tag
    if run.seen or PHASE_TRANSITIONS[phase_of(run)].get(str(tag)) is None:
        return run
    return replace(
        run, seen=True, seen_watched_s=run.watched_s, progress_watched_s=run.watched_s, progress_at=event.at
    )


def _processes_seen(run: Run, event: ProcessesSeen) -> Run:
    mine = tuple(browser for browser in browsers_in(event.processes) if browser not in run.past_browsers)
    run = replace(
        run,
        processes=event.processes,
        stuck=event.stuck,
        had_browser=run.had_browser or bool(mine),
        browsers=run.browsers if open_child(run) is None else mine,
    )
    if event.processes:
        run = _seen(run, event)
    if run.verdict is None and timeouts.cypress_lives(run):
        # The run was considered over, but one of its Cypress processes is still alive.
        run = reopen(run)
    return each_stream(run, _child_process_seen)


def _child_process_seen(run: Run) -> Run:
    child = open_child(run)
    if child is None:
        return run
    if timeouts.cypress_lives(run):
        return run if child.process_seen else put_child(run, replace(child, process_seen=True))
    return trigger(run, "child-gone", run.at, run.watched_s) if child.process_seen else run


def _runner_exited(run: Run, event: RunnerExited) -> Run:
    if run.exit is not None or run.verdict is not None:
        return _ignored(run)
    # A process once seen alive is kept until a scan shows it gone, even if the exit record does not list it.
    known = {(process.pid, process.create_time) for process in run.processes}
    more = tuple(process for process in event.survivors if (process.pid, process.create_time) not in known)
    return _seen(replace(run, exit=event, processes=(*run.processes, *more)), event)


def _write_refused(run: Run, event: WriteRefused) -> Run:
    if any((old.path, old.since) == (event.path, event.since) for old in run.writes_refused):
        return _ignored(run)
    first, *later = (*run.writes_refused, event)
    run = replace(run, writes_refused=(first, *later[-(WRITES_REFUSED_MAX - 1) :]))
    # The watcher has already sent an alert, past the outbox, if the disk refused writes for longer than a moment.
    text = f"{refused_text(run)}; check the free space and the health of that disk."
    return outbox.notice(run, "disk", text, alert=False)


def _log_read(run: Run, event: LogRead) -> Run:
    log = run.log
    if (event.generation, event.end, event.final) <= (log.generation, log.end, log.final):
        return _ignored(run)
    grew = (event.generation, event.end) > (log.generation, log.end)
    log = replace(
        log,
        generation=event.generation,
        end=event.end,
        scanner=event.scanner,
        identity=event.identity,
        final=event.final or log.final,
        since=event.since or log.since,
    )
    run = replace(run, log=log)
    if grew:
        run = _progress(_seen(run, event), event)
    for fact in event.facts:
        run = apply_fact(run, fact, event)
    return run


def _progress(run: Run, event: Event) -> Run:
    run = replace(run, progress_watched_s=run.watched_s, progress_at=event.at)
    return outbox.clear_notice(run, "quiet")


def _log_replaced(run: Run, event: LogReplaced) -> Run:
    if event.generation <= run.log.generation:
        return _ignored(run)
    log = run.log
    # If nothing was lost, the stream continues in the new file, in the middle of a spec or of a line. After a loss, lines
    # must not be joined across the gap.
    continued = event.unread_bytes == 0 and event.begin == log.scanner.offset
    position = LogPosition(
        generation=event.generation,
        begin=event.begin,
        end=event.begin,
        scanner=log.scanner if continued else ScannerState(offset=event.begin),
        identity=event.identity,
        since=log.since if continued else None,
        replaced=_remembered((*log.replaced, event)),
    )
    run = replace(run, log=position)
    return run if event.unread_bytes == 0 else outbox.notice(run, "log-gap", gap_text(event))


def _remembered(replaced: tuple[LogReplaced, ...]) -> tuple[LogReplaced, ...]:
    """Return at most `REPLACED_MAX` of them; rotations without a loss are dropped first."""
    if len(replaced) <= REPLACED_MAX:
        return replaced
    least = next((at for at, gap in enumerate(replaced) if gap.unread_bytes == 0), 0)
    return (*replaced[:least], *replaced[least + 1 :])


def _artifact_written(run: Run, event: ArtifactWritten) -> Run:
    before = next((old for old in reversed(run.artifacts) if old.path == event.path), None)
    if before is not None and _version(before) == _version(event):
        return _ignored(run)
    cases = sum(len(spec.cases) // CASE_CHARS for spec in event.report.specs) if event.report else 0
    if event.report is not None and run.cases_kept + cases > CASES_KEPT_MAX:
        event, cases = replace(event, report=_without_cases(event.report)), 0
    run = replace(run, cases_kept=run.cases_kept + cases) if cases else run
    artifacts = (*run.artifacts, event)
    if len(artifacts) > ARTIFACTS_MAX:
        # The oldest is dropped, evidence of a failure last: without it, a failed run could look like a pass.
        least = next((at for at, old in enumerate(artifacts) if not _is_evidence(old)), 0)
        artifacts = (*artifacts[:least], *artifacts[least + 1 :])
        run = replace(run, artifacts_forgotten=run.artifacts_forgotten + 1)
    run = replace(run, artifacts=artifacts)
    # A stale report, or one that another run may have written, is no progress of this run.
    return run if event.stale or event.rivals else _progress(run, event)


def _is_evidence(artifact: ArtifactWritten) -> bool:
    """Return whether a report shows a failure, or may contain one."""
    report = artifact.report
    if report is None:
        return artifact.refusal is not None
    return bool(report.problem) or any(reported.counts.failing for reported in report.specs)


def _version(artifact: ArtifactWritten) -> tuple[object, ...]:
    report = _without_cases(artifact.report) if artifact.report is not None else None
    return artifact.inode, artifact.size, artifact.mtime, artifact.stale, artifact.refusal, report


def _without_cases(report: Report) -> Report:
    """Return a report without the results of single tests, which do not decide anything."""
    return replace(report, specs=tuple(replace(spec, cases="") for spec in report.specs))


def _settle_time(before: Run, run: Run) -> Run:
    """Apply everything that follows from the state and the time alone, whatever the event was."""
    run = _decide(run)
    run = run if run.stopping else outbox.expire(run)
    if run.outbox is not before.outbox:
        run = undelivered.note_lost(run)
    run = undelivered.note_late(run)
    return run if run.stopping else outbox.start_due(run)


def _decide(run: Run) -> Run:
    if _is_decided(run):
        return run
    run = each_stream(run, _summary_awaited)
    run = complete_run(close_subruns(_over(run)), phase_of(run))
    return outbox.drop_unbegun(run) if run.cancel is not None else run


def _summary_awaited(run: Run) -> Run:
    child = current_child(run)
    if child is None or child.finished_watched_s is None:
        return run
    waited = run.watched_s - child.finished_watched_s >= SUMMARY_WAIT_S
    return trigger(run, "summary-wait-passed", run.at, run.watched_s) if waited else run


def _over(run: Run) -> Run:
    """Record that the runner and every related Cypress process have ended; the run is not over before."""
    ended = run.exit is not None or run.vanished is not None
    if run.over_watched_s is not None or not ended or timeouts.cypress_lives(run):
        return run
    run = replace(run, over_watched_s=run.watched_s, over_at=run.at)
    return each_stream(run, lambda run: trigger(run, "runner-over", run.at, run.watched_s))


def _effects(before: Run, after: Run) -> tuple[Effect, ...]:
    """Return the effects of a change: attempts and pings that it has started, and the end of watching."""
    started = {post.key: post.attempts for post in before.outbox if post.in_flight}
    effects: list[Effect] = [
        PostMessage(
            key=post.key,
            attempt=post.attempts,
            kind="alert" if post.kind == "alert" else "main",
            payload=outbox.payload_to_send(after, post),
        )
        for post in after.outbox
        if post.in_flight and started.get(post.key) != post.attempts
    ]
    asked = {post.key: post.pings for post in before.outbox}
    effects += [
        PingServer(key=post.key, ping=post.pings)
        for post in after.outbox
        if post.pinging and asked.get(post.key) != post.pings
    ]
    if is_finished(after) and not is_finished(before):
        effects.append(EndWatching(key=f"{after.request.run_id}/end"))
    return tuple(effects)
