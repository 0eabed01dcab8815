"""Which file follows on the one that was read: the rotated ones that nobody has met yet, the oldest first, then the log.

A log may be rotated more than once between two looks.  Where it cannot be shown that nothing lay in between, it is
said: an unknown loss is better than a silent one.
"""

import os
from collections import deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.events import LogIdentity

from .log_file import LogFile, closed_on_error
from .rotated_files import SIBLINGS_MAX, RotatedFile, is_file, list_rotated

LEFT_MAX = 64
"""Files remembered that were read to their end and lie beside the log."""
LISTINGS_MAX = 5
"""Listings in one look: files may be renamed while they are listed."""


class NextFile(NamedTuple):
    """The file to go on with."""

    file: LogFile | None
    """None: there was one, and it cannot be read."""
    whole: bool
    """Whether nothing can have been written between the old file and this one."""


class RotationTracker:
    """The files of one log, one after another.  A file that was deleted between two looks leaves no trace to find."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: set[tuple[int, int, int]] = set()
        """Versions of rotated files that are no successors."""
        self._left: deque[LogIdentity] = deque(maxlen=LEFT_MAX)
        self._targets: set[int] | None = None
        """Inodes beside the file that the log links to; None where it is no link."""

    def begin(self, current: LogFile) -> None:
        """`current` is followed from now on: what lies beside and is older is no successor.  Raises OSError."""
        at_name = _is_at(current, self._path)
        modified_ns = current.modified_ns()
        listed = _listed(self._path.parent, self._path.name)
        own = _own(current, listed)
        self._before = {
            file.version
            for file in listed
            if at_name or not (file.is_after(own) if own is not None else file.mtime_ns > modified_ns)
        }
        self._left.clear()
        targets = _targets(self._path)
        self._targets = (
            None
            if targets is None
            else {inode for inode, mtime_ns in targets.items() if at_name or mtime_ns < modified_ns}
        )

    def leave(self, old: LogIdentity, new: LogFile | None) -> None:
        """`old` was read to its end and `new` is followed from now on.  Raises OSError."""
        if new is not None and _is_at(new, self._path):
            self.begin(new)
        elif old.head_bytes:
            # An empty one is known by its inode alone, which another file may have by now.
            self._left.append(old)

    def waits(self, current: LogFile) -> bool:
        """Whether a file with something in it seems to follow on `current` by now."""
        try:
            if current.is_at(self._path):
                return False
            if self._path.stat().st_size > 0:
                return True
        except OSError:
            pass
        return bool(self._candidates(current))

    def next(self, current: LogFile) -> NextFile | None:
        """The file to go on with, `current` having been read to its end; None if there is none yet.  Raises OSError."""
        for _ in range(LISTINGS_MAX):
            log = self._open_log(current)
            try:
                found = self._oldest(current, log)
            except OSError:
                found = None
            if found is not None and (found.file is not None or not found.whole):
                if log is not None and found.file is not log:
                    log.close()
                return found
            if log is not None:
                log.close()
            if found is not None:
                return None
        return None

    def _open_log(self, current: LogFile) -> LogFile | None:
        """The file under the log's name, if it is another one and there is something in it."""
        log = LogFile.open(self._path)
        if log is None:
            return None
        with closed_on_error(log):
            if log.inode != current.inode and log.size():
                return log
        log.close()
        return None

    def _oldest(self, current: LogFile, log: LogFile | None) -> NextFile | None:
        """The first of all files that follow; None if they were renamed under our hands."""
        readable = True
        for beside in self._candidates(current):
            if log is not None and beside.inode == log.inode:
                continue
            file = None if beside.packed else LogFile.open(beside.path)
            if file is None and is_file(beside.path) == beside.inode:
                readable = False
                continue
            if file is None:
                return None
            with closed_on_error(file):
                if file.inode == beside.inode and not self._is_known(file, current):
                    return NextFile(file, readable and self._is_whole(current, beside.number))
            file.close()
            if file.inode != beside.inode:
                return None
            self._before.add(beside.version)
        if log is None:
            return NextFile(None, readable)
        return NextFile(log, readable and self._is_whole(current, 0))

    def _candidates(self, current: LogFile) -> list[RotatedFile]:
        """The rotated files that may follow on `current`, the oldest first: those that nobody has met."""
        listed = _listed(self._path.parent, self._path.name)
        own = _own(current, listed)
        modified_ns = current.modified_ns()

        def is_later(file: RotatedFile) -> bool:
            if own is None:
                return file.mtime_ns > modified_ns
            # A copy that was made while it was followed bears a higher number.
            return own.number is None or file.number is None or file.is_after(own)

        return [
            file
            for file in listed
            if file.inode != current.inode
            and file.size
            and file.version not in self._before
            and is_later(file)
        ]

    def _is_known(self, file: LogFile, current: LogFile) -> bool:
        """Whether it was read already, or is a copy of what was read."""
        return any(file.matches(identity) for identity in self._left) or file.is_begin_of(current)

    def _is_whole(self, current: LogFile, number: int | None) -> bool:
        """Whether nothing can lie between `current` and the rotated file with `number` (0: the log itself)."""
        place = current.path()
        if place is None:
            # It was deleted: others may have been too.
            return False
        if self._is_link():
            return self._are_targets_known(current)
        if place.parent != Path(os.path.realpath(self._path.parent)):
            # The folder was replaced, or the rotation moves the old files elsewhere (`olddir`).
            return False
        listed = _listed(place.parent, self._path.name)
        own = _own(current, listed)
        if own is None:
            # A name that no rotation gives: others may have gone the same way.
            return False
        if own.number is None or number is None:
            return True
        present = {file.number for file in listed}
        return all(between in present for between in range(number + 1, own.number))

    def _is_link(self) -> bool:
        return self._targets is not None or self._path.is_symlink()

    def _are_targets_known(self, current: LogFile) -> bool:
        """Whether no other file has come beside the file that the log links to."""
        targets = _targets(self._path)
        if targets is None or self._targets is None or current.inode not in targets:
            return False
        return len(set(targets) - self._targets - {current.inode}) <= 1


def _is_at(file: LogFile, path: Path) -> bool:
    try:
        return file.is_at(path)
    except OSError:
        return False


def _listed(folder: Path, name: str) -> list[RotatedFile]:
    try:
        return list_rotated(folder, name)
    except OSError:
        return []


def _own(current: LogFile, listed: Iterable[RotatedFile]) -> RotatedFile | None:
    return next((file for file in listed if file.inode == current.inode), None)


def _targets(path: Path) -> dict[int, int] | None:
    """Inode -> time of last writing, in nanoseconds, of the files beside the one that `path` links to; None: no link."""
    if not path.is_symlink():
        return None
    found: dict[int, int] = {}
    try:
        with os.scandir(os.path.realpath(path.parent / path.readlink().parent)) as entries:
            for entry in islice(entries, SIBLINGS_MAX):
                if entry.is_file(follow_symlinks=False):
                    found[entry.inode()] = entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return {}
    return found
