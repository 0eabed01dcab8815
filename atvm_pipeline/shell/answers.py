"""An HTTP answer whose every read is within the limits of the attempt, headers and body."""

import http.client
import io
import re
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any

from .dialling import Limits

_STATUS_LINE = re.compile(rb"HTTP/\d\.\d [1-9]\d\d(?: .*)?\r?\n?", re.DOTALL)
"""RFC 9112, 4.  The library takes any number for a status, `0200` for 200."""


class Response(http.client.HTTPResponse):
    """An answer whose every read is within the limits: a socket's own timeout starts anew with each byte."""

    def __init__(self, sock: Any, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._lines = _Lines(_Stream(sock, limits))
        self.fp = self._lines

    def _read_status(self) -> tuple[str, int, str]:
        """Version, status and reason (private in http.client).  Raises BadStatusLine for what is no status line."""
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in typeshed
        if _STATUS_LINE.fullmatch(self._lines.line) is None:
            raise http.client.BadStatusLine("")
        return found

    def begin(self) -> None:
        """Read status and headers.

        Raises HTTPException for a line among them that is no header: the library stops there, and the length that
        stands behind it would be lost.
        """
        super().begin()
        broken = any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in self.msg.defects)
        unread = self.msg.get_payload()
        if broken or (isinstance(unread, str) and unread):
            raise http.client.HTTPException


class _Lines(io.BufferedReader):
    """Knows the line that was read last, as it came."""

    line = b""

    def readline(self, size: int | None = -1) -> bytes:
        self.line = super().readline(size)
        return self.line


class _Stream(io.RawIOBase):
    def __init__(self, sock: Any, limits: Limits) -> None:
        self._sock = sock
        self._limits = limits
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._limits.next_s())
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
