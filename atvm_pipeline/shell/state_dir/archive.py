"""Archive of earlier runs: before a new run of the same build name starts, the earlier run is moved out of the way."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.messages.outbox import EXPIRES_S
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import Busy, free_name, is_locked, locked, make_folder, sync_folder

from .reader import phase_of, posts_pending, read_state
from .records import ExitRecord, MarkerRecord, Paths, Request, read_record
from .store import Loaded, Store, load

VERDICT_MARGIN_S = 5.0
"""Added to the time for late reports: for the last scan."""
MESSAGES_WAIT_S = 2.0
"""How long a run that has its verdict may take to deliver its messages before it is archived."""
VERDICT_POLL_S = 0.1


class ArchivedRun(NamedTuple):
    """The previous run of a build, after it was archived."""

    paths: Paths
    waiting: int = 0
    """Messages that are not settled."""
    cancelled: bool = False
    """Whether a cancel was requested before its end: its messages are dropped."""
    problem: str = ""
    """A sentence about a run that did not end as it should, "" for every other one."""


def archive_run(paths: Paths, keep: int) -> ArchivedRun | None:
    """Move the current run to `.archive/<build>/<started_at>/` and prune the archive; return what was archived.

    The newest `keep` archived runs and those with messages to deliver are kept. The caller holds the start lock and has
    stopped the watcher. Raises OSError.
    """
    if not paths.folder.exists():
        return None
    request = read_record(paths.request, Request)
    run, problem = _history(paths, request)
    make_folder(paths.archive)
    # The directory that receives the run must survive a power failure before the run is in it.
    for folder in (paths.state_root, paths.archive.parent):
        sync_folder(folder)
    stamp = request.requested_at.strftime("%Y-%m-%dT%H:%M:%SZ") if request is not None else "unknown"
    target = free_name(paths.archive / stamp)
    paths.folder.rename(target)
    for folder in (paths.archive, paths.state_root):
        sync_folder(folder)
    waiting = sum(post.outcome == "pending" for post in run.outbox) if run is not None else 0
    _prune(paths.archive, keep, spare=target if waiting else None)
    cancelled = run is not None and (run.cancel is not None or _has_unread_cancel(target, run))
    return ArchivedRun(Paths(paths.state_root, paths.build_name, target), waiting, cancelled, problem)


def await_verdict(paths: Paths) -> None:
    """Wait, up to a limit, until the watcher of a run whose runner has ended has recorded and reported its verdict."""
    request = read_record(paths.request, Request)
    if request is None or read_record(paths.runner_exit, ExitRecord, request.run_id) is None:
        return
    limit_s = request.settings.settle_s + VERDICT_MARGIN_S
    clock.wait_until(
        lambda: not is_locked(paths.watcher_lock) or phase_of(paths) in TERMINAL_PHASES,
        limit_s,
        VERDICT_POLL_S,
    )
    clock.wait_until(lambda: not is_locked(paths.watcher_lock), MESSAGES_WAIT_S, VERDICT_POLL_S)


def _history(paths: Paths, request: Request | None) -> tuple[Run | None, str]:
    """Return the run that is about to be archived, and its problem; its snapshot is brought up to date.

    Every reader finds unsettled messages in `state.json`, which a watcher that was killed may have left behind its
    journal.
    """
    if request is None:
        return None, ""
    try:
        loaded = load(paths, request.run_id)
    except (DataError, OSError):
        return None, "the history of the previous run cannot be read"
    run = loaded.run
    if run is None:
        return None, ""
    if any(post.outcome == "pending" for post in run.outbox):
        _save(paths, loaded, run)
    return run, "" if run.verdict is not None else "the previous run had not finished"


def _save(paths: Paths, loaded: Loaded, run: Run) -> None:
    """Write `state.json`. A disk that refuses it must not stop a start: the sender writes it again."""
    with (
        contextlib.suppress(OSError, Busy),
        locked(paths.watcher_lock),
        Store(paths, loaded.journal_bytes) as store,
    ):
        # A watcher that was killed may have left events that are not on disk yet. The snapshot must not be ahead of them.
        store.sync()
        store.save(run)


def _has_unread_cancel(folder: Path, run: Run) -> bool:
    with contextlib.suppress(OSError):
        marker = read_record(folder / "cancel.json", MarkerRecord, run.request.run_id)
        return marker is not None and run.verdict is None
    return False


def _prune(folder: Path, keep: int, spare: Path | None) -> None:
    """Delete all archived runs of one build except the newest `keep`, `spare`, and those with a message to deliver."""
    folders = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    folders.sort(key=_requested_ns)
    for path in folders[: max(0, len(folders) - keep)]:
        if path == spare or has_messages_to_deliver(path):
            continue
        # Its lock is held meanwhile: a sender that starts now does not find half of a run.
        with contextlib.suppress(OSError, Busy), locked(_lock_of(path)):
            shutil.rmtree(path, ignore_errors=True)


def _requested_ns(folder: Path) -> int:
    """Return when a run was requested. The time of its directory would not do: a sender writes into it."""
    request = folder / "request.json"
    return (request if request.exists() else folder).stat().st_mtime_ns


def has_messages_to_deliver(folder: Path) -> bool:
    """Return whether the sender of an archived run is running, or a message is unsettled and cannot have expired yet."""
    if is_locked(_lock_of(folder)):
        return True
    try:
        state = read_state(_paths_of(folder))
    except (DataError, OSError):
        return False
    if state is None or not posts_pending(state):
        return False
    age_s = clock.now().timestamp() - (folder / "state.json").stat().st_mtime
    return age_s < EXPIRES_S


def _paths_of(folder: Path) -> Paths:
    return Paths(folder.parents[2], folder.parent.name, folder)


def _lock_of(folder: Path) -> Path:
    return _paths_of(folder).watcher_lock
