"""Whether a state root can be written, as a reader sees it: a watcher on a full disk cannot store that it is full."""

import os
from pathlib import Path

FULL_BYTES = 256 * 1024
"""With less free space, a snapshot or a batch of events does not fit."""


def disk_problem(state_root: Path) -> str | None:
    """Return a text about a disk that takes no more data, such as `the disk of /var/lib/x is full`; None if it does."""
    try:
        disk = os.statvfs(state_root)
    except OSError:
        return None
    if disk.f_flag & os.ST_RDONLY:
        return f"the file system of {state_root} is read-only"
    # Not f_bfree: the watcher's service has no capability, so the reserved blocks are not for it.
    if disk.f_bavail * disk.f_frsize < FULL_BYTES:
        return f"the disk of {state_root} is full"
    if disk.f_files and not disk.f_favail:
        return f"the disk of {state_root} has no free inode"
    return None


def behind_s(state: Path, log: Path) -> float:
    """Return by how many seconds a state file is older than the log that it describes; 0 if it is not, or not known."""
    try:
        return max(0.0, log.stat().st_mtime - state.stat().st_mtime)
    except (OSError, ValueError):
        return 0.0
