"""Retention: keeps the newest finished builds and deletes the others, to bound the size of the state root.

A build is deleted completely or not at all, and only while its three locks are held, so that no process starts, watches
or runs it. Builds that may still need an action of the operator are never deleted: a run that has not ended, an
unsettled message, a state that cannot be read.
"""

import contextlib
import os
import shutil
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.hosts.host_names import valid_build_name
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.system.files import Busy, free_name, locked, make_folder, sync_folder

from .archive import has_messages_to_deliver
from .reader import posts_pending, read_state
from .records import Paths

DELETED = ".deleted"
"""In the state root: builds that are being deleted, or were when the host lost power."""
SIZED_MAX = 200_000
"""Limit for the names in the state root whose sizes are added up."""


class DiskUsage(NamedTuple):
    """Disk usage of a state root."""

    builds: int
    size: int
    """Bytes on disk."""
    complete: bool
    """Whether all files were counted."""


def disk_usage(state_root: Path) -> DiskUsage:
    """Return the disk usage of all runs. Never raises: a file that cannot be read counts as 0."""
    size = 0
    waiting = [state_root]
    seen = 0
    while waiting and seen < SIZED_MAX:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in islice(entries, SIZED_MAX - seen):
                seen += 1
                with contextlib.suppress(OSError):
                    # Holes of a sparse file use no disk space.
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
    return DiskUsage(len(_names(state_root)), size, seen < SIZED_MAX)


def prune_builds(state_root: Path, keep: int, spare: str) -> list[str]:
    """Delete finished builds except the `keep` whose state changed last; return the names of the deleted ones, sorted.

    The archived runs and the locks of a build are deleted with it. `spare` is the build that is being started. Never
    raises, because a start must not fail because of the cleanup.
    """
    names = sorted(_names(state_root) - {spare}, key=lambda name: (_changed_at(state_root, name), name))
    deleted = []
    for name in names[: max(0, len(names) - keep)]:
        with contextlib.suppress(OSError, Busy):
            if _delete(Paths(state_root, name)):
                deleted.append(name)
    # Deleted without the locks: a build of that name may already be starting again.
    shutil.rmtree(state_root / DELETED, ignore_errors=True)
    return sorted(deleted)


def _names(state_root: Path) -> set[str]:
    """Return the names of all builds of which anything is stored."""
    found: set[str] = set()
    for folder in (state_root, state_root / ".archive"):
        with contextlib.suppress(OSError):
            found |= {entry.name for entry in folder.iterdir() if entry.is_dir() or entry.is_symlink()}
    return {name for name in found if valid_build_name(name)}


def _changed_at(state_root: Path, name: str) -> float:
    """Return when a build was last written to, in seconds since 1970."""
    times = [0.0]
    for path in (state_root / name / "state.json", state_root / name, state_root / ".archive" / name):
        with contextlib.suppress(OSError):
            times.append(path.lstat().st_mtime)
    return max(times)


def _delete(paths: Paths) -> bool:
    """Delete one build if it is finished; return whether it was deleted. Raises Busy, OSError."""
    if not _is_over(paths):
        return False
    with locked(paths.start_lock), locked(paths.watcher_lock), locked(paths.runner_lock):
        if not _is_over(paths):
            return False
        for folder in (paths.folder, paths.archive):
            _remove(folder, paths.state_root)
        for lock in (paths.runner_lock, paths.watcher_lock, paths.start_lock):
            lock.unlink(missing_ok=True)
    return not paths.folder.exists()


def _remove(folder: Path, state_root: Path) -> None:
    """Remove a directory atomically: rename it out of view; the caller deletes it later. Raises OSError.

    A partially deleted build, left by a power failure, would look like a run that is not watched yet. It would be
    watched and reported again.
    """
    if folder.is_symlink():
        # The operator has moved it to another place: only the link is removed.
        folder.unlink()
    elif folder.exists():
        make_folder(state_root / DELETED)
        folder.rename(free_name(state_root / DELETED / folder.name))
        sync_folder(state_root)


def _is_over(paths: Paths) -> bool:
    """Return whether a build has nothing left to do and nothing left for the operator."""
    with contextlib.suppress(OSError):
        if any(has_messages_to_deliver(folder) for folder in paths.archive.iterdir()):
            return False
    if not paths.folder.exists():
        return True
    try:
        state = read_state(paths)
    except (DataError, OSError):
        return False
    return state is not None and state["phase"] in TERMINAL_PHASES and not posts_pending(state)
