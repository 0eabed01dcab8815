"""`state.json`: the run as users see it, and the facts from which a restarted watcher continues.

The keys are stable: keys may be added, and no key changes its meaning. `facts` is internal; everything else is derived
from it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from .completion import results_of
from .events import SCHEMA, ScreenshotKept
from .facts import Instant
from .history.provenance import Provenance
from .phases import Phase
from .reason_parts import checked_hosts_note, gap_notes, make_reason
from .reducer import phase_of
from .results import Forecast, HistoryRecord, HostResult, Ledger, SpecResult, SubRunResult
from .side_facts import spec_screenshots
from .state import Post, Run, SubRun
from .verdict.report_notes import run_report_notes
from .verdict.run_context import run_context
from .verdict.subrun_context import reason_dict, run_ledger


class PostView(msgspec.Struct, frozen=True, kw_only=True):
    """One message and the outcome of its delivery."""

    outcome: str
    key: str
    at: datetime
    attempts: int = 0
    marked: bool = False
    delivery_id: str = ""
    detail: str = ""
    next_attempt_at: datetime | msgspec.UnsetType = msgspec.UNSET
    """When a pending message is tried again, in full seconds; absent while an attempt is in progress."""
    post_id: str | None = None
    """The server's id of the post; None if it is not known."""
    root_id: str | None = None
    """The server's id of the post that starts the thread."""
    transport: str | None = None
    """`webhook` or `token`; None before the first attempt."""


class SubRunView(SubRunResult, frozen=True, kw_only=True):
    """One sub-run with its message."""

    post: PostView | None = None


class SubRunFile(SubRunView, frozen=True, kw_only=True):
    """`subruns/<NNN>.json`: one sub-run with the name and id of its run."""

    schema: int = SCHEMA
    build_name: str | None
    run_id: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The public object of `state.json`, `status --json` and `inspect --json`."""

    schema: int = SCHEMA
    release: str | None = None
    """The installed release that started the run."""
    build_name: str | None
    run_id: str
    scenario: str | None = None
    """The name under which the run is compared with others."""
    categorized: bool
    phase: Phase
    failing: bool
    attention: str | None
    attentions: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """All sentences that ask the operator to act, if there are several; `attention` is the first."""
    reason: dict[str, Any]
    started_at: Instant
    updated_at: Instant
    finished_at: Instant | None
    last_activity_at: Instant | None = None
    """When the log or a report last changed."""
    cancelled: dict[str, Any] | None
    requested_hosts: tuple[str, ...]
    host_check: bool
    """False if no host is requested: then the results are not compared with the request."""
    host_sources: dict[str, str] = {}
    """Requested host -> `inventory`, `pattern`, `looks-like` or `option` (--hosts)."""
    not_checked: tuple[str, ...] = ()
    """Other parts of the build name with a digit."""
    host_check_note: str = ""
    """The three above in one line, for people."""
    ledger: Ledger
    forecast: Forecast | None = None
    """The last forecast of the run's end."""
    provenance: Provenance | None = None
    history: HistoryRecord | None = None
    """The record of this run for later ones, once it was written or could not be."""
    post: PostView | None
    alerts: tuple[PostView, ...] = ()
    notes: tuple[str, ...] = ()
    ignored: int = 0
    subruns: tuple[SubRunView, ...]


class StateFile(Snapshot, frozen=True, kw_only=True):
    """The content of `state.json`: the public object and the facts behind it."""

    facts: Run


class KeptView(NamedTuple):
    """The public form of an ended sub-run, and the objects that it is derived from."""

    subrun: SubRun
    screenshots: tuple[ScreenshotKept, ...]
    view: SubRunView


KeptViews = dict[int, KeptView]
"""Index of an ended sub-run -> its public form; belongs to the one writer of a run's state."""


def snapshot(run: Run) -> Snapshot:
    """Return the run as users see it."""
    return Snapshot(**_fields(run, {}))


def state_file(run: Run, kept: KeptViews | None = None) -> StateFile:
    """Return the run as it is saved. `kept` is extended, and what it has is not derived again."""
    return StateFile(**_fields(run, {} if kept is None else kept), facts=run)


def subrun_file(state: Snapshot, subrun: SubRunView) -> SubRunFile:
    """Return the content of `subruns/<NNN>.json`."""
    return SubRunFile(
        build_name=state.build_name,
        run_id=state.run_id,
        **{name: getattr(subrun, name) for name in SubRunView.__struct_fields__},
    )


def _fields(run: Run, kept: KeptViews) -> dict[str, Any]:
    phase = phase_of(run)
    verdict = run.verdict
    results = results_of(run) if verdict is not None else run_context(run).results
    posts: dict[int | None, list[Post]] = {}
    for post in run.outbox:
        if post.kind == "subrun":
            posts.setdefault(post.subrun, []).append(post)
    subruns = tuple(_kept_view(run, result, posts.get(result.index, ()), kept) for result in results)
    ledger = verdict.ledger if verdict is not None else run_ledger(run, results)
    why = verdict.reason if verdict is not None else make_reason(phase.value.lower())
    cancel = run.cancel
    return {
        "build_name": run.request.build_name,
        "run_id": run.request.run_id,
        "release": run.request.release,
        "scenario": run.request.scenario,
        "categorized": run.request.categorized,
        "phase": phase,
        "failing": phase is Phase.FAILED or any(result.failing for result in results),
        "attention": run.notices[0].text if run.notices else None,
        "attentions": tuple(item.text for item in run.notices) if len(run.notices) > 1 else msgspec.UNSET,
        "reason": reason_dict(why),
        "started_at": run.request.at,
        "updated_at": run.at,
        "finished_at": verdict.finished_at if verdict is not None else None,
        "last_activity_at": run.progress_at,
        "cancelled": None
        if cancel is None
        else {"who": cancel.who, "why": cancel.why, "requested_at": cancel.requested_at},
        "requested_hosts": run.request.requested_hosts,
        "host_check": bool(run.request.requested_hosts),
        "host_sources": run.request.host_sources,
        "not_checked": run.request.not_checked,
        "host_check_note": checked_hosts_note(run.request),
        "ledger": ledger,
        "forecast": _forecast(run),
        "provenance": run.provenance,
        "history": _record(run),
        "post": _post_view(run, [post for post in run.outbox if post.kind == "run"]),
        "alerts": tuple(
            view for post in run.outbox if post.kind == "alert" if (view := _post_view(run, [post]))
        ),
        "notes": (*run.request.notes, *gap_notes(run), *run_report_notes(run)),
        "ignored": run.ignored,
        "subruns": subruns,
    }


def _kept_view(run: Run, result: SubRunResult, posts: Sequence[Post], kept: KeptViews) -> SubRunView:
    """Return the public form of a sub-run, the same object as before if nothing that it shows has changed."""
    subrun, post = run.subruns[result.index - 1], _post_view(run, posts)
    old = kept.get(result.index)
    if (
        old is not None
        and old.subrun is subrun
        and old.screenshots is run.screenshots
        and old.view.post == post
    ):
        return old.view
    result = _with_screenshots(run, result)
    view = SubRunView(post=post, **{name: getattr(result, name) for name in SubRunResult.__struct_fields__})
    if subrun.result is not None:
        kept[result.index] = KeptView(subrun, run.screenshots, view)
    return view


def _forecast(run: Run) -> Forecast | None:
    if not run.forecasts:
        return None
    last = run.forecasts[-1]
    return Forecast(
        made_at=last.at,
        at_share=last.at_share,
        low_at=last.low_at,
        mid_at=last.mid_at,
        high_at=last.high_at,
        from_runs=last.from_runs,
    )


def _record(run: Run) -> HistoryRecord | None:
    record = run.recorded
    if record is None:
        return None
    return HistoryRecord(name=record.name, bytes=record.bytes, left_out=record.left_out, error=record.error)


def _with_screenshots(run: Run, result: SubRunResult) -> SubRunResult:
    """Return a sub-run with the screenshots of its specs, which may be saved after its verdict."""
    subrun = run.subruns[result.index - 1]
    shots = spec_screenshots(run, subrun)
    if not shots:
        return result
    specs = [spec for child in subrun.children for spec in child.specs]
    by_place = {
        (spec.spec, spec.box_offset if spec.box_offset is not None else spec.offset): shots[spec.offset]
        for spec in specs
        if spec.offset in shots
    }
    return replace(
        result,
        specs=tuple(
            replace(spec, screenshots=by_place[place])
            if (place := (spec.spec, spec.offset)) in by_place
            else spec
            for spec in result.specs
        ),
    )


def _post_view(run: Run, posts: Sequence[Post]) -> PostView | None:
    """Return the last of a post and its manual repeats."""
    if not posts:
        return None
    post = posts[-1]
    return PostView(
        outcome=post.outcome,
        key=post.key,
        at=post.settled_at or post.asked_at,
        attempts=post.attempts,
        marked=post.marked,
        delivery_id=post.delivery_id,
        detail=post.detail,
        next_attempt_at=_next_attempt_at(run, post),
        post_id=post.post_id,
        root_id=post.root_id,
        transport=post.transport,
    )


def _next_attempt_at(run: Run, post: Post) -> datetime | msgspec.UnsetType:
    if post.outcome != "pending" or post.in_flight or post.pinging:
        return msgspec.UNSET
    try:
        wait = timedelta(seconds=max(0.0, post.due_watched_s - run.watched_s))
        return (run.at + wait).replace(microsecond=0)
    except OverflowError:  # a damaged state may have any number here
        return msgspec.UNSET


__all__ = ["HostResult", "Snapshot", "SpecResult", "StateFile", "snapshot", "state_file", "subrun_file"]
