"""The webhook's response, through the real delivery: only the connection is replaced by a pair of sockets."""

import contextlib
import re
import socket
from collections.abc import Iterator

import msgspec
from urllib3.util import connection

from atvm_pipeline.core.effects import PostMessage
from atvm_pipeline.core.events import DeliverySettled
from atvm_pipeline.shell.delivery.deadline import Deadline
from atvm_pipeline.shell.delivery.http import ANSWER_MAX_BYTES
from atvm_pipeline.shell.delivery.mattermost import deliver
from atvm_pipeline.shell.delivery.webhook import Webhook

MAX_LEN = 64 * 1024
SHORT_RUNS = 1000
SECRET = "k3yk3yk3yk3yk3yk3yk3yk3yk3"
WEBHOOK = Webhook.parse(f"http://127.0.0.1:8065/hooks/{SECRET}")
BODY = b'{"text":"x"}'
EFFECT = PostMessage(key="r1/001", attempt=1, kind="main", payload=BODY.decode())
WORDS = (
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 429 \r\n",
        b"HTTP/1.1 500 X\r\n",
    ),
    *(
        b"Content-Length: 2\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"2\r\nok\r\n0\r\n\r\n",
        b"\r\n\r\n",
    ),
    *(
        b"\r\n\r\nok",
        b"Retry-After: ",
        b"99999999999",
        b"Wed, 21 Oct 2026 07:28:00 GMT",
        b"X-Request-Id: ",
        SECRET.encode(),
    ),
    *(
        b"a" * 26,
        b"Content-Encoding: gzip\r\n",
        b"Location: http://x/\r\n",
        b"301",
        b"408",
        b"502",
        b"503",
        b"404",
        b"501",
        b"204",
        b"ok",
        b"\n\n",
    ),
    *(
        b"Connection: keep-alive\r\n",
        b"HTTP/9.9 ",
        b"HTTP/0.9 200",
        b"ffffffffffffffff\r\n",
        b"2;x=y\r\nok",
        b" ok\n",
        b"\x00",
    ),
)
_OUTCOMES = frozenset({"sent", "not-arrived", "probably-not-arrived", "rejected", "uncertain"})


def target(data: bytes) -> None:
    """There is always an outcome; `sent` only for status 200 and the word ok; reading is bounded; the secret is not shown."""
    attempt = deliver_to(data)
    assert attempt.outcome in _OUTCOMES
    assert SECRET not in repr(attempt)
    assert attempt.retry_after_s is None or 0 <= attempt.retry_after_s <= 3600
    assert attempt.request_id is None or re.fullmatch("[a-z0-9]{26}", attempt.request_id)
    if attempt.outcome == "sent":
        assert attempt.status == 200
        assert says_ok(data), data[:400]
    if attempt.status is None:
        assert attempt.outcome == "uncertain"
    else:
        assert attempt.status == final_status(data)
    # Only a gateway's status leads to this outcome.
    assert (attempt.outcome == "probably-not-arrived") == (attempt.status in (502, 503))
    assert (attempt.outcome == "not-arrived") == (attempt.status == 429)


def deliver_to(answer: bytes) -> DeliverySettled:
    """Make one attempt at a server that has already written its complete response, and that then closes the connection."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MAX_LEN)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_LEN)
    with theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        with connected_to(ours):
            attempt = deliver(EFFECT, WEBHOOK, BODY, ca_file=None, deadline=Deadline(60))
        request = theirs.recv(65536)
    assert ours.fileno() == -1, "the connection was left open"
    assert request.endswith(b"\r\n\r\n" + BODY)
    assert request.count(SECRET.encode()) == 1
    return attempt


@contextlib.contextmanager
def connected_to(ours: socket.socket) -> Iterator[None]:
    """Use this socket for the next connection. Nothing else of the delivery is replaced."""
    before = connection.create_connection
    connection.create_connection = lambda *_, **__: ours  # type: ignore[assignment]
    try:
        yield
    finally:
        connection.create_connection = before


def heads(data: bytes) -> tuple[int | None, dict[bytes, bytes], bytes]:
    """Return status, headers (the first of each name) and the rest of the first response that is not `100 Continue`."""
    rest = data
    while True:
        line, _, rest = rest.partition(b"\n")
        status = _status(line.decode("latin-1"))
        headers: dict[bytes, bytes] = {}
        while True:
            field, end, rest = rest.partition(b"\n")
            if field.strip(b"\r") == b"" or not end:
                break
            for line in field.split(b"\r"):  # the standard library accepts a bare CR as a line end
                name, _, value = line.partition(b":")
                headers.setdefault(name.strip().lower(), value.lstrip())
        if status != 100:
            return status, headers, rest


def _status(line: str) -> int | None:
    """Return the status in a status line, as lenient as the standard library: it accepts 0200 as 200."""
    words = line.split(None, 2)
    try:
        return int(words[1]) if words[0].startswith("HTTP/") else None
    except (IndexError, ValueError):
        return None


def final_status(data: bytes) -> int | None:
    """Return the status of a response."""
    return heads(data)[0]


def says_ok(data: bytes) -> bool:
    """Return whether a second reader accepts this as status 200 and the body ok."""
    status, headers, rest = heads(data)
    # The standard library treats white space after the word as a part of it, and reads the body as it is.
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\n")
            count = int(size.split(b";")[0].strip(), 16)
            if count == 0:
                break
            # The standard library does not check the two bytes after a chunk.
            body, rest = body + rest[:count], rest[count + 2 :]
    else:
        length = headers.get(b"content-length", b"").strip()
        body = rest[: int(length)] if length.isdigit() else rest
    return status == 200 and body.strip() == b"ok" and len(body) < ANSWER_MAX_BYTES


def seeds() -> Iterator[bytes]:
    """Yield responses as servers, and proxies in between, send them."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Request-Id: abcdefghijklmnopqrstuvwxyz\r\n"
    yield head + b"Content-Length: 2\r\n\r\nok"
    yield head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    yield head + b"\r\nok"
    yield head + b"\r\nok" + b" " * 2 * ANSWER_MAX_BYTES
    yield head + b"Content-Length: 5\r\n\r\nok"
    yield b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"Content-Length: 3\r\n\r\nok\n"
    for status in (301, 400, 404, 408, 413, 429, 500, 501, 502, 503, 504):
        yield b"HTTP/1.1 %d X\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}" % status
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>ok</title>" + b" " * 5000
    yield b"HTTP/1.1 200 OK\r\nX-Request-Id: " + SECRET.encode() + b"\r\nContent-Length: 0\r\n\r\n"
    yield msgspec.json.encode({"message": SECRET})
