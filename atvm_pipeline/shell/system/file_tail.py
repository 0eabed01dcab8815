"""The end of a file that grows: its last lines, and everything that is added, also after a rotation.

Unlike the log follower of a watcher, this one only passes bytes on: it may miss the last bytes of a file that was
renamed while its writer continued.
"""

import contextlib
import os
from pathlib import Path
from typing import Self

from .files import OpenFile, open_regular

CHUNK_BYTES = 64 * 1024


class FileTail:
    """Reads a file by its name, from a position on; `with FileTail(...):` closes it after the block."""

    def __init__(self, path: Path) -> None:
        """Create a reader that starts at the first byte of the file."""
        self.path = path
        self._file: OpenFile | None = None
        self._position = 0

    def close(self) -> None:
        """Close the file; a later read starts at its first byte. A second call does nothing."""
        self._position = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def start_at(self, begin: int, lines: int | None) -> bool:
        """Continue at byte `begin`, or at the last `lines` lines after it; return whether earlier lines are left out.

        A file that is shorter than `begin` is read from its start. Raises OSError.
        """
        if not self._open():
            return False
        assert self._file is not None
        size = os.fstat(self._file.number).st_size
        begin = begin if begin <= size else 0
        self._position = begin if lines is None else _last_lines_at(self._file.number, begin, size, lines)
        return self._position > begin

    def read(self) -> bytes:
        """Return the next bytes, b"" at the end of the file. Raises OSError other than for a missing file."""
        if not self._open():
            return b""
        assert self._file is not None
        data = os.pread(self._file.number, CHUNK_BYTES, self._position)
        if not data and self._is_replaced():
            self.close()
            return self.read()
        self._position += len(data)
        return data

    def _open(self) -> bool:
        if self._file is None:
            with contextlib.suppress(FileNotFoundError):
                self._file = open_regular(self.path)
        return self._file is not None

    def _is_replaced(self) -> bool:
        """Return whether the name belongs to another file now, or the file was cut."""
        assert self._file is not None
        own = os.fstat(self._file.number)
        if own.st_size < self._position:
            return True
        try:
            there = self.path.stat()
        except OSError:
            return False
        return not os.path.samestat(own, there)


def _last_lines_at(descriptor: int, begin: int, end: int, lines: int) -> int:
    """Return the offset of the last `lines` lines between two offsets; an unfinished last line counts."""
    if lines == 0:
        return end
    position, left = end, lines
    while position > begin:
        start = max(begin, position - CHUNK_BYTES)
        block = os.pread(descriptor, position - start, start)
        at = len(block)
        if position == end and block.endswith(b"\n"):
            at -= 1
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            left -= 1
            if left == 0:
                return start + at + 1
        position = start
    return begin
