"""Rotated files next to a log, and their order. Reads no content.

The names are those of logrotate(8): `runner.log.1` is newer than `runner.log.2`, and dates sort by themselves. A
compressed file (`.gz`) can no longer be read here.
"""

import os
import re
import stat
from itertools import islice
from pathlib import Path
from typing import NamedTuple

SIBLINGS_MAX = 2000
"""Limit for names in the directory of a log."""
ROTATED = re.compile(
    r"(?:[.\-_](?P<number>\d{1,4})|[.\-_]\d[\d.\-_T:Z]*|\.old)(?P<packed>\.(?:gz|xz|bz2|zst|lz4|Z))?"
)
"""The part after the log's own name. It is narrow, so that the log of another build is not taken for a part of this
one."""
EXTENSION = re.compile(r"\.[A-Za-z]\w*\Z")
"""The required end of a log's name: with a log `e2e-redhat9`, the file `e2e-redhat9.6` belongs to another build."""


class RotatedFile(NamedTuple):
    """One rotated file, as it was listed."""

    path: Path
    device: int
    inode: int
    size: int
    mtime_ns: int
    number: int | None
    """N of `runner.log.N`: a higher number is older. None for other names."""
    packed: bool

    @property
    def version(self) -> tuple[int, int, int]:
        """Inode, size and time: an unchanged file keeps them under every name."""
        return (self.inode, self.size, self.mtime_ns)

    @property
    def order(self) -> tuple[int, int, str]:
        """Sort key, oldest first."""
        return (self.mtime_ns, -(self.number or 0), self.path.name)

    def is_after(self, other: "RotatedFile") -> bool:
        """Return whether this file was started after `other` was finished: by their numbers, else by time and name."""
        if self.number is not None and other.number is not None:
            return self.number < other.number
        return self.order > other.order


def list_rotated(folder: Path, log: str) -> list[RotatedFile]:
    """Return the rotated files of the log named `log` in `folder`, oldest first; none for a log without an extension.

    Raises OSError if the directory cannot be listed.
    """
    if EXTENSION.search(log) is None:
        return []
    with os.scandir(folder) as entries:
        names = [
            (entry.name, found)
            for entry in islice(entries, SIBLINGS_MAX)
            if entry.name.startswith(log) and (found := ROTATED.fullmatch(entry.name, len(log)))
        ]
    files = [_rotated_file(folder / name, found) for name, found in names]
    listed = [file for file in files if file is not None]
    if all(file.number is not None for file in listed):
        return sorted(listed, key=lambda file: -(file.number or 0))
    return sorted(listed, key=lambda file: file.order)


def is_file(path: Path) -> int | None:
    """Return the inode of the regular file at `path`; None if it does not exist."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino if stat.S_ISREG(status.st_mode) else None


def _rotated_file(path: Path, found: re.Match[str]) -> RotatedFile | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return RotatedFile(
        path=path,
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        number=int(found["number"]) if found["number"] else None,
        packed=found["packed"] is not None,
    )
