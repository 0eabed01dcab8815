"""One request on a fresh connection, every step within its limit: no retry, no redirect, no reuse.

Only this module imports urllib3.
Nothing of the address, of a proxy's password or of a foreign exception leaves it, but an answer's own bytes do: they may hold
the secret, and only `mattermost.py` looks at them.
"""

import contextlib
import http.client
import logging
import socket
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from urllib3 import HTTPResponse, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import SKIP_HEADER, make_headers

from atvm_pipeline import __version__

from .answers import Response
from .dialling import CONNECT_TIMEOUT, NO_CONNECTION, Limits, NotArrivedError, dial
from .webhook import Webhook

ANSWER_MAX_BYTES = 4096
"""Read of an answer; `ok` is two bytes."""
SEND_BYTES = 16 * 1024
"""One TLS record, so that one step's limit bounds one write."""

NO_TUNNEL = "the proxy did not open a way to the server"
BAD_PROXY = "the proxy variable of the environment is not http[s]://host:port"
TLS_FAILED = "the TLS handshake failed"
BAD_CERTIFICATE = (
    "the certificate of the server or proxy is not trusted: name its authority in ATVM_WATCHER_CA_FILE"
)
BAD_CA_FILE = "the file of ATVM_WATCHER_CA_FILE cannot be read as certificates"
NOT_SENT = "sending could not begin"
NO_ANSWER = "the post was sent and no answer came in time"
BROKEN_OFF = "the connection broke after sending began"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """Of a 200 of at most `ANSWER_MAX_BYTES`, else nothing: no other is ever looked at."""


class UncertainError(Exception):
    """It ended after sending began; the text is one of the sentences of this module."""


def post(
    webhook: Webhook, body: bytes, *, ca_file: Path | None, connect_s: float, read_s: float, total_s: float
) -> Answer:
    """POST `body` (JSON) once and give the answer.  Raises NotArrivedError, UncertainError, and nothing else.

    Each step before the first byte of the post (the name's look-up, connecting to one address, the proxy's tunnel, the handshake)
    may take `connect_s`, each later one `read_s`, all together `total_s`, also against a peer that drips bytes.
    `ca_file` takes the place of the system's store.  Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, in
    either case; a loopback address is always reached directly.
    """
    headers = {"Content-Type": "application/json"}
    limits = Limits(step_s=connect_s, total_s=total_s)
    return _request(webhook, _Request("POST", webhook.path, body, headers), ca_file, limits, read_s)


def ping(
    webhook: Webhook, *, ca_file: Path | None, connect_s: float, read_s: float, total_s: float
) -> Answer:
    """GET the server's health check and return the answer without its body; the limits are those of `post`.

    Raises NotArrivedError, UncertainError, and nothing else.  Sends nothing of the secret.
    """
    limits = Limits(step_s=connect_s, total_s=total_s)
    return _request(webhook, _Request("GET", webhook.ping_path, None, {}), ca_file, limits, read_s)


class _Request(NamedTuple):
    """One request, apart from the connection that it takes."""

    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]


def _request(
    webhook: Webhook, request: _Request, ca_file: Path | None, limits: Limits, read_s: float
) -> Answer:
    """Connect, send and read.  Raises NotArrivedError, UncertainError."""
    _silence_loggers()
    try:
        connection, request = _connect(webhook, request, ca_file, limits)
    except NotArrivedError as failure:
        # A new one: the one that was raised has frames behind it that know the address.
        raise NotArrivedError(failure.detail, certificate=failure.certificate) from None
    except Exception:  # noqa: BLE001 - no byte of the request was sent, whatever went wrong
        raise NotArrivedError(NOT_SENT) from None
    limits.step_s = read_s
    try:
        with _closed(connection):
            return _exchange(connection, request)
    except (TimeoutError, ReadTimeoutError):
        raise UncertainError(NO_ANSWER) from None
    except Exception:  # noqa: BLE001 - sending had begun, and no answer was understood
        raise UncertainError(BROKEN_OFF) from None


def _exchange(connection: HTTPConnection, request: _Request) -> Answer:
    """Send the request and read the answer, its body only where it can matter: of a post."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # A server may answer and close before it has read everything; the answer is there to be read.
        connection.request(
            request.method,
            request.path,
            body=request.body,
            headers=request.headers,
            preload_content=False,
            decode_content=False,
        )
    response = connection.getresponse()
    with _closed(response):
        matters = request.method == "POST" and response.status == HTTPStatus.OK
        return Answer(response.status, response.headers, _body(response) if matters else b"")


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


def _connect(
    webhook: Webhook, request: _Request, ca_file: Path | None, limits: Limits
) -> tuple[HTTPConnection, _Request]:
    """Return a connection that is ready for the request, and the request with its target and headers for it.

    Raises NotArrivedError, or anything else, with nothing left open.
    """
    headers = {
        **request.headers,
        "User-Agent": f"atvm-pipeline/{__version__}",
        "Connection": "close",
        "Accept-Encoding": SKIP_HEADER,
    }
    # Reading the system's store takes longer than all the rest together; without TLS nobody asks for it.
    plain = webhook.scheme == "http" and webhook.loopback and ca_file is None
    tls = None if plain else _trust(ca_file)
    proxy = _proxy_for(webhook, tls)
    target = request.path
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
            target = webhook.place + request.path
    try:
        with _translated():
            connection.connect()
    except BaseException:
        with contextlib.suppress(Exception):
            connection.close()
        raise
    return connection, request._replace(path=target, headers=headers)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn what can go wrong while connecting into sentences."""
    try:
        yield
    except ssl.SSLCertVerificationError:
        raise NotArrivedError(BAD_CERTIFICATE, certificate=True) from None
    except ssl.SSLError:
        raise NotArrivedError(TLS_FAILED) from None
    except TimeoutError:
        raise NotArrivedError(CONNECT_TIMEOUT) from None
    except OSError:
        raise NotArrivedError(NO_CONNECTION) from None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust: the system's store, or `ca_file` in its place."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ValueError):
        raise NotArrivedError(BAD_CA_FILE, certificate=True) from None


def _proxy_for(webhook: Webhook, tls: ssl.SSLContext | None) -> ProxyManager | None:
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
        raise NotArrivedError(BAD_PROXY) from None
    if manager.proxy is None or not manager.proxy.host:
        raise NotArrivedError(BAD_PROXY)
    return manager


def _new(
    scheme: str, host: str, port: int, tls: ssl.SSLContext | None, limits: Limits, **proxy: Any
) -> "_Plain":
    """A connection to be opened, bound to `limits`."""
    connection = (
        _Secure(host, port, ssl_context=tls, **proxy) if scheme == "https" else _Plain(host, port, **proxy)
    )
    connection.limits = limits
    connection.response_class = partial(Response, limits=limits)
    return connection


class _Plain(HTTPConnection):
    """urllib3's connection without its pool: no retry, no redirect, no reuse, and every step within `limits`."""

    limits: Limits
    response_class: Any

    def _new_conn(self) -> socket.socket:
        sock = dial(self._dns_host, self.port, self.limits)
        sock.settimeout(self.limits.next_s())  # for the handshake, which counts it as a whole
        return sock

    def _tunnel(self) -> None:
        try:
            super()._tunnel()  # private in http.client, and overridden by urllib3 too
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            raise NotArrivedError(NO_TUNNEL) from None
        self.sock.settimeout(self.limits.next_s())

    def send(self, data: Any) -> None:
        """Send all of `data` (bytes).  Raises OSError, also TimeoutError."""
        for start in range(0, len(data), SEND_BYTES):
            self.sock.settimeout(self.limits.next_s())
            super().send(data[start : start + SEND_BYTES])


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS."""


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
