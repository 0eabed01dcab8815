"""Delivery to a Mattermost incoming webhook: one attempt, and how far it certainly got.

Nothing here repeats, waits for a better time or decides what an outcome means for a run; that is the core's.
Nothing of the address but its place, nothing of an answer's body and no foreign exception leaves this module:
current servers echo the secret in their errors, and so do HTTP libraries.  Only this module imports urllib3.
"""

import contextlib
import http.client
import io
import logging
import re
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import msgspec
from urllib3 import HTTPResponse, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import SKIP_HEADER, make_headers

from atvm_pipeline import __version__

from . import clock
from .webhook import Webhook

ANSWER_MAX_BYTES = 4096
"""Read of an answer; `ok` is two bytes."""
RETRY_AFTER_MAX_S = 3600.0
NAME_ADDRESSES_MAX = 8
SEND_BYTES = 16 * 1024
"""One TLS record, so that one step's limit bounds one write."""

_REQUEST_ID = re.compile(r"[a-z0-9]{26}")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt to deliver came to."""

    outcome: Literal["sent", "not-arrived", "rejected", "uncertain"]
    status: int | None = None
    """The answer's status, None if there was no answer."""
    detail: str = ""
    """One of the sentences of this module, never foreign text."""
    retry_after_s: float | None = None
    """With status 429: how long the server asks to be left alone, at most an hour."""
    certificate: bool = False
    """The certificate is the trouble, which no waiting repairs."""
    request_id: str | None = None
    """The server's own name of the request, for its log; None if it is not in Mattermost's form."""


SENT = "the server stored the post"
NOT_OK = "the server answered 200, but not the word ok: something else may have answered in its place"
NO_ANSWER = "the post was sent and no answer came in time"
BROKEN_OFF = "the connection broke after sending began"
SERVER_FAILED = "the answer leaves open whether the server has the post, which may be visible"
RATE_LIMITED = "the server asks to wait, and did not take the post"
REDIRECTED = "the server redirects, which is not followed: set the webhook to the final address"
NO_NAME = "the name of the server or proxy cannot be resolved"
NO_CONNECTION = "no connection to the server or proxy"
CONNECT_TIMEOUT = "the server or proxy did not accept a connection in time"
NO_TUNNEL = "the proxy did not open a way to the server"
BAD_PROXY = "the proxy variable of the environment is not http[s]://host:port"
TLS_FAILED = "the TLS handshake failed"
BAD_CERTIFICATE = (
    "the certificate of the server or proxy is not trusted: name its authority in ATVM_WATCHER_CA_FILE"
)
BAD_CA_FILE = "the file of ATVM_WATCHER_CA_FILE cannot be read as certificates"
NOT_SENT = "sending could not begin"
REFUSED = "the server refuses the post"
REFUSED_BECAUSE = {
    400: "the server refuses the post: the webhook was deleted or mistyped, or the body is not what it takes",
    401: "something before the server asks for a login",
    403: "the server refuses the post: the webhook may not write to that channel",
    404: "the server knows no such channel, or no webhooks at that address",
    405: "the server takes no posts at that address: the webhook is mistyped",
    407: "the proxy asks for a login",
    413: "the server refuses the post as too large",
    501: "incoming webhooks are disabled on the server",
}


def deliver(
    webhook: Webhook,
    body: bytes,
    *,
    ca_file: Path | None,
    connect_timeout_s: float = 10,
    read_timeout_s: float = 30,
    total_timeout_s: float = 45,
) -> Attempt:
    """POST `body` (JSON) once, and say how far it certainly got.  Never raises.

    Each step before the first byte of the post (connecting to one address, the proxy's tunnel, the handshake) may take
    `connect_timeout_s`, each later one `read_timeout_s`, all together `total_timeout_s`, also against a peer that
    drips bytes.  Only the name's look-up has the resolver's limits instead.  Not idempotent.
    `ca_file` takes the place of the system's store.  Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, in
    either case; a loopback address is always reached directly.
    """
    _silence_loggers()
    limits = _Limits(step_s=connect_timeout_s, total_s=total_timeout_s)
    try:
        connection, target, headers = _connect(webhook, ca_file, limits)
    except _NotArrivedError as failure:
        return Attempt(outcome="not-arrived", detail=failure.detail, certificate=failure.certificate)
    except Exception:  # noqa: BLE001 - no byte of the post was sent, whatever went wrong
        return Attempt(outcome="not-arrived", detail=NOT_SENT)
    limits.step_s = read_timeout_s
    try:
        with _closed(connection):
            return _exchange(connection, target, headers, body)
    except (TimeoutError, ReadTimeoutError):
        return Attempt(outcome="uncertain", detail=NO_ANSWER)
    except Exception:  # noqa: BLE001 - sending had begun, and no answer was understood
        return Attempt(outcome="uncertain", detail=BROKEN_OFF)


def _exchange(connection: HTTPConnection, target: str, headers: dict[str, str], body: bytes) -> Attempt:
    """Send the post and read the answer, its body only where it can matter."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # A server may answer and close before it has read everything; the answer is there to be read.
        connection.request(
            "POST", target, body=body, headers=headers, preload_content=False, decode_content=False
        )
    response = connection.getresponse()
    with _closed(response):
        return _classify(
            response, said_ok=response.status == HTTPStatus.OK and _body(response).strip() == b"ok"
        )


@contextlib.contextmanager
def _closed(thing: HTTPConnection | HTTPResponse) -> Iterator[None]:
    """Close `thing` after the block; trouble with that must not cast doubt on an answer that was understood."""
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            thing.close()


def _body(response: HTTPResponse) -> bytes:
    """An answer's body, nothing of one that is too long.

    Raises urllib3's HTTPError if it ends short of its announced length.
    """
    data = b""
    while len(data) < ANSWER_MAX_BYTES and (piece := response.read(ANSWER_MAX_BYTES - len(data))):
        data += piece
    return data if len(data) < ANSWER_MAX_BYTES else b""


def _classify(response: HTTPResponse, *, said_ok: bool) -> Attempt:
    """The outcome of an answer.  A 500 comes also after the post was stored, so it proves nothing."""
    status = response.status
    request_id = response.headers.get("X-Request-Id", "")
    answer = partial(
        Attempt, status=status, request_id=request_id if _REQUEST_ID.fullmatch(request_id) else None
    )
    if said_ok:
        return answer(outcome="sent", detail=SENT)
    if status == HTTPStatus.OK:
        return answer(outcome="uncertain", detail=NOT_OK)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        # The limiter stands before everything else in the server, so the post was not looked at.
        wait_s = _retry_after(response.headers.get("Retry-After", ""))
        return answer(outcome="not-arrived", detail=RATE_LIMITED, retry_after_s=wait_s)
    if status in range(300, 400):
        return answer(outcome="rejected", detail=REDIRECTED)
    if status == HTTPStatus.NOT_IMPLEMENTED or (
        status in range(400, 500) and status != HTTPStatus.REQUEST_TIMEOUT
    ):
        return answer(outcome="rejected", detail=REFUSED_BECAUSE.get(status, REFUSED))
    return answer(outcome="uncertain", detail=SERVER_FAILED)


def _retry_after(text: str) -> float | None:
    """Seconds to wait by a `Retry-After` of either form (RFC 9110, 10.2.3), None if it says nothing usable."""
    text = text.strip()[:64]
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_S)
    try:
        until = parsedate_to_datetime(text)
        wait_s = (until if until.tzinfo else until.replace(tzinfo=clock.now().tzinfo)) - clock.now()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(wait_s.total_seconds(), 0.0), RETRY_AFTER_MAX_S)


class _NotArrivedError(Exception):
    """It ended before the first byte of the post; never leaves this module."""

    def __init__(self, detail: str, *, certificate: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.certificate = certificate


class _Limits:
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


def _connect(
    webhook: Webhook, ca_file: Path | None, limits: _Limits
) -> tuple[HTTPConnection, str, dict[str, str]]:
    """A connection that is ready for the post, with the request's target and headers.

    Raises _NotArrivedError, or anything else, with nothing left open.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"atvm-pipeline/{__version__}",
        "Connection": "close",
        "Accept-Encoding": SKIP_HEADER,
    }
    tls = _trust(ca_file)
    proxy = _proxy_for(webhook, tls)
    target = webhook.path
    if proxy is None or proxy.proxy is None:
        connection = _new(webhook.scheme, webhook.host, webhook.port, tls, limits)
    else:
        host, port = str(proxy.proxy.host).strip("[]"), proxy.proxy.port or 80
        secure = "https" if "https" in (webhook.scheme, proxy.proxy.scheme) else "http"
        connection = _new(secure, host, port, tls, limits, proxy=proxy.proxy, proxy_config=proxy.proxy_config)
        if webhook.scheme == "https":
            tunnel_scheme = proxy.proxy.scheme or "http"
            connection.set_tunnel(
                webhook.host, webhook.port, headers=proxy.proxy_headers, scheme=tunnel_scheme
            )
        else:
            headers.update(proxy.proxy_headers)
            target = webhook.place + webhook.path
    try:
        with _translated():
            connection.connect()
    except BaseException:
        with contextlib.suppress(Exception):
            connection.close()
        raise
    return connection, target, headers


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn what can go wrong while connecting into sentences."""
    try:
        yield
    except ssl.SSLCertVerificationError:
        raise _NotArrivedError(BAD_CERTIFICATE, certificate=True) from None
    except ssl.SSLError:
        raise _NotArrivedError(TLS_FAILED) from None
    except TimeoutError:
        raise _NotArrivedError(CONNECT_TIMEOUT) from None
    except OSError:
        raise _NotArrivedError(NO_CONNECTION) from None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust: the system's store, or `ca_file` in its place."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ValueError):
        raise _NotArrivedError(BAD_CA_FILE, certificate=True) from None


def _proxy_for(webhook: Webhook, tls: ssl.SSLContext) -> ProxyManager | None:
    """The environment's proxy for this webhook; its password is as secret as the webhook."""
    # As Go does: a proxy's loopback is another host, which has no business with our secret.
    if webhook.loopback or urllib.request.proxy_bypass(f"{webhook.host}:{webhook.port}"):
        return None
    address = urllib.request.getproxies().get(webhook.scheme, "")
    if not address:
        return None
    try:
        manager = ProxyManager(address if "://" in address else f"http://{address}", proxy_ssl_context=tls)
        if manager.proxy is not None and manager.proxy.auth:
            manager.proxy_headers = make_headers(proxy_basic_auth=unquote(manager.proxy.auth))
    except (HTTPError, ValueError, AssertionError):
        raise _NotArrivedError(BAD_PROXY) from None
    if manager.proxy is None or not manager.proxy.host:
        raise _NotArrivedError(BAD_PROXY)
    return manager


def _new(scheme: str, host: str, port: int, tls: ssl.SSLContext, limits: _Limits, **proxy: Any) -> "_Plain":
    """A connection to be opened, bound to `limits`."""
    connection = (
        _Secure(host, port, ssl_context=tls, **proxy) if scheme == "https" else _Plain(host, port, **proxy)
    )
    connection.limits = limits
    connection.response_class = partial(_Response, limits=limits)
    return connection


class _Plain(HTTPConnection):
    """urllib3's connection without its pool: no retry, no redirect, no reuse, and every step within `limits`."""

    limits: _Limits
    response_class: Any

    def _new_conn(self) -> socket.socket:
        sock = _dial(self._dns_host, self.port, self.limits)
        sock.settimeout(self.limits.next_s())  # for the handshake, which counts it as a whole
        return sock

    def _tunnel(self) -> None:
        try:
            super()._tunnel()  # private in http.client, and overridden by urllib3 too
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            raise _NotArrivedError(NO_TUNNEL) from None
        self.sock.settimeout(self.limits.next_s())

    def send(self, data: Any) -> None:
        """Send all of `data` (bytes).  Raises OSError, also TimeoutError."""
        for start in range(0, len(data), SEND_BYTES):
            self.sock.settimeout(self.limits.next_s())
            super().send(data[start : start + SEND_BYTES])


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS."""


def _dial(host: str, port: int, limits: _Limits) -> socket.socket:
    """A connected socket to the first of the name's addresses that accepts.  Raises _NotArrivedError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:NAME_ADDRESSES_MAX]
    except (OSError, UnicodeError):
        raise _NotArrivedError(NO_NAME) from None
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
    raise _NotArrivedError(detail)


class _Response(http.client.HTTPResponse):
    """An answer whose every read is within the limits: a socket's own timeout starts anew with each byte."""

    def __init__(self, sock: Any, *args: Any, limits: _Limits, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Stream(sock, limits))


class _Stream(io.RawIOBase):
    def __init__(self, sock: Any, limits: _Limits) -> None:
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


def _silence_loggers() -> None:
    """Keep urllib3 quiet, also at WARNING: it logs the address with a header it cannot parse."""
    for name in (
        "urllib3",
        "urllib3.connection",
        "urllib3.connectionpool",
        "urllib3.poolmanager",
        "urllib3.util.retry",
    ):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
