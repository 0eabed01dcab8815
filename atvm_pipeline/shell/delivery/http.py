"""One HTTP request on a fresh connection: no retry, no redirect, no reuse.

A request has two phases. `_connect` resolves the name, connects, opens the proxy's tunnel and completes the TLS
handshake: nothing of the request is sent, so every error means that it has not arrived. `_exchange` sends the request
and reads the response: after an error the request may or may not have arrived.

Only this module imports urllib3. It passes on nothing of the address, of a proxy's password or of urllib3's exceptions.
The body of a response may contain the secret; only `mattermost.py` reads it.
"""

import contextlib
import http.client
import logging
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from urllib3 import HTTPResponse, ProxyManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util import SKIP_HEADER, make_headers

from atvm_pipeline import __version__

from .deadline import CONNECT_TIMEOUT, NO_ANSWER, Deadline
from .webhook import Webhook

ANSWER_MAX_BYTES = 4096
"""Limit for the body of a response; `ok` has two bytes."""

NO_NAME = "the name of the server or proxy cannot be resolved"
NO_CONNECTION = "no connection to the server or proxy"
NO_TUNNEL = "the proxy did not open a tunnel to the server"
BAD_PROXY = "the proxy variable of the environment is not http[s]://host:port"
TLS_FAILED = "the TLS handshake failed"
BAD_CERTIFICATE = "the certificate of the server or proxy is not trusted: set ATVM_WATCHER_CA_FILE to the certificate of its CA"
BAD_CA_FILE = "the file in ATVM_WATCHER_CA_FILE cannot be read or contains no certificates"
NOT_SENT = "sending could not start"
BROKEN_OFF = "the connection broke after sending started"

# At level WARNING, urllib3 logs the address together with a header that it cannot parse.
logging.getLogger("urllib3.connection").disabled = True


class NotArrivedError(Exception):
    """The attempt ended before the first byte of the request; the text is one of the sentences above."""

    def __init__(self, detail: str, *, certificate: bool = False) -> None:
        """Create the error; `certificate` means that a certificate is the cause, so that waiting does not help."""
        super().__init__(detail)
        self.detail = detail
        self.certificate = certificate


class UncertainError(Exception):
    """The attempt ended after sending started; the text is one of the sentences above."""


class Answer(NamedTuple):
    """The server's response."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """The body of a 200 to a post, if it is shorter than `ANSWER_MAX_BYTES`; no other body is read."""


def send(
    webhook: Webhook,
    body: bytes | None,
    *,
    ca_file: Path | None,
    connect_s: float,
    read_s: float,
    deadline: Deadline,
) -> Answer:
    """POST `body` (JSON) to the webhook once; None: GET the server's health check, without the secret.

    `connect_s` limits connecting to one address and each later step before the first byte of the request, `read_s` each
    step after it; `deadline` limits everything together.  `ca_file` replaces the system's store.  The proxies of
    `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (either case) apply, except to a loopback address.

    Raises NotArrivedError if nothing of the request was sent, UncertainError if sending had started, and nothing else.
    """
    connection = None
    try:
        # urllib3 refuses a total of 0.
        timeout = Timeout(connect=connect_s, read=read_s, total=max(deadline.left_s(), 0.001))
        connection, target, headers = _prepare(webhook, _trust(webhook, ca_file), timeout)
        _connect(connection, timeout, deadline)
    except Exception as error:  # noqa: BLE001 - nothing of the request was sent, whatever failed
        tunnel = connection is not None and connection.proxy is not None and webhook.scheme == "https"
        _close(connection)
        raise _not_arrived(error, tunnel=tunnel) from None
    path = webhook.ping_path if body is None else webhook.path
    try:
        return _exchange(connection, target + path, body, headers)
    except (TimeoutError, ReadTimeoutError):
        raise UncertainError(NO_ANSWER) from None
    except Exception:  # noqa: BLE001 - sending had started, and no complete answer was understood
        raise UncertainError(BROKEN_OFF) from None
    finally:
        _close(connection)


def _prepare(
    webhook: Webhook, tls: ssl.SSLContext | None, timeout: Timeout
) -> tuple[HTTPConnection, str, dict[str, str]]:
    """Return an unopened connection, the prefix of the request's path, and the headers that the connection requires."""
    manager = _proxy_for(webhook, tls)
    if manager is None or manager.proxy is None:
        return _new(webhook.scheme, webhook.host, webhook.port, tls, timeout), "", {}
    proxy = manager.proxy
    secure = "https" if "https" in (webhook.scheme, proxy.scheme) else "http"
    host, port, config = str(proxy.host).strip("[]"), proxy.port or 80, manager.proxy_config
    connection = _new(secure, host, port, tls, timeout, proxy=proxy, proxy_config=config)
    if webhook.scheme == "http":
        return connection, webhook.place, dict(manager.proxy_headers)
    connection.set_tunnel(webhook.host, webhook.port, manager.proxy_headers, proxy.scheme or "http")
    return connection, "", {}


def _new(
    scheme: str, host: str, port: int, tls: ssl.SSLContext | None, timeout: Timeout, **proxy: Any
) -> HTTPConnection:
    timeout.start_connect()
    limit_s = timeout.connect_timeout
    connection = (
        HTTPSConnection(host, port, timeout=limit_s, ssl_context=tls, **proxy)
        if scheme == "https"
        else HTTPConnection(host, port, timeout=limit_s, **proxy)
    )
    connection.response_class = _Response
    return connection


def _connect(connection: HTTPConnection, timeout: Timeout, deadline: Deadline) -> None:
    """Phase 1: open the connection.  The next byte that is sent belongs to the request."""
    deadline.connecting(lambda: _interrupt(connection.sock))
    connection.connect()
    connection.timeout = timeout.read_timeout
    if not connection.timeout:
        raise TimeoutError
    # The connection drops its socket once the headers of the response are read.
    deadline.sending(partial(_interrupt, connection.sock))


def _exchange(connection: HTTPConnection, target: str, body: bytes | None, more: dict[str, str]) -> Answer:
    """Phase 2: send the request and read the response."""
    headers = {
        "User-Agent": f"atvm-pipeline/{__version__}",
        "Connection": "close",
        "Accept-Encoding": SKIP_HEADER,
        **more,
        **({} if body is None else {"Content-Type": "application/json"}),
    }
    method = "GET" if body is None else "POST"
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # A server may respond and close before it has read everything; its response can still be read.
        connection.request(
            method, target, body=body, headers=headers, preload_content=False, decode_content=False
        )
    response = connection.getresponse()
    try:
        matters = body is not None and response.status == HTTPStatus.OK
        return Answer(response.status, response.headers, _body(response) if matters else b"")
    finally:
        _close(response)


def _body(response: HTTPResponse) -> bytes:
    """Return the body, empty if it is too long.  Raises HTTPError if it is shorter than announced."""
    data = b""
    while len(data) < ANSWER_MAX_BYTES and (piece := response.read(ANSWER_MAX_BYTES - len(data))):
        data += piece
    return data if len(data) < ANSWER_MAX_BYTES else b""


_NO_HEADER = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)


class _Response(http.client.HTTPResponse):
    def begin(self) -> None:
        """Read status and headers.

        Raises HTTPException for a line that is not a header: the library would drop it or miss a length after it.
        """
        super().begin()
        if self.msg.get_payload() or any(isinstance(defect, _NO_HEADER) for defect in self.msg.defects):
            raise http.client.HTTPException


def _not_arrived(error: Exception, *, tunnel: bool) -> NotArrivedError:
    """Translate an error of phase 1 into an exception that does not contain the address."""
    match error:
        case NotArrivedError():
            return NotArrivedError(error.detail, certificate=error.certificate)
        case ssl.SSLCertVerificationError():
            return NotArrivedError(BAD_CERTIFICATE, certificate=True)
        case ssl.SSLError():
            return NotArrivedError(TLS_FAILED)
        case NameResolutionError() | LocationParseError():
            return NotArrivedError(NO_NAME)
        case NewConnectionError():  # in some versions of urllib3 a ConnectTimeoutError
            return NotArrivedError(NO_CONNECTION)
        case TimeoutError() | ConnectTimeoutError():
            return NotArrivedError(CONNECT_TIMEOUT)
        case OSError() | http.client.HTTPException():
            return NotArrivedError(NO_TUNNEL if tunnel else NO_CONNECTION)
        case _:
            return NotArrivedError(NOT_SENT)


def _trust(webhook: Webhook, ca_file: Path | None) -> ssl.SSLContext | None:
    """Return a context that trusts `ca_file`, else the system's store; None where TLS is not used."""
    if webhook.scheme == "http" and webhook.loopback and ca_file is None:
        return None  # reading the system's store takes longer than everything else together
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ValueError):
        raise NotArrivedError(BAD_CA_FILE, certificate=True) from None


def _proxy_for(webhook: Webhook, tls: ssl.SSLContext | None) -> ProxyManager | None:
    """Return the environment's proxy for this webhook; its password is as secret as the webhook."""
    # As Go does: the loopback of a proxy is another host, which must not receive the secret.
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
        raise NotArrivedError(BAD_PROXY) from None
    if manager.proxy is None or not manager.proxy.host:
        raise NotArrivedError(BAD_PROXY)
    return manager


def _interrupt(sock: Any) -> None:
    """Wake up a thread that waits on `sock`, which is a wrapper for TLS within TLS, or None before it exists."""
    with contextlib.suppress(Exception):
        # Not `SSLSocket.shutdown`: that drops the TLS object first, and the other thread could then send in clear text.
        socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)


def _close(thing: HTTPConnection | HTTPResponse | None) -> None:
    """Close; an error here must not make a complete response doubtful."""
    with contextlib.suppress(Exception):
        if thing is not None:
            thing.close()
