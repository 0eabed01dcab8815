"""An HTTP answer whose every read is within the limits of the attempt, headers and body."""

import http.client
import io
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any

from .dialling import Limits


class Response(http.client.HTTPResponse):
    """An answer whose every read is within the limits: a socket's own timeout starts anew with each byte."""

    def __init__(self, sock: Any, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Stream(sock, limits))

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
