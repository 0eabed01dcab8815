"""One open log file, known by device, inode and its own bytes.  Knows nothing of lines, facts or runs.

A name says nothing about a file, and an inode number is used again after a deletion: what was read is remembered
by its first bytes and by those just before the offset, and looked at again with every read.
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
"""How much of the file's begin is remembered."""
LAST_BYTES_MAX = 256
"""How much of what was read last is remembered: two logs that begin alike differ there."""
COPY_BLOCK_BYTES = 1024 * 1024


class LogFile:
    """One open log.  Every method but `open` and `close` raises OSError if the file cannot be read."""

    def __init__(self, file: OpenFile) -> None:
        """Take over `file`, which is open for reading on a regular file."""
        self._file = file
        with closed_on_error(self):
            status = os.fstat(file.number)
        self.device = status.st_dev
        self.inode = status.st_ino
        self._head = b""
        self._last = b""
        self._look = (-1, -1)

    @classmethod
    def open(cls, path: Path) -> "LogFile | None":
        """The file at `path`; None if there is none, it is no regular file, or it may not be read just now."""
        try:
            file = open_regular(path)
            return cls(file) if file is not None else None
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def size(self) -> int:
        """Its size in bytes, as of now."""
        return os.fstat(self._file.number).st_size

    def unlinked(self) -> bool:
        """Whether no name is left for it."""
        return os.fstat(self._file.number).st_nlink == 0

    def modified_ns(self) -> int:
        """When it was written to last."""
        return os.fstat(self._file.number).st_mtime_ns

    def path(self) -> Path | None:
        """Where it lies by now, under whatever name (proc(5), `fd`); None once no name is left for it."""
        if self.unlinked():
            return None
        try:
            return Path(os.readlink(f"/proc/self/fd/{self._file.number}"))  # noqa: PTH115 - a link of the kernel
        except OSError:
            return None

    def is_at(self, path: Path) -> bool:
        """Whether `path` names this very file.  Raises OSError if nothing is there, too."""
        status = path.stat()
        return (status.st_dev, status.st_ino) == (self.device, self.inode)

    def identity(self) -> LogIdentity:
        """What it is known by."""
        return LogIdentity(
            device=self.device,
            inode=self.inode,
            head_bytes=len(self._head),
            head_sha256=hashlib.sha256(self._head).hexdigest() if self._head else "",
            last_bytes=len(self._last),
            last_sha256=hashlib.sha256(self._last).hexdigest() if self._last else "",
        )

    def matches(self, identity: LogIdentity) -> bool:
        """Whether this is the file of `identity`.

        The device is not compared once there are bytes to compare: its number may change with a reboot.
        """
        if identity.inode != self.inode:
            return False
        if not 0 < identity.head_bytes <= HEAD_BYTES_MAX:
            return identity.device == self.device
        head = self.peek(0, identity.head_bytes)
        return hashlib.sha256(head).hexdigest() == identity.head_sha256

    def ends_as(self, identity: LogIdentity, offset: int) -> bool:
        """Whether what `identity` remembers of the bytes before `offset` stands there."""
        if not 0 < identity.last_bytes <= min(offset, LAST_BYTES_MAX):
            return True
        last = self.peek(offset - identity.last_bytes, identity.last_bytes)
        return hashlib.sha256(last).hexdigest() == identity.last_sha256

    def remember(self, offset: int) -> None:
        """Go on from `offset`, which an earlier process has reached in this file.

        Its head is remembered as far as there is one, read or not: a file that was not read yet is known by it too.
        """
        self._head = self.peek(0, HEAD_BYTES_MAX)
        length = min(offset, LAST_BYTES_MAX)
        self._last = self.peek(offset - length, length)

    def read(self, offset: int, bytes_max: int) -> bytes | None:
        """The bytes from `offset`, at most `bytes_max`, b"" at the end.

        None if the file no longer holds what was read before `offset`: it was cut, perhaps filled again.  That is
        looked at after the read, so that no byte of another content passes for a continuation.
        """
        data = os.pread(self._file.number, bytes_max, offset)
        status = os.fstat(self._file.number)
        look = (status.st_size, status.st_mtime_ns)
        if not data and look == self._look:
            return data
        if status.st_size < offset + len(data) or not self._holds(offset):
            return None
        self._look = look
        known = len(self._head)
        if offset <= known < HEAD_BYTES_MAX:
            self._head += data[known - offset : HEAD_BYTES_MAX - offset]
        self._last = (
            data[-LAST_BYTES_MAX:] if len(data) >= LAST_BYTES_MAX else (self._last + data)[-LAST_BYTES_MAX:]
        )
        return data

    def peek(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset`, whatever they are."""
        return os.pread(self._file.number, length, offset)

    def is_begin_of(self, other: "LogFile") -> bool:
        """Whether everything in it stands at the begin of `other` too: a copy, as `copytruncate` makes one."""
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
    """Close `file` if the block raises; else it stays open, in the hands of whatever the block gave it to."""
    try:
        yield
    except BaseException:
        file.close()
        raise


def find_renamed(path: Path, identity: LogIdentity) -> LogFile | None:
    """The file of `identity` under another name, as a rotation leaves it; None if it is not there.

    Looked for beside `path`, and beside the file that `path` links to.  Raises OSError if a folder cannot be listed.
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
