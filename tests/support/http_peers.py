"""Shared helpers for the tests of delivery: one attempt with short limits, a listening peer, a proxy."""

import contextlib
import json
import re
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atvm_pipeline.core.effects import PingServer, PostMessage
from atvm_pipeline.core.events import DeliverySettled, ServerPinged
from atvm_pipeline.shell.delivery.deadline import Deadline
from atvm_pipeline.shell.delivery.mattermost import Outcome, deliver, ping
from atvm_pipeline.shell.delivery.sender import send_once
from atvm_pipeline.shell.delivery.webhook import Webhook
from tests.support.waiting import DEADLINE_S

BODY = json.dumps({"text": "e2e-redhat9.6-fc FAILED", "props": {"atvm_delivery_id": "d1"}}).encode()
PROXY_VARIABLES = (
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
)


POST = PostMessage(key="r1/001", attempt=2, kind="main", payload=BODY.decode())
PING = PingServer(key="r1/001", ping=3)


def attempt(
    url: str,
    body: bytes = BODY,
    *,
    ca_file: Path | None = None,
    connect: float = 5,
    read: float = 5,
    total: float = 10,
) -> DeliverySettled:
    """Post once, in a worker thread and with the given limits."""
    webhook = Webhook.parse(url)

    def perform(_effect: object, deadline: Deadline) -> DeliverySettled:
        return deliver(
            POST, webhook, body, ca_file=ca_file, deadline=deadline, connect_s=connect, read_s=read
        )

    return send_once(POST, perform, Deadline(total))


def attempt_ping(
    url: str, *, ca_file: Path | None = None, read: float = 5, total: float = 10
) -> ServerPinged:
    """Ping once, in a worker thread and with the given limits."""
    webhook = Webhook.parse(url)

    def perform(_effect: object, deadline: Deadline) -> ServerPinged:
        return ping(PING, webhook, ca_file=ca_file, deadline=deadline, connect_s=5, read_s=read)

    return send_once(PING, perform, Deadline(total))


def settled_as(result: DeliverySettled, outcome: Outcome, detail: str, **more: Any) -> DeliverySettled:
    """Return the complete outcome that is expected of `attempt`, at the time of `result`."""
    return DeliverySettled(
        at=result.at, key="r1/001", attempt=2, outcome=outcome, detail=detail, transport="webhook", **more
    )


def pinged_as(result: ServerPinged, detail: str, *, up: bool = False, **more: Any) -> ServerPinged:
    """Return the complete result that is expected of `attempt_ping`, at the time of `result`."""
    return ServerPinged(at=result.at, key="r1/001", ping=3, up=up, detail=detail, **more)


@contextlib.contextmanager
def listening(*, accept: bool = True) -> Iterator[int]:
    """Yield a port where a peer accepts connections and sends nothing, or keeps them waiting in a full backlog."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0 if not accept else 5) as listener,
        contextlib.ExitStack() as waiting,
    ):
        port = listener.getsockname()[1]
        for _ in range(0 if accept else 4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


class Proxy(socketserver.ThreadingTCPServer):
    """Sends everything to one port of this host, for any requested name; knows CONNECT and absolute targets."""

    daemon_threads = False

    def __init__(
        self, upstream: int, *, says: bytes | None = None, certificate: tuple[Path, Path] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.upstream = upstream
        self.says = says
        """Answer this to CONNECT and do nothing more."""
        self.heads: list[bytes] = []
        self.closing = threading.Event()
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*certificate)
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that disconnects: this is no error here."""


class _ProxyHandler(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        self.request.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head and (piece := self.request.recv(1)):
            head += piece
        self.server.heads.append(head)
        if head.startswith(b"CONNECT") and self.server.says is not None:
            for index in range(len(self.server.says)):
                self.request.sendall(self.server.says[index : index + 1])
                if self.server.closing.wait(0.005):
                    return
            return
        with socket.create_connection(("127.0.0.1", self.server.upstream), timeout=DEADLINE_S) as upstream:
            if head.startswith(b"CONNECT"):
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream.sendall(re.sub(rb"^(\S+) http://[^/]+", rb"\1 ", head))
            _relay(self.request, upstream)


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    """Copy both ways until either side closes, on one thread.

    A TLS socket must not be read and written at the same time.
    """
    other = {client: upstream, upstream: client}
    while readable := select.select(list(other), [], [], 10)[0]:
        for source in readable:
            # No TLS record is larger, so no data is left inside the socket, where select cannot see it.
            data = source.recv(65536)
            if not data:
                return
            other[source].sendall(data)


@contextlib.contextmanager
def proxy_to(
    port: int, *, says: bytes | None = None, certificate: tuple[Path, Path] | None = None
) -> Iterator[Proxy]:
    with Proxy(port, says=says, certificate=certificate) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            proxy.shutdown()
            thread.join(timeout=DEADLINE_S)
