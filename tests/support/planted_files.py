"""Shared helper for the hostile tests: puts something else in the place of a file."""

import contextlib
import os
from pathlib import Path


def laid(path: Path, kind: str, victim: Path) -> None:
    """Create something at `path` that is not the expected file."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "hard-link":
        path.hardlink_to(victim)
