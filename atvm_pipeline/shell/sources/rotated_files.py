"""The files that a rotation left beside a log: which there are, and which came after a given one.  Reads no content.

Rotations as logrotate(8) does them: `runner.log.1` is younger than `runner.log.2`, dates sort by themselves, and a
packed file (`.gz`) is one that can no longer be read here.
"""

import os
import re
import stat
from itertools import islice
from pathlib import Path
from typing import NamedTuple

SIBLINGS_MAX = 2000
"""Names of a log's folder that are looked at."""
ROTATED = re.compile(
    r"(?:[.\-_](?P<number>\d{1,4})|[.\-_]\d[\d.\-_T:Z]*|\.old)(?P<packed>\.(?:gz|xz|bz2|zst|lz4|Z))?"
)
"""What follows the log's own name.  Narrow: the log of another build must not be taken for a part of this one."""
EXTENSION = re.compile(r"\.[A-Za-z]\w*\Z")
"""How a log's name must end for that: beside a log `e2e-redhat9`, `e2e-redhat9.6` is another build's."""


class RotatedFile(NamedTuple):
    """One rotated file, as it was listed."""

    path: Path
    device: int
    inode: int
    size: int
    mtime_ns: int
    number: int | None
    """N of `runner.log.N`: the higher, the older.  None for other names."""
    packed: bool

    @property
    def version(self) -> tuple[int, int, int]:
        """Inode, size and time: a file that is not written to keeps them under every name."""
        return (self.inode, self.size, self.mtime_ns)

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts the oldest first."""
        return (self.mtime_ns, -(self.number or 0), self.path.name)

    def is_after(self, other: "RotatedFile") -> bool:
        """Whether this one was begun after `other` was left: by their numbers, else by time and name."""
        if self.number is not None and other.number is not None:
            return self.number < other.number
        return self.order > other.order


def list_rotated(folder: Path, log: str) -> list[RotatedFile]:
    """The rotated files of a log called `log` in `folder`, the oldest first; none of a log without an extension.

    Raises OSError if the folder cannot be listed.
    """
    if EXTENSION.search(log) is None:
        return []
    with os.scandir(folder) as entries:
        names = [
            (entry.name, found)
            for entry in islice(entries, SIBLINGS_MAX)
            if entry.name.startswith(log) and (found := ROTATED.fullmatch(entry.name, len(log)))
        ]
    files = [_beside(folder / name, found) for name, found in names]
    listed = [file for file in files if file is not None]
    if all(file.number is not None for file in listed):
        return sorted(listed, key=lambda file: -(file.number or 0))
    return sorted(listed, key=lambda file: file.order)


def is_file(path: Path) -> int | None:
    """The inode of the regular file at `path`; None if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino if stat.S_ISREG(status.st_mode) else None


def _beside(path: Path, found: re.Match[str]) -> RotatedFile | None:
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
