"""The state root does not grow for ever: of the builds that are over, the newest are kept.

A build is deleted whole or not at all, and only while its three locks are held: nobody starts, watches or runs it.
What a person may still want to act on is never deleted: a run without an end, a message that waits, a state that
cannot be read.
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

from .archive import needs_verdict
from .reader import posts_pending, read_state
from .records import Paths

DELETED = ".deleted"
"""In the state root: what is being deleted, or was when the power went."""
SIZED_MAX = 200_000
"""Names in the state root whose sizes are added up."""


class DiskUsage(NamedTuple):
    """How much lies in a state root."""

    builds: int
    size: int
    """Bytes on the disk."""
    whole: bool
    """Whether everything was looked at."""


def disk_usage(state_root: Path) -> DiskUsage:
    """What is kept of all runs.  Never raises: what cannot be read counts nothing."""
    size = 0
    waiting = [state_root]
    looked = 0
    while waiting and looked < SIZED_MAX:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in islice(entries, SIZED_MAX - looked):
                looked += 1
                with contextlib.suppress(OSError):
                    # A hole takes no room.
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
    return DiskUsage(len(_names(state_root)), size, looked < SIZED_MAX)


def prune_builds(state_root: Path, keep: int, spare: str) -> list[str]:
    """Delete the builds that are over and are not among the `keep` whose state changed last; gives their names, sorted.

    With a build go its archived runs and its locks.  `spare` is the build that is being started.  Never raises: a start
    must not fail for it.
    """
    names = sorted(_names(state_root) - {spare}, key=lambda name: (_changed_at(state_root, name), name))
    deleted = []
    for name in names[: max(0, len(names) - keep)]:
        with contextlib.suppress(OSError, Busy):
            if _delete(Paths(state_root, name)):
                deleted.append(name)
    # Beside the locks: a build of that name may be started meanwhile.
    shutil.rmtree(state_root / DELETED, ignore_errors=True)
    return sorted(deleted)


def _names(state_root: Path) -> set[str]:
    """Every build of which anything is kept."""
    found: set[str] = set()
    for folder in (state_root, state_root / ".archive"):
        with contextlib.suppress(OSError):
            found |= {entry.name for entry in folder.iterdir() if entry.is_dir() or entry.is_symlink()}
    return {name for name in found if valid_build_name(name)}


def _changed_at(state_root: Path, name: str) -> float:
    """When a build was last written to, in seconds since 1970."""
    times = [0.0]
    for path in (state_root / name / "state.json", state_root / name, state_root / ".archive" / name):
        with contextlib.suppress(OSError):
            times.append(path.lstat().st_mtime)
    return max(times)


def _delete(paths: Paths) -> bool:
    """Delete one build if it is over.  Raises Busy, OSError."""
    if not _is_over(paths):
        return False
    with locked(paths.start_lock), locked(paths.watcher_lock), locked(paths.runner_lock):
        if not _is_over(paths):
            return False
        for folder in (paths.folder, paths.archive):
            _move_away(folder, paths.state_root)
        for lock in (paths.runner_lock, paths.watcher_lock, paths.start_lock):
            lock.unlink(missing_ok=True)
    return not paths.folder.exists()


def _move_away(folder: Path, state_root: Path) -> None:
    """Let a folder be there no more, at once for whoever looks.  Raises OSError.

    A part of a build, left by a power cut, would look like a run that nobody watched yet, and be watched and told anew.
    """
    if folder.is_symlink():
        # It lies where somebody wanted it: only our link to it goes.
        folder.unlink()
    elif folder.exists():
        make_folder(state_root / DELETED)
        folder.rename(free_name(state_root / DELETED / folder.name))
        sync_folder(state_root)


def _is_over(paths: Paths) -> bool:
    """Whether nothing is left to do for a build, and nothing to look at."""
    with contextlib.suppress(OSError):
        if any(needs_verdict(folder) for folder in paths.archive.iterdir()):
            return False
    if not paths.folder.exists():
        return True
    try:
        state = read_state(paths)
    except (DataError, OSError):
        return False
    return state is not None and state["phase"] in TERMINAL_PHASES and not posts_pending(state)
