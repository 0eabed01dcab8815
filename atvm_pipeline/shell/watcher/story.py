"""The log of a watcher: one line for each fact that a person would look for.

Pure: from the state before an event, the event, and the state after it, to the lines. Nothing is logged for events of an
earlier watcher, because those are not reduced again here: a watcher that resumes logs the present state instead.
"""

from itertools import zip_longest

from atvm_pipeline.core.events import (
    Event,
    RunnerExited,
    RunnerVanished,
    StopRequest,
    WatcherStarted,
    WatcherStopped,
)
from atvm_pipeline.core.local_time import local_text
from atvm_pipeline.core.messages.undelivered import LOST_OUTCOMES, last_outcomes
from atvm_pipeline.core.reason_parts import checked_hosts_note
from atvm_pipeline.core.reasons import no_spec
from atvm_pipeline.core.reducer import is_finished
from atvm_pipeline.core.results import Ledger, SubRunResult
from atvm_pipeline.core.snapshot import snapshot
from atvm_pipeline.core.state import Run, SubRun
from atvm_pipeline.core.text import format_duration, plural
from atvm_pipeline.core.verdict.exit_code_text import exit_code_text, signal_text
from atvm_pipeline.core.verdict.subrun_context import name_of, subrun_context

from .present_state import present_state
from .story_messages import Line, Naming, lost_lines, message_lines


def story_lines(before: Run, event: Event, after: Run, naming: Naming) -> list[Line]:
    """Return the lines about the change that one event made."""
    # Unchanged parts of the state are the same objects, so that an event without news costs next to nothing.
    texts = _watcher(event, after, naming)
    texts += _requests(before, event, after, naming)
    texts += _runner(before, after)
    if after.subruns is not before.subruns:
        for old, new in zip_longest(before.subruns, after.subruns):
            texts += _subrun(old, new, after) if new is not old else []
    texts += _verdict(before, after)
    lines = [Line(text) for text in texts]
    lines += message_lines(before, event, after, naming)
    if isinstance(event, WatcherStarted) and event.resumed:
        lines += lost_lines(after, naming)
    else:
        lines += [Line(text) for text in _attention(before, after)]
    return [*lines, *(Line(text) for text in _end(before, after))]


def _watcher(event: Event, after: Run, naming: Naming) -> list[str]:
    if not isinstance(event, WatcherStarted):
        return []
    run = f"{naming.address} (run {after.request.run_id})"
    if not event.resumed:
        hosts = checked_hosts_note(after.request)
        return [f"watching {run}: waiting for its runner; log {after.request.log_path}; {hosts}"]
    does = "resumed watching" if after.verdict is None else "resumed delivery of the messages of"
    does = "delivering the messages of the archived run" if "@" in naming.address else does
    return [f"{does} {run}: {present_state(snapshot(after))}"]


def _requests(before: Run, event: Event, after: Run, naming: Naming) -> list[str]:
    """Return the lines about requests of people and of the service manager."""
    texts = []
    if isinstance(event, WatcherStopped):
        again = (
            naming.typed("atvm-pipeline", "deliver", naming.address, "--background")
            if "@" in naming.address
            else naming.typed("start-atvm-run-watcher.sh", "--attach", "--build-name", naming.address)
        )
        texts.append(f"stopped by {event.why} before everything was done; to resume: {again}")
    if after.cancel is not None and before.cancel is None:
        why = f": {after.cancel.why}" if after.cancel.why else ""
        texts.append(f"the run was cancelled by {after.cancel.who or 'an unknown user'}{why}")
    return texts


def _runner(before: Run, after: Run) -> list[str]:
    texts = []
    if after.runner is not None and before.runner is None:
        texts.append(f"runner seen: process {after.runner.pid}")
    elif after.seen and not before.seen and after.exit is None:
        texts.append("runner seen by its output" if not after.processes else "runner seen by its processes")
    if after.exit is not None and before.exit is None:
        texts.append(f"{_exit(after.exit, after)}{_then(after)}")
    if after.vanished is not None and before.vanished is None:
        texts.append(f"{_vanished(after.vanished, after)}{_then(after)}")
    return texts


def _exit(exit_: RunnerExited, run: Run) -> str:
    if exit_.error is not None:
        return f"the runner was not started: {exit_.error}"
    if exit_.signal is not None:
        how = f"by {signal_text(exit_.signal)}"
    else:
        how = (
            f"with {exit_code_text(exit_.exit_code)}" if exit_.exit_code is not None else "in an unknown way"
        )
    systemd = f", systemd: {exit_.service_result}" if exit_.service_result not in (None, "success") else ""
    return f"runner ended {how}{systemd}{_stop(exit_.stop, run)}"


def _vanished(vanished: RunnerVanished, run: Run) -> str:
    why = ", because the host was rebooted" if vanished.rebooted else ""
    return f"runner gone without an exit record{why}{_stop(vanished.stop, run)}"


def _stop(stop: StopRequest | None, run: Run) -> str:
    if stop is None:
        return ""
    why = f": {stop.why}" if stop.why else ""
    at = local_text(stop.requested_at, run.utc_offset_s)
    return f", after {stop.who or 'an unknown user'} requested a stop at {at}{why}"


def _then(run: Run) -> str:
    """Return what the run waits for after the end of its runner, and for how long."""
    if run.verdict is not None:
        return ""
    if run.over_watched_s is None:
        count = len(run.processes)
        return f"; waiting for {count} {'process' if count == 1 else 'processes'}" if count else ""
    settle_s = run.request.settings.settle_s
    return (
        f"; the verdict follows in {format_duration(settle_s)}, after late reports" if settle_s >= 1 else ""
    )


def _subrun(old: SubRun | None, new: SubRun, run: Run) -> list[str]:
    texts = []
    if new.children and not (old is not None and old.children):
        described = new.children[0].described
        specs = described.specs_found if described is not None else None
        number = f" ({plural(specs, 'spec')})" if specs else ""
        name = name_of(subrun_context(run, new)).name
        texts.append(
            f"sub-run {new.index} started: {name}{number}"
            if run.request.categorized
            else f"Cypress started{number}"
        )
    # The verdict of the only sub-run is that of the run.
    if new.result is not None and (old is None or old.result is None) and run.request.categorized:
        texts.append(_ended(new.index, new.result))
    return texts


def _ended(index: int, result: SubRunResult) -> str:
    code, text = str(result.reason["code"]), result.reason["text"]
    counts = _counts(result.ledger, code)
    return f"sub-run {index} ({result.name}) ended: {result.phase} ({code}); {counts}; {text}"


def _counts(ledger: Ledger, code: str) -> str:
    """Return the counts: `3 specs: 2 passed, 1 failed`."""
    if not ledger.planned:
        return no_spec(code).lower()
    words = {
        "passed": ledger.passed,
        "failed": ledger.failed,
        "crashed": ledger.crashed,
        "pending": ledger.pending,
        "skipped": ledger.skipped,
        "without report": ledger.no_report,
        "not run": ledger.not_run,
    }
    counted = ", ".join(f"{count} {word}" for word, count in words.items() if count)
    return f"{plural(ledger.planned, 'spec')}: {counted}"


def _verdict(before: Run, after: Run) -> list[str]:
    verdict = after.verdict
    if verdict is None or before.verdict is not None:
        return []
    counts = _counts(verdict.ledger, verdict.reason.code)
    return [f"run ended: {verdict.phase} ({verdict.reason.code}); {counts}; {verdict.reason.text}"]


def _attention(before: Run, after: Run) -> list[str]:
    """Return the lines about notices that came and went; a text that only changed was logged when it came."""
    if after.notices is before.notices:
        return []
    old, new = ({notice.code: notice.text for notice in run.notices} for run in (before, after))
    came = [f"attention: {text}" for code, text in new.items() if code not in old]
    # The first sentence is enough to recognise it.
    return came + [f"attention ended: {text.split('. ')[0]}" for code, text in old.items() if code not in new]


def _end(before: Run, after: Run) -> list[str]:
    if not is_finished(after) or is_finished(before):
        return []
    posts = last_outcomes(after)
    messages = [post for post in posts if post.kind != "alert"]
    sent = sum(post.outcome == "sent" for post in messages)
    number = f"{sent} of {plural(len(messages), 'message')} sent" if messages else "no message was requested"
    lost = any(post.outcome in LOST_OUTCOMES for post in posts)
    code = "; exit code 69, because a message was not delivered" if lost else ""
    return [f"finished: {number}{code}"]
