"""One open log file, identified by device, inode and its own bytes. It has no notion of lines, facts or runs.

A name does not identify a file, and an inode number is reused after a deletion. So the first bytes of the file and
those just before the offset are remembered, and compared again with every read.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from atvm_pipeline.core.events import LogIdentity
from atvm_pipeline.shell.system.files import OpenFile, open_regular

from .rotated_files import SIBLINGS_MAX

HEAD_BYTES_MAX = 1024
"""How many of the first bytes of the file are remembered."""
LAST_BYTES_MAX = 256
"""How many of the last bytes that were read are remembered: two logs with the same start differ there."""
COPY_BLOCK_BYTES = 1024 * 1024


class LogFile:
    """One open log. Every method but `open` and `close` raises OSError if the file cannot be read."""

    def __init__(self, file: OpenFile) -> None:
        """Take over `file`, which is open for reading on a regular file."""
        self._file = file
        with closed_on_error(self):
            status = os.fstat(file.number)
        self.device = status.st_dev
        self.inode = status.st_ino
        self._head = b""
        self._last = b""
        self._version = (-1, -1)

    @classmethod
    def open(cls, path: Path) -> "LogFile | None":
        """Open the file at `path`; None if it does not exist, is not a regular file, or may not be read at the moment."""
        try:
            file = open_regular(path)
            return cls(file) if file is not None else None
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def size(self) -> int:
        """Return the current size in bytes."""
        return os.fstat(self._file.number).st_size

    def unlinked(self) -> bool:
        """Return whether the file has no name any more."""
        return os.fstat(self._file.number).st_nlink == 0

    def modified_ns(self) -> int:
        """Return when the file was last written to."""
        return os.fstat(self._file.number).st_mtime_ns

    def path(self) -> Path | None:
        """Return the current path of the file, even after a rename (proc(5), `fd`); None if it has no name any more."""
        if self.unlinked():
            return None
        try:
            return Path(os.readlink(f"/proc/self/fd/{self._file.number}"))  # noqa: PTH115 - a link of the kernel
        except OSError:
            return None

    def is_at(self, path: Path) -> bool:
        """Return whether `path` names this file. Raises OSError, also if `path` does not exist."""
        status = path.stat()
        return (status.st_dev, status.st_ino) == (self.device, self.inode)

    def identity(self) -> LogIdentity:
        """Return the identity of the file."""
        return LogIdentity(
            device=self.device,
            inode=self.inode,
            head_bytes=len(self._head),
            head_sha256=hashlib.sha256(self._head).hexdigest() if self._head else "",
            last_bytes=len(self._last),
            last_sha256=hashlib.sha256(self._last).hexdigest() if self._last else "",
        )

    def matches(self, identity: LogIdentity) -> bool:
        """Return whether this is the file of `identity`.

        The device is not compared if there are bytes to compare, because its number may change with a reboot.
        """
        if identity.inode != self.inode:
            return False
        if not 0 < identity.head_bytes <= HEAD_BYTES_MAX:
            return identity.device == self.device
        head = self.peek(0, identity.head_bytes)
        return hashlib.sha256(head).hexdigest() == identity.head_sha256

    def ends_as(self, identity: LogIdentity, offset: int) -> bool:
        """Return whether the bytes before `offset` are those remembered by `identity`."""
        if not 0 < identity.last_bytes <= min(offset, LAST_BYTES_MAX):
            return True
        last = self.peek(offset - identity.last_bytes, identity.last_bytes)
        return hashlib.sha256(last).hexdigest() == identity.last_sha256

    def remember(self, offset: int) -> None:
        """Continue from `offset`, which an earlier process has reached in this file.

        The first bytes are remembered whether they were read or not, so that a file that was not read yet is recognised
        too.
        """
        self._head = self.peek(0, HEAD_BYTES_MAX)
        length = min(offset, LAST_BYTES_MAX)
        self._last = self.peek(offset - length, length)

    def read(self, offset: int, bytes_max: int) -> bytes | None:
        """Return the bytes from `offset`, at most `bytes_max`, b"" at the end.

        Returns None if the file no longer contains the bytes read before `offset`: it was truncated, and perhaps filled
        again. This is checked after the read, so that bytes of another content are never taken for a continuation.
        """
        data = os.pread(self._file.number, bytes_max, offset)
        status = os.fstat(self._file.number)
        version = (status.st_size, status.st_mtime_ns)
        if not data and version == self._version:
            return data
        if status.st_size < offset + len(data) or not self._holds(offset):
            return None
        self._version = version
        known = len(self._head)
        if offset <= known < HEAD_BYTES_MAX:
            self._head += data[known - offset : HEAD_BYTES_MAX - offset]
        self._last = (
            data[-LAST_BYTES_MAX:] if len(data) >= LAST_BYTES_MAX else (self._last + data)[-LAST_BYTES_MAX:]
        )
        return data

    def peek(self, offset: int, length: int) -> bytes:
        """Return at most `length` bytes from `offset`, without a check."""
        return os.pread(self._file.number, length, offset)

    def is_prefix_of(self, other: "LogFile") -> bool:
        """Return whether `other` starts with the complete content of this file: a copy, as made by `copytruncate`."""
        at, size = 0, self.size()
        if size > other.size():
            return False
        while at < size:
            length = min(COPY_BLOCK_BYTES, size - at)
            if self.peek(at, length) != other.peek(at, length):
                return False
            at += length
        return True

    def _holds(self, offset: int) -> bool:
        head = self.peek(0, len(self._head))
        last = self.peek(offset - len(self._last), len(self._last))
        return head == self._head and last == self._last


@contextlib.contextmanager
def closed_on_error(file: LogFile) -> Iterator[None]:
    """Close `file` if the block raises; otherwise it stays open, owned by the code that the block passed it to."""
    try:
        yield
    except BaseException:
        file.close()
        raise


def find_renamed(path: Path, identity: LogIdentity) -> LogFile | None:
    """Find the file of `identity` under another name, after a rotation; None if it is not found.

    The directory of `path` is searched, and that of the file that `path` links to. Raises OSError if a directory cannot
    be listed.
    """
    for folder in dict.fromkeys((path.parent, Path(os.path.realpath(path)).parent)):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, SIBLINGS_MAX) if entry.inode() == identity.inode]
        for name in names:
            file = _open_known(folder / name, identity)
            if file is not None:
                return file
    return None


def _open_known(path: Path, identity: LogIdentity) -> LogFile | None:
    file = LogFile.open(path)
    if file is None:
        return None
    with contextlib.suppress(OSError), closed_on_error(file):
        if file.matches(identity):
            return file
    file.close()
    return None
