"""Delivery of the messages of an archived run, after a new run of its build has started.

The sender is a watcher without sources: same lock, journal, fold and order of writing and acting (`loop.py`). It can be
killed at any moment and started again. Nothing but the messages of the run changes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.events import CancelRequested, Event
from atvm_pipeline.core.messages import outbox
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import MarkerRecord, Paths, Request, read_record
from atvm_pipeline.shell.state_dir.store import load
from atvm_pipeline.shell.system import clock

from .service import RunProcess, crashed_deliveries, report_ready, watcher_started


def deliver_archived(paths: Paths, request: Request, environ: Mapping[str, str]) -> Run:
    """Deliver the messages of an archived run until each is settled, or until a signal; return the run.

    A cancel that no watcher has read is recorded first, because it drops the messages. The caller holds the run's lock.
    Raises ConfigError, DataError, OSError.
    """
    loaded = load(paths, request.run_id)
    known = loaded.run
    if known is None:
        raise DataError(f"cannot deliver the messages of {paths.folder}: it has no journal of this run")
    if not outbox.pending(known):
        return known
    process = RunProcess(paths, request, environ)
    with process.opened(loaded) as store:
        loop = process.loop(store, known)
        if loaded.journal_bytes == 0:
            process.retried(lambda: store.append([known.request]), "append to")
        record = process.started(loop)
        loop.feed(_unread_cancel(paths, known))
        # A run that has a verdict needs no mark: nothing else of it can change.
        archived = loop.run.verdict is None
        loop.feed([watcher_started(record, resumed=True, archived=archived)])
        loop.feed(crashed_deliveries(known))
        loop.follow(NoSources(), on_ready=lambda: report_ready(loop, paths, record))
    return loop.run


class NoSources:
    """The sources of an archived run, whose log and processes nothing reads any more."""

    def gather(self, _hinted: set[Path] | None, /) -> Iterable[Event]:
        """Yield nothing."""
        return ()


def _unread_cancel(paths: Paths, run: Run) -> list[CancelRequested]:
    """Return the cancel that was requested before the run ended and that no watcher has read."""
    marker = read_record(paths.cancel, MarkerRecord, run.request.run_id)
    if marker is None or run.verdict is not None or run.archived:
        return []
    return [CancelRequested(at=clock.now(), who=marker.who, why=marker.why, requested_at=marker.requested_at)]
