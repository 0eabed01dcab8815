"""A model of Mattermost's incoming webhook, written from the server's source (9.11 to 11.x).

It is not a Mattermost. It models everything that a client can see: the exact text of the answers, the secret
that 11.x echoes in its errors, the splitting of a long text, and `posts`, the messages that a reader of the
channel would see, so that "twice" and "never" are visible.

    with MattermostModel() as server:
        server.script(drop_after_accept(), ok())  # one behaviour a request; the last one repeats
        attempt(server.url)
        assert len(server.posts) == 2
"""

import gzip
import json
import secrets
import ssl
import string
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

from tests.support.waiting import DEADLINE_S

BODY_MAX_BYTES = 300_000 + 512
"""`ServiceSettings.MaximumPayloadSizeBytes`, plus the server's slack; the bytes after that are cut off."""
URL_MAX_BYTES = 2_048
"""A longer request line is refused before anything else is checked."""
TEXT_MAX_RUNES = 16_383
"""The size of a post; 4000 where the database is an old one."""
REQUEST_ID = "".join(string.ascii_lowercase)
BEHAVIOURS_MAX_S = 60.0
"""No scripted wait outlives its test by more."""

Behaviour = Callable[["Call"], None]


@dataclass(frozen=True)
class Post:
    """One message as a reader sees it."""

    text: str
    payload: dict[str, Any]
    """The complete JSON of the request, also where its text was split over several posts."""
    headers: dict[str, str]
    """The request's headers, names in lower case."""


@dataclass(frozen=True)
class Ping:
    """One request to the health check."""

    headers: dict[str, str]


class MattermostModel:
    """The server, on 127.0.0.1 and a free port in the `with` block; `certificate` makes it use TLS."""

    def __init__(
        self,
        *behaviours: Behaviour,
        certificate: tuple[Path, Path] | None = None,
        text_max: int = TEXT_MAX_RUNES,
        channels: frozenset[str] | None = None,
        subpath: str = "",
    ) -> None:
        self.secret = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(26))
        self.text_max = text_max
        self.channels = channels
        """Channels that exist in addition to the hook's own; None: every channel exists."""
        self.subpath = subpath
        """Path below which the server is installed, for example "/mm"."""
        self.pings: list[Ping] = []
        """Requests to the health check."""
        self.posts: list[Post] = []
        self.requests = 0
        """Requests that reached the webhook's path, with or without an answer."""
        self.strays: list[str] = []
        """Method and path of every other request: a followed redirect, a guessed address."""
        self.closing = threading.Event()
        self._behaviours = list(behaviours)
        self._ping_behaviours: list[Behaviour] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.model = self
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*certificate)
            # The handshake runs in the connection's own thread, not in the one that accepts.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self.scheme = "http" if certificate is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def path(self) -> str:
        return f"{self.subpath}/hooks/{self.secret}"

    @property
    def ping_path(self) -> str:
        return f"{self.subpath}/api/v4/system/ping"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.path}"

    def script(self, *behaviours: Behaviour) -> None:
        """Use one behaviour a request from now on; the last one repeats. Without any: `ok()`."""
        with self._lock:
            self._behaviours = list(behaviours)

    def script_pings(self, *behaviours: Behaviour) -> None:
        """Use one behaviour a ping from now on; the last one repeats. Without any: `healthy()`."""
        with self._lock:
            self._ping_behaviours = list(behaviours)

    def next_ping(self, headers: dict[str, str]) -> Behaviour:
        with self._lock:
            self.pings.append(Ping(headers))
            if len(self._ping_behaviours) > 1:
                return self._ping_behaviours.pop(0)
            return self._ping_behaviours[0] if self._ping_behaviours else healthy()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=DEADLINE_S)

    def next_behaviour(self) -> Behaviour:
        with self._lock:
            self.requests += 1
            if len(self._behaviours) > 1:
                return self._behaviours.pop(0)
            return self._behaviours[0] if self._behaviours else ok()

    def store(self, payload: dict[str, Any], headers: dict[str, str]) -> None:
        """Show the post to readers, cut blindly as `SplitWebhookPost` does; the last part has the attachments."""
        text = payload.get("text") or ""
        parts = [text[start : start + self.text_max] for start in range(0, len(text), self.text_max)] or [""]
        with self._lock:
            self.posts.extend(Post(text=part, payload=payload, headers=headers) for part in parts)


@dataclass(frozen=True)
class Call:
    """One request to the webhook, as a behaviour receives it."""

    model: MattermostModel
    handler: BaseHTTPRequestHandler
    headers: dict[str, str]

    def read(self) -> bytes:
        """The request's body."""
        return self.handler.rfile.read(int(self.headers.get("content-length", "0")))

    def accept(self) -> dict[str, Any] | None:
        """Read and store the post as a healthy server does; return None after an error answer."""
        payload = self.decoded(self.read()[:BODY_MAX_BYTES])
        if not isinstance(payload, dict):
            self.fail(400, "web.incoming_webhook.decode.app_error")
        elif not payload.get("text") and not payload.get("attachments"):
            self.fail(400)
        elif not self._channel_exists(payload.get("channel") or ""):
            self.fail(404)
        else:
            self.model.store(payload, self.headers)
            return payload
        return None

    def decoded(self, body: bytes) -> Any:
        """Return the body as Go's decoder reads it, or None if it contains no JSON value.

        The first JSON value counts; the bytes after it do not.
        """
        try:
            if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                body = parse_qs(body.decode())["payload"][0].encode()
            return json.JSONDecoder().raw_decode(body.decode().lstrip())[0]
        except (ValueError, KeyError):
            return None

    def answer(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        self.start(status, content_type, len(body), **headers)
        self.handler.wfile.write(body)

    def start(self, status: int, content_type: str, length: int, **headers: str) -> None:
        """Send status and headers; `_` in a header's name stands for `-`."""
        self.handler.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(length), **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()

    def ok(self, body: bytes = b"ok") -> None:
        headers = {"X_Request_Id": REQUEST_ID, "X_Version_Id": "11.6.0"}
        if "gzip" in self.headers.get("accept-encoding", ""):
            # `WebserverMode=gzip`: only for clients that accept it.
            body, headers["Content_Encoding"] = gzip.compress(body), "gzip"
        self.answer(200, body, "text/plain", **headers)

    def fail(self, status: int, error: str = "web.incoming_webhook.general.app_error") -> None:
        """Return the JSON of 11.x, with the requested id in its message: the secret."""
        asked = self.handler.path.rpartition("/")[2]
        sentence = (
            f"Failed to handle the payload of media type application/json for incoming webhook {asked}."
        )
        body = {
            "id": error,
            "message": sentence,
            "detailed_error": "",
            "request_id": REQUEST_ID,
            "status_code": status,
        }
        self.answer(status, json.dumps(body).encode(), "application/json", X_Request_Id=REQUEST_ID)

    def hang(self, seconds: float) -> None:
        """Wait, no longer than the server lives."""
        self.model.closing.wait(min(seconds, BEHAVIOURS_MAX_S))

    def _channel_exists(self, name: str) -> bool:
        return not name or self.model.channels is None or name.lstrip("#") in self.model.channels


def ok() -> Behaviour:
    """Take the post and confirm it."""

    def behave(call: Call) -> None:
        if call.accept() is not None:
            call.ok()

    return behave


def says(body: bytes) -> Behaviour:
    """Take the post, answer 200 with another body."""

    def behave(call: Call) -> None:
        if call.accept() is not None:
            call.ok(body)

    return behave


def error(status: int) -> Behaviour:
    """Refuse, with 11.x's JSON."""

    def behave(call: Call) -> None:
        call.read()
        call.fail(status)

    return behave


def posted_500() -> Behaviour:
    """Take the post, then fail: CreatePost can fail after its row is saved."""

    def behave(call: Call) -> None:
        if call.accept() is not None:
            call.fail(500)

    return behave


def posted_in_part() -> Behaviour:
    """Take the first part of a long text, then fail: the parts are not one transaction."""

    def behave(call: Call) -> None:
        payload = call.decoded(call.read())
        call.model.store({**payload, "text": payload["text"][: call.model.text_max]}, call.headers)
        call.fail(500)

    return behave


def hardened_500() -> Behaviour:
    """Take the post, then fail, in hardened mode: the answer does not contain the reason."""

    def behave(call: Call) -> None:
        if call.accept() is not None:
            body = {
                "id": "",
                "message": "Internal Server Error",
                "request_id": REQUEST_ID,
                "status_code": 500,
            }
            call.answer(500, json.dumps(body).encode(), "application/json", X_Request_Id=REQUEST_ID)

    return behave


def passed_on(status: int) -> Behaviour:
    """Pass the post on as a gateway that answers itself: the server was stopped before its answer came."""

    def behave(call: Call) -> None:
        if call.accept() is not None:
            call.answer(status, b"<html>Bad Gateway</html>", "text/html")

    return behave


def passed_on_later(status: int) -> Behaviour:
    """Answer as a gateway, and pass the post on all the same."""

    def behave(call: Call) -> None:
        payload = call.decoded(call.read())
        call.answer(status, b"<html>Bad Gateway</html>", "text/html")
        call.model.store(payload, call.headers)

    return behave


def away(status: int = 502, retry_after: str | None = None) -> Behaviour:
    """Answer as a gateway without its server: nothing is passed on."""

    def behave(call: Call) -> None:
        call.read()
        headers = {} if retry_after is None else {"Retry_After": retry_after}
        call.answer(status, b"<html>Bad Gateway</html>", "text/html", **headers)

    return behave


def healthy() -> Behaviour:
    """Answer the health check as a running server."""

    def behave(call: Call) -> None:
        body = {"AndroidLatestVersion": "", "status": "OK", "ActiveSearchBackend": "database"}
        call.answer(200, json.dumps(body).encode(), "application/json", X_Request_Id=REQUEST_ID)

    return behave


def rate_limited(retry_after: str | None = "1") -> Behaviour:
    """Answer with the limiter's plain text, before the post is checked."""

    def behave(call: Call) -> None:
        call.read()
        headers = {"X_Ratelimit_Limit": "10", "X_Ratelimit_Remaining": "0", "X_Ratelimit_Reset": "1"}
        headers |= {} if retry_after is None else {"Retry_After": retry_after}
        call.answer(429, b"limit exceeded\n", "text/plain; charset=utf-8", **headers)

    return behave


def page(status: int = 200) -> Behaviour:
    """Answer with an HTML page of something in between: a login, a portal, a proxy without a backend."""

    def behave(call: Call) -> None:
        call.read()
        call.answer(status, b"<!doctype html><title>ok</title>" + b" " * 100_000, "text/html")

    return behave


def redirect(status: int) -> Behaviour:
    """Redirect to another path of this server; a client that follows appears in `strays`."""

    def behave(call: Call) -> None:
        call.read()
        call.answer(
            status, b"", "text/html", Location=f"{call.model.scheme}://127.0.0.1:{call.model.port}/elsewhere"
        )

    return behave


def slow(seconds: float, then: Behaviour | None = None) -> Behaviour:
    """Wait first."""

    def behave(call: Call) -> None:
        call.hang(seconds)
        (then or ok())(call)

    return behave


def held(gate: threading.Event, then: Behaviour | None = None) -> Behaviour:
    """Wait until the test opens the gate, no longer than the server lives."""

    def behave(call: Call) -> None:
        while not (gate.wait(0.01) or call.model.closing.is_set()):
            pass
        (then or ok())(call)

    return behave


def drip(pause_s: float, *, headers: bool = False) -> Behaviour:
    """Take the post, then answer without end, a byte at a time: in the body, or already in the headers."""

    def behave(call: Call) -> None:
        call.accept()
        if headers:
            call.handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        else:
            call.start(200, "text/plain", 1_000_000)
        while not call.model.closing.wait(pause_s):
            call.handler.wfile.write(b"o")

    return behave


def drop_after_accept() -> Behaviour:
    """Take the post, then close without an answer."""

    def behave(call: Call) -> None:
        call.accept()

    return behave


def drop_before_read() -> Behaviour:
    """Close without reading the body."""

    def behave(call: Call) -> None:
        pass

    return behave


def half_answer(body: bytes = b"o") -> Behaviour:
    """Take the post, then close before the complete answer was sent."""

    def behave(call: Call) -> None:
        call.accept()
        call.start(200, "text/plain", len(body) + 1)
        call.handler.wfile.write(body)

    return behave


def raw(answer: bytes) -> Behaviour:
    """Take the post, then send these bytes as they are."""

    def behave(call: Call) -> None:
        call.accept()
        call.handler.wfile.write(answer)

    return behave


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # `server_close` then waits for them, so that none reaches into the next test
    model: MattermostModel

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect: every second test has one."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20  # s, for a client that stalls
    server: _Server

    def do_POST(self) -> None:
        # One request a connection: every drop affects one request, and webhook clients reuse none either.
        self.close_connection = True
        model = self.server.model
        call = Call(model, self, {name.lower(): value for name, value in self.headers.items()})
        if self.path == model.path:
            model.next_behaviour()(call)
            return
        model.strays.append(f"POST {self.path}"[:URL_MAX_BYTES])
        payload = call.decoded(call.read())
        place, _, asked = self.path.rpartition("/")
        if len(self.path) > URL_MAX_BYTES:
            call.fail(414, "basic_security_check.url.too_long_error")
        elif place == "/hooks" and asked.isalnum():
            # The existence of the hook is checked last: a malformed body is refused for that reason alone.
            call.fail(400, *([] if isinstance(payload, dict) else ["web.incoming_webhook.decode.app_error"]))
        else:
            call.answer(404, b"<!doctype html>", "text/html")

    def do_GET(self) -> None:
        """Answer any GET except a ping with the web client's page.

        It looks like success to a client that turned a POST into a GET.
        """
        if self.path == self.server.model.ping_path:
            self.close_connection = True
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.server.model.next_ping(headers)(Call(self.server.model, self, headers))
            return
        self.server.model.strays.append(f"GET {self.path}")
        Call(self.server.model, self, {}).answer(200, b"<!doctype html>", "text/html")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def make_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Create a self-signed certificate for `names` ("127.0.0.1", "chat.test") and its key, by openssl."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    alternatives = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names)
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=model", "-addext", f"subjectAltName={alternatives}"]
    command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    subprocess.run(
        [*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=DEADLINE_S
    )
    return certificate, key
