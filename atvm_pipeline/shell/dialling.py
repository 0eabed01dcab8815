"""A connected socket to a named server, every step within its limit, the name's look-up too."""

import contextlib
import ipaddress
import queue
import socket
import threading
from typing import Any

from . import clock

NAME_ADDRESSES_MAX = 8

NO_NAME = "the name of the server or proxy cannot be resolved"
NAME_TIMEOUT = "the name of the server or proxy was not resolved in time"
NO_CONNECTION = "no connection to the server or proxy"
CONNECT_TIMEOUT = "the server or proxy did not accept a connection in time"


class NotArrivedError(Exception):
    """It ended before the first byte of the post; the text is one of the sentences of these modules."""

    def __init__(self, detail: str, *, certificate: bool = False) -> None:
        """`certificate`: that is the trouble, which no waiting repairs."""
        super().__init__(detail)
        self.detail = detail
        self.certificate = certificate


class Limits:
    """How long the next step on a socket may take."""

    def __init__(self, *, step_s: float, total_s: float) -> None:
        self.step_s = step_s
        self._ends = clock.monotonic() + total_s

    def next_s(self, *, shares: int = 1) -> float:
        """Seconds for the next step; with `shares`, of the time left only that part.  Raises TimeoutError if none is left."""
        left = self._ends - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(self.step_s, left / shares)


def dial(host: str, port: int, limits: Limits) -> socket.socket:
    """A connected socket to the first of the name's addresses that accepts.  Raises NotArrivedError."""
    found = _look_up(host, port, limits)[:NAME_ADDRESSES_MAX]
    detail = NO_CONNECTION
    for index, (family, kind, protocol, _, address) in enumerate(found):
        with contextlib.ExitStack() as undo:
            try:
                sock = undo.enter_context(socket.socket(family, kind, protocol))
                # An address that swallows packets leaves its share of time to the next one.
                sock.settimeout(limits.next_s(shares=len(found) - index))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                detail = CONNECT_TIMEOUT if isinstance(error, TimeoutError) else NO_CONNECTION
                continue
            undo.pop_all()
            return sock
    raise NotArrivedError(detail)


def _look_up(host: str, port: int, limits: Limits) -> list[Any]:
    """The name's addresses.  Raises NotArrivedError.

    The resolver has no limit of its own that could be set, so a thread asks it: one that never comes back ends with the process.
    A host that is an address itself needs nobody to be asked.
    """
    if _is_address(host):
        with contextlib.suppress(OSError):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        raise NotArrivedError(NO_NAME)
    answers: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except Exception:  # noqa: BLE001 - OSError, UnicodeError: there is no such name, whatever was said
            answers.put(None)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        found = answers.get(timeout=limits.next_s())
    except (queue.Empty, TimeoutError):
        raise NotArrivedError(NAME_TIMEOUT) from None
    if found is None:
        raise NotArrivedError(NO_NAME)
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
