"""A clean start for a build name: the stale run is moved aside, whole, and nothing of it is seen again."""

import os
import shutil
from pathlib import Path

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.state import Run

from .files import make_folder, sync_folder
from .records import Paths, Request, read_record
from .store import load


def archive(paths: Paths, keep: int) -> str | None:
    """Move what is there to `.archive/<build>/<started_at>/`, keep the newest `keep`.

    Gives one line if a message of that run was not settled. The caller holds the start lock and has stopped the
    watcher. Raises OSError.
    """
    if not paths.folder.exists():
        return None
    request = read_record(paths.request, Request)
    notice = _unsettled(paths, request) if request is not None else None
    make_folder(paths.archive)
    stamp = request.requested_at.strftime("%Y-%m-%dT%H:%M:%SZ") if request is not None else "unknown"
    target = _free_name(paths.archive / stamp)
    paths.folder.rename(target)
    sync_folder(paths.state_root)
    _prune(paths.archive, keep)
    return notice.replace("{where}", str(target)) if notice is not None else None


def _unsettled(paths: Paths, request: Request) -> str | None:
    try:
        run: Run | None = load(paths, request.run_id).run
    except (DataError, OSError):
        return None
    waiting = [post for post in run.outbox if post.outcome == "pending"] if run is not None else []
    if not waiting:
        return None
    return (
        f"{len(waiting)} message(s) of the earlier run were not delivered; they lie in {{where}} "
        f"and can be resent with: atvm-pipeline resend {paths.build_name} --archived {{where}}"
    )


def _free_name(path: Path) -> Path:
    candidate = path
    number = 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate


def _prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` archived runs of one build."""
    kept = sorted(
        (entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)),
        key=lambda e: e.stat().st_mtime_ns,
    )
    for entry in kept[: max(0, len(kept) - keep)]:
        shutil.rmtree(entry.path, ignore_errors=True)
