"""The closing message of a categorized run: information that no sub-run's message contains.

With `ATVM_WATCHER_CLOSING_POST=always` a run without such information gets a closing message too.
"""

from atvm_pipeline.core.events import RunnerExited
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.reason_parts import gap_notes, hosts_named, make_reason
from atvm_pipeline.core.results import SubRunResult
from atvm_pipeline.core.state import Run, Verdict
from atvm_pipeline.core.verdict.failed_subruns import late_failure
from atvm_pipeline.core.verdict.subrun_context import hosts_without_spec

from .payload import has_note


def closing_sentences(run: Run, verdict: Verdict, results: tuple[SubRunResult, ...]) -> tuple[str, ...]:
    """Return the sentences about the end of the run that the messages of the sub-runs do not contain.

    Examples: a host that never ran, a runner that failed, a hang between groups, a sub-run that failed after its message.
    """
    if verdict.phase is Phase.COMPLETED:
        # Without a sub-run, only the reports decided, and no message was requested yet.
        return () if results else (verdict.reason.text,)
    if all(result.phase != verdict.phase for result in results):
        return (verdict.reason.text,)
    if verdict.phase is not Phase.FAILED:
        return ()
    late = [
        f"{result.name} was COMPLETED, but a failure was found later: {found.text}"
        for result in results
        if (found := late_failure(run, result)) is not None
    ]
    return (*late, *_not_started(run.exit), *_nothing_ran(run, results))


def closing_notes(run: Run) -> tuple[str, ...]:
    """Return the notes about the run that no sub-run's message contains."""
    posts = [post.payload for post in run.outbox if post.kind == "subrun"]
    notes = (*gap_notes(run), *run.request.notes)
    return tuple(note for note in notes if not any(has_note(payload, note) for payload in posts))


def _not_started(exit_: RunnerExited | None) -> tuple[str, ...]:
    if exit_ is None or exit_.error is None:
        return ()
    return (make_reason("runner-not-started", detail=exit_.error).text,)


def _nothing_ran(run: Run, results: tuple[SubRunResult, ...]) -> tuple[str, ...]:
    hosts = hosts_without_spec(run, results)
    return (f"Nothing ran for {hosts_named(hosts)}.",) if hosts else ()
