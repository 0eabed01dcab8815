"""Archive of earlier runs: before a new run of the same build name starts, the earlier run is moved out of the way."""

import os
import shutil
from pathlib import Path

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.messages.outbox import EXPIRES_S
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import free_name, is_locked, make_folder, sync_folder

from .reader import posts_pending, read_state
from .records import ExitRecord, Paths, Request, read_record
from .store import load

VERDICT_MARGIN_S = 5.0
"""Added to the time for late reports: for the last scan, and for a message that is being delivered."""
VERDICT_POLL_S = 0.1


def archive_run(paths: Paths, keep: int) -> str | None:
    """Move the current run to `.archive/<build>/<started_at>/` and prune the archive.

    The newest `keep` archived runs and those with messages that can be resent are kept.

    Returns one line of text if a message of that run was not settled. The caller holds the start lock and has stopped
    the watcher. Raises OSError.
    """
    if not paths.folder.exists():
        return None
    request = read_record(paths.request, Request)
    notice = _unsettled(paths, request) if request is not None else None
    make_folder(paths.archive)
    stamp = request.requested_at.strftime("%Y-%m-%dT%H:%M:%SZ") if request is not None else "unknown"
    target = free_name(paths.archive / stamp)
    paths.folder.rename(target)
    sync_folder(paths.state_root)
    _prune(paths.archive, keep)
    return notice.replace("{where}", str(target)) if notice is not None else None


def await_verdict(paths: Paths) -> None:
    """Wait, up to a limit, until the watcher of a run whose runner has ended has recorded and reported its verdict."""
    request = read_record(paths.request, Request)
    if request is None or read_record(paths.runner_exit, ExitRecord, request.run_id) is None:
        return
    limit_s = request.settings.settle_s + VERDICT_MARGIN_S
    clock.wait_until(lambda: not is_locked(paths.watcher_lock), limit_s, VERDICT_POLL_S)


def _unsettled(paths: Paths, request: Request) -> str | None:
    """Return one line about what the earlier run did not report; None if it reported everything."""
    try:
        run = load(paths, request.run_id).run
    except (DataError, OSError):
        return "the history of the earlier run cannot be read; it is kept in {where}"
    if run is None:
        return None
    waiting = sum(1 for post in run.outbox if post.outcome == "pending")
    parts = [] if run.verdict is not None else ["the earlier run ended without a final verdict"]
    if waiting:
        messages = "1 message" if waiting == 1 else f"{waiting} messages"
        parts += [f"{messages} of the earlier run {'was' if waiting == 1 else 'were'} not delivered"]
    if not parts:
        return None
    resend = f"; resend with: atvm-pipeline resend {paths.build_name} --archived {{where}}" if waiting else ""
    return f"{' and '.join(parts)}; it is kept in {{where}}{resend}"


def _prune(folder: Path, keep: int) -> None:
    """Delete all archived runs of one build except the newest `keep` and those with a message that can still be resent."""
    kept = sorted(
        (entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)),
        key=lambda e: e.stat().st_mtime_ns,
    )
    for entry in kept[: max(0, len(kept) - keep)]:
        if not needs_verdict(Path(entry.path)):
            shutil.rmtree(entry.path, ignore_errors=True)


def needs_verdict(folder: Path) -> bool:
    """Return whether an archived run has an unsettled message that is not yet old enough to have expired."""
    try:
        state = read_state(Paths(folder.parents[2], folder.parent.name, folder))
    except (DataError, OSError):
        return False
    if state is None or not posts_pending(state):
        return False
    age_s = clock.now().timestamp() - (folder / "state.json").stat().st_mtime
    return age_s < EXPIRES_S
