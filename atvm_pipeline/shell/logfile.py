"""One open log file, known by device, inode and its own bytes.  Knows nothing of lines, facts or runs.

A name says nothing about a file, and an inode number is used again after a deletion: what was read is remembered
by its first bytes and by those just before the offset, and looked at again with every read.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from atvm_pipeline.core.events import LogIdentity

HEAD_BYTES_MAX = 1024
"""How much of the file's begin is remembered."""
LAST_BYTES_MAX = 256
"""How much of what was read last is remembered: two logs that begin alike differ there."""
SIBLINGS_MAX = 2000
"""Files of the log's folder that are looked at for the one that was renamed."""


class LogFile:
    """One open log.  Every method but `open` and `close` raises OSError if the file cannot be read."""

    def __init__(self, descriptor: int) -> None:
        """Take over `descriptor`, which is open for reading on a regular file."""
        status = os.fstat(descriptor)
        self._descriptor = descriptor
        self.device = status.st_dev
        self.inode = status.st_ino
        self._head = b""
        self._last = b""
        self._look = (-1, -1)

    @classmethod
    def open(cls, path: Path) -> "LogFile | None":
        """The file at `path`; None if there is none, it is no regular file, or it may not be read just now."""
        try:
            # O_NONBLOCK: a FIFO in the place of a log must not stop us for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError):
            return None
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return cls(descriptor)
        except OSError:
            pass
        os.close(descriptor)
        return None

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)

    def size(self) -> int:
        """Its size in bytes, as of now."""
        return os.fstat(self._descriptor).st_size

    def unlinked(self) -> bool:
        """Whether no name is left for it."""
        return os.fstat(self._descriptor).st_nlink == 0

    def is_at(self, path: Path) -> bool:
        """Whether `path` names this very file.  Raises OSError if nothing is there, too."""
        status = path.stat()
        return (status.st_dev, status.st_ino) == (self.device, self.inode)

    def identity(self) -> LogIdentity:
        """What it is known by."""
        digest = hashlib.sha256(self._head).hexdigest()
        return LogIdentity(
            device=self.device, inode=self.inode, head_bytes=len(self._head), head_sha256=digest
        )

    def matches(self, identity: LogIdentity) -> bool:
        """Whether this is the file of `identity`.

        The device is not compared once there are bytes to compare: its number may change with a reboot.
        """
        if identity.inode != self.inode:
            return False
        if not 0 < identity.head_bytes <= HEAD_BYTES_MAX:
            return identity.device == self.device
        head = os.pread(self._descriptor, identity.head_bytes, 0)
        return hashlib.sha256(head).hexdigest() == identity.head_sha256

    def remember(self, offset: int) -> None:
        """Go on from `offset`, which an earlier process has reached in this file."""
        self._head = os.pread(self._descriptor, min(offset, HEAD_BYTES_MAX), 0)
        length = min(offset, LAST_BYTES_MAX)
        self._last = os.pread(self._descriptor, length, offset - length)

    def read(self, offset: int, bytes_max: int) -> bytes | None:
        """The bytes from `offset`, at most `bytes_max`, b"" at the end.

        None if the file no longer holds what was read before `offset`: it was cut, perhaps filled again.  That is
        looked at after the read, so that no byte of another content passes for a continuation.
        """
        data = os.pread(self._descriptor, bytes_max, offset)
        status = os.fstat(self._descriptor)
        look = (status.st_size, status.st_mtime_ns)
        if not data and look == self._look:
            return data
        if status.st_size < offset + len(data) or not self._holds(offset):
            return None
        self._look = look
        if len(self._head) < HEAD_BYTES_MAX:
            self._head += data[: HEAD_BYTES_MAX - len(self._head)]
        self._last = (
            data[-LAST_BYTES_MAX:] if len(data) >= LAST_BYTES_MAX else (self._last + data)[-LAST_BYTES_MAX:]
        )
        return data

    def _holds(self, offset: int) -> bool:
        head = os.pread(self._descriptor, len(self._head), 0)
        last = os.pread(self._descriptor, len(self._last), offset - len(self._last))
        return head == self._head and last == self._last


def find_renamed(path: Path, identity: LogIdentity) -> LogFile | None:
    """The file of `identity` under another name in the folder of `path`, as a rotation leaves it."""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, SIBLINGS_MAX) if entry.inode() == identity.inode]
    except OSError:
        return None
    for file in _open_all(path.parent, names):
        try:
            if file.matches(identity):
                return file
        except OSError:
            pass
        file.close()
    return None


def _open_all(folder: Path, names: list[str]) -> Iterator[LogFile]:
    for name in names:
        file = LogFile.open(folder / name)
        if file is not None:
            yield file
