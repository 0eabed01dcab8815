"""Order of the files of a rotated log: the rotated files not seen before, oldest first, then the log itself.

A log may be rotated more than once between two reads. If it cannot be proven that no file was missed in between, that
is reported: an unknown loss is better than a silent one.
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
"""Limit for remembered files that were read to their end and are next to the log."""
LISTINGS_MAX = 5
"""Listings of one search: files may be renamed while they are being listed."""


class NextFile(NamedTuple):
    """The next file to read."""

    file: LogFile | None
    """None: the file exists and cannot be read."""
    complete: bool
    """Whether it is certain that nothing was written between the old file and this one."""


class RotationTracker:
    """Tracks the files of one log. A file that was created and deleted between two reads leaves no trace."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: set[tuple[int, int, int]] = set()
        """Versions of rotated files that do not follow the current file."""
        self._done: deque[LogIdentity] = deque(maxlen=LEFT_MAX)
        self._targets: set[int] | None = None
        """Inodes in the directory of the file that the log links to; None if the log is not a link."""

    def follow(self, current: LogFile) -> None:
        """Follow `current` from now on; existing older files do not count as following it. Raises OSError."""
        at_name = _is_at(current, self._path)
        modified_ns = current.modified_ns()
        listed = _listed(self._path.parent, self._path.name)
        own = _entry_of(current, listed)
        self._before = {
            file.version
            for file in listed
            if at_name or not (file.is_after(own) if own is not None else file.mtime_ns > modified_ns)
        }
        self._done.clear()
        targets = _targets(self._path)
        self._targets = (
            None
            if targets is None
            else {inode for inode, mtime_ns in targets.items() if at_name or mtime_ns < modified_ns}
        )

    def mark_done(self, old: LogIdentity, new: LogFile | None) -> None:
        """Record that `old` was read to its end and `new` is followed from now on. Raises OSError."""
        if new is not None and _is_at(new, self._path):
            self.follow(new)
        elif old.head_bytes:
            # An empty file is identified by its inode only, which another file may have by now.
            self._done.append(old)

    def has_next(self, current: LogFile) -> bool:
        """Return whether a file with content seems to follow `current`."""
        try:
            if current.is_at(self._path):
                return False
            if self._path.stat().st_size > 0:
                return True
        except OSError:
            pass
        return bool(self._candidates(current))

    def next(self, current: LogFile) -> NextFile | None:
        """Return the file to read after `current`, which was read to its end; None if there is no such file yet.

        Raises OSError.
        """
        for _ in range(LISTINGS_MAX):
            log = self._open_log(current)
            try:
                found = self._oldest(current, log)
            except OSError:
                found = None
            if found is not None and (found.file is not None or not found.complete):
                if log is not None and found.file is not log:
                    log.close()
                return found
            if log is not None:
                log.close()
            if found is not None:
                return None
        return None

    def _open_log(self, current: LogFile) -> LogFile | None:
        """Open the file with the name of the log if it is another one and not empty."""
        log = LogFile.open(self._path)
        if log is None:
            return None
        with closed_on_error(log):
            if log.inode != current.inode and log.size():
                return log
        log.close()
        return None

    def _oldest(self, current: LogFile, log: LogFile | None) -> NextFile | None:
        """Return the first of all following files; None if they were renamed during the search."""
        readable = True
        for rotated in self._candidates(current):
            if log is not None and rotated.inode == log.inode:
                continue
            file = None if rotated.packed else LogFile.open(rotated.path)
            if file is None and is_file(rotated.path) == rotated.inode:
                readable = False
                continue
            if file is None:
                return None
            with closed_on_error(file):
                if file.inode == rotated.inode and not self._is_known(file, current):
                    return NextFile(file, readable and self._is_complete(current, rotated.number))
            file.close()
            if file.inode != rotated.inode:
                return None
            self._before.add(rotated.version)
        if log is None:
            return NextFile(None, readable)
        return NextFile(log, readable and self._is_complete(current, 0))

    def _candidates(self, current: LogFile) -> list[RotatedFile]:
        """Return the rotated files that may follow `current` and were not seen before, oldest first."""
        listed = _listed(self._path.parent, self._path.name)
        own = _entry_of(current, listed)
        modified_ns = current.modified_ns()

        def is_later(file: RotatedFile) -> bool:
            if own is None:
                return file.mtime_ns > modified_ns
            # A copy made while the file was being followed has a higher number.
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
        """Return whether the file was already read, or is a copy of what was read."""
        return any(file.matches(identity) for identity in self._done) or file.is_prefix_of(current)

    def _is_complete(self, current: LogFile, number: int | None) -> bool:
        """Return whether no file is missing between `current` and the rotated file with `number` (0: the log itself)."""
        place = current.path()
        if place is None:
            # It was deleted, so others may have been deleted too.
            return False
        if self._is_link():
            return self._are_targets_known(current)
        if place.parent != Path(os.path.realpath(self._path.parent)):
            # The directory was replaced, or the rotation moves old files to another one (`olddir`).
            return False
        listed = _listed(place.parent, self._path.name)
        own = _entry_of(current, listed)
        if own is None:
            # The name does not come from a rotation, so others may have been renamed in the same way.
            return False
        if own.number is None or number is None:
            return True
        present = {file.number for file in listed}
        return all(between in present for between in range(number + 1, own.number))

    def _is_link(self) -> bool:
        return self._targets is not None or self._path.is_symlink()

    def _are_targets_known(self, current: LogFile) -> bool:
        """Return whether no unknown file has appeared in the directory of the file that the log links to."""
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


def _entry_of(current: LogFile, listed: Iterable[RotatedFile]) -> RotatedFile | None:
    return next((file for file in listed if file.inode == current.inode), None)


def _targets(path: Path) -> dict[int, int] | None:
    """Return inode -> time of last write in ns of the files next to the target of a link; None if `path` is not a link."""
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
