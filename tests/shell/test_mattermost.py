import contextlib
import email.utils
import json
import logging
import re
import select
import shutil
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from atvm_pipeline import __version__
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell import clock, mattermost
from atvm_pipeline.shell.mattermost import Attempt, deliver
from atvm_pipeline.shell.webhook import Webhook
from tests.mattermost_model import (
    REQUEST_ID,
    Behaviour,
    MattermostModel,
    drip,
    drop_after_accept,
    drop_before_read,
    error,
    half_answer,
    make_certificate,
    ok,
    page,
    posted_500,
    rate_limited,
    raw,
    redirect,
    says,
    slow,
)

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


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[MattermostModel]:
    with MattermostModel() as model:
        yield model


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1", "chat.test")


def attempt(
    url: str, *, ca_file: Path | None = None, connect: float = 5, read: float = 5, total: float = 10
) -> Attempt:
    return deliver(
        Webhook.parse(url),
        BODY,
        ca_file=ca_file,
        connect_timeout_s=connect,
        read_timeout_s=read,
        total_timeout_s=total,
    )


# The address


@pytest.mark.parametrize(
    ("text", "place", "insecure"),
    [
        ("https://chat.example.org/hooks/abc123", "https://chat.example.org", False),
        ("  https://Chat.Example.org:443/hooks/ABC123\n", "https://chat.example.org", False),
        ("https://chat.example.org:8443/team/chat/hooks/abc", "https://chat.example.org:8443", False),
        ("HTTPS://10.1.2.3/hooks/abc", "https://10.1.2.3", False),
        ("https://[2001:db8::1]:8443/hooks/abc", "https://[2001:db8::1]:8443", False),
        ("http://localhost:8065/hooks/abc", "http://localhost:8065", False),
        ("http://127.0.0.9:8065/hooks/abc", "http://127.0.0.9:8065", False),
        ("http://[::1]/hooks/abc", "http://[::1]", False),
        ("http://chat.example.org/hooks/abc", "http://chat.example.org", True),
        ("http://localhost.example.org/hooks/abc", "http://localhost.example.org", True),
    ],
)
def test_an_address_gives_its_place_and_whether_it_is_insecure(text: str, place: str, insecure: bool) -> None:
    webhook = Webhook.parse(text)

    assert (place, insecure) == (webhook.place, webhook.insecure)
    assert place == str(webhook)


@pytest.mark.parametrize(
    ("text", "says_what"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("s3cr3ts3cr3t", "https://"),
        ("ftp://chat/hooks/s3cr3t", "https://"),
        ("chat.example.org:443/hooks/s3cr3t", "https://"),
        ("https:///hooks/s3cr3t", "server"),
        ("https://chat:0/hooks/s3cr3t", "port"),
        ("https://chat:65536/hooks/s3cr3t", "port"),
        ("https://chat:s3cr3t/hooks/s3cr3t", "port"),
        ("https://[::1/hooks/s3cr3t", "server"),
        ("https://[fe80::1%eth0]/hooks/s3cr3t", "server"),
        ("https://-chat/hooks/s3cr3t", "server"),
        ("https://me:s3cr3t@chat/hooks/s3cr3t", "user name"),
        ("https://s3cr3t@chat/hooks/s3cr3t", "user name"),
        ("https://chat/hooks/s3cr3t?x=1", "query"),
        ("https://chat/hooks/s3cr3t#x", "fragment"),
        ("https://chat/hooks/", "/hooks/"),
        ("https://chat/hooks", "/hooks/"),
        ("https://chat/s3cr3t", "/hooks/"),
        ("https://chat/hooks/s3cr3t/", "/hooks/"),
        ("https://chat/hooks/s3cr3t/x", "/hooks/"),
        ("https://chat/hooks/s3-cr3t", "/hooks/"),
        ("https://chat/a/../hooks/s3cr3t", "/hooks/"),
        ("https://chat//hooks/s3cr3t", "/hooks/"),
        ("https://chat/hooks/" + "s3cr3t" * 20, "/hooks/"),
        ("https://chat/hooks/s3cr3t\r\nX-Evil: 1", "characters"),
        ("https://chat/hooks/s3c\tr3t", "characters"),
        ("https://chat/hooks/s3cr3t\x00", "characters"),
        ("https://chät/hooks/s3cr3t", "characters"),
        ("https://chat\\hooks/s3cr3t", "characters"),
        ('"https://chat/hooks/s3cr3t"', "characters"),
        ("https://chat/" + "s3cr3t/" * 2000, "too long"),
    ],
)
def test_a_malformed_address_is_refused_in_one_line_that_says_what_to_do_and_repeats_nothing(
    text: str, says_what: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        Webhook.parse(text)

    message = str(refusal.value)
    assert says_what in message
    assert "https://<server>/hooks/<id>" in message
    assert "\n" not in message
    assert "s3c" not in message
    assert "r3t" not in message


@given(
    st.one_of(
        st.text(), st.text().map("https://{}/hooks/abc".format), st.text().map("https://chat/{}".format)
    )
)
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert re.fullmatch(r"https?://[\x21-\x7e]+", Webhook.parse(text).place)


# What is sent


def test_a_post_arrives_once_as_it_is_and_with_the_headers_of_one_simple_request(
    server: MattermostModel,
) -> None:
    result = attempt(server.url)

    assert Attempt(outcome="sent", status=200, detail=mattermost.SENT, request_id=REQUEST_ID) == result
    assert server.requests == 1
    (post,) = server.posts
    assert json.loads(BODY) == post.payload
    assert {
        "host": f"127.0.0.1:{server.port}",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "user-agent": f"atvm-pipeline/{__version__}",
        "connection": "close",
    } == post.headers


def test_a_body_of_many_records_arrives_whole(server: MattermostModel) -> None:
    text = "ä" * 16_000 + "end"

    result = deliver(Webhook.parse(server.url), json.dumps({"text": text}).encode(), ca_file=None)

    assert result.outcome == "sent"
    assert [text] == [post.text for post in server.posts]


# The classes of answers


@pytest.mark.parametrize(
    ("behaviour", "outcome", "status", "posts"),
    [
        pytest.param(says(b" ok\r\n"), "sent", 200, 1, id="white space around ok"),
        pytest.param(
            raw(b"HTTP/1.0 200 OK\r\n\r\nok"), "sent", 200, 1, id="ok up to the end of the connection"
        ),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"),
            "sent",
            200,
            1,
            id="ok in chunks",
        ),
        pytest.param(
            raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nok"), "sent", 200, 1, id="100 before ok"
        ),
        pytest.param(says(b"okay"), "uncertain", 200, 1, id="another word"),
        pytest.param(says(b'{"status":"OK"}'), "uncertain", 200, 1, id="REST's JSON"),
        pytest.param(says(b""), "uncertain", 200, 1, id="nothing"),
        pytest.param(says(b"ok" + b" " * 4095), "uncertain", 200, 1, id="longer than is read"),
        pytest.param(page(200), "uncertain", 200, 0, id="a portal's page"),
        pytest.param(posted_500(), "uncertain", 500, 1, id="500 after the post was stored"),
        *[
            pytest.param(page(status), "uncertain", status, 0, id=str(status))
            for status in (201, 204, 408, 502, 503, 504, 999)
        ],
        *[
            pytest.param(redirect(status), "rejected", status, 0, id=str(status))
            for status in (301, 302, 303, 307, 308)
        ],
        *[
            pytest.param(error(status), "rejected", status, 0, id=str(status))
            for status in (400, 401, 403, 404, 405, 413, 414, 415, 418, 499, 501)
        ],
        pytest.param(rate_limited(), "not-arrived", 429, 0, id="429"),
        pytest.param(drop_after_accept(), "uncertain", None, 1, id="dropped after the post was stored"),
        pytest.param(drop_before_read(), "uncertain", None, 0, id="dropped before the body was read"),
        pytest.param(half_answer(b"o"), "uncertain", None, 1, id="half an answer"),
        pytest.param(half_answer(b"ok"), "uncertain", None, 1, id="ok, but cut from something longer"),
    ],
)
def test_each_answer_has_its_class_and_is_asked_for_once(
    server: MattermostModel, behaviour: Behaviour, outcome: str, status: int | None, posts: int
) -> None:
    server.script(behaviour)

    result = attempt(server.url)

    assert (outcome, status) == (result.outcome, result.status)
    assert result.detail
    assert (1, posts, []) == (server.requests, len(server.posts), server.strays)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("3600", 3600.0),
        ("86400", 3600.0),
        ("9" * 60, 3600.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", 3600.0),
        ("Sun, 06 Nov 2094 08:49:37 -0000", 3600.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Sun, 99 Nov 99999 99:99:99 GMT", None),
        ("\xb2", None),
        (None, None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait_at_most_an_hour(
    server: MattermostModel, header: str | None, seconds: float | None
) -> None:
    server.script(rate_limited(header))

    assert seconds == attempt(server.url).retry_after_s


def test_a_rate_limit_may_name_a_date(server: MattermostModel) -> None:
    server.script(
        rate_limited(email.utils.format_datetime(clock.now() + timedelta(seconds=120), usegmt=True))
    )

    wait_s = attempt(server.url).retry_after_s

    assert wait_s is not None
    assert 60 < wait_s <= 120


@pytest.mark.parametrize("request_id", ["A" * 26, "a" * 25, "a" * 27, "a" * 13 + "/" + "a" * 12])
def test_a_request_id_of_another_form_is_not_kept(server: MattermostModel, request_id: str) -> None:
    server.script(raw(f"HTTP/1.0 200 OK\r\nX-Request-Id: {request_id}\r\n\r\nok".encode()))

    assert attempt(server.url).request_id is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n" * 100,
        b"\x00\xff" * 1000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 OK\r\n\r\nok",
        b"HTTP/1.1 99 x\r\n\r\nok",
        b"HTTP/1.1 20000 x\r\n\r\nok",
        b"HTTP/1.1 200 " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
)
def test_an_answer_that_is_none_is_uncertain(server: MattermostModel, answer: bytes) -> None:
    server.script(raw(answer))

    result = attempt(server.url)

    assert result.outcome == "uncertain"
    assert len(server.posts) == 1


# Time


@pytest.mark.parametrize(
    ("behaviour", "read_s", "total_s"),
    [
        pytest.param(slow(60), 0.3, 10, id="no answer"),
        pytest.param(slow(60), 10, 0.3, id="no answer within the total"),
        pytest.param(drip(0.05), 5, 0.5, id="a body byte by byte"),
        pytest.param(drip(0.05, headers=True), 5, 0.5, id="headers byte by byte"),
    ],
)
def test_a_slow_answer_is_uncertain_when_the_limit_has_passed(
    server: MattermostModel, behaviour: Behaviour, read_s: float, total_s: float
) -> None:
    server.script(behaviour)
    began = time.monotonic()

    result = attempt(server.url, read=read_s, total=total_s)

    assert (result.outcome, result.detail) == ("uncertain", mattermost.NO_ANSWER)
    assert time.monotonic() - began < 4


def test_a_slow_answer_within_the_limits_is_an_answer(server: MattermostModel) -> None:
    server.script(slow(0.3))

    assert attempt(server.url).outcome == "sent"


@contextlib.contextmanager
def listening(*, accept: bool = True) -> Iterator[int]:
    """A port where a peer takes connections and says nothing, or lets them wait before the door."""
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


def test_a_body_that_nobody_reads_is_uncertain_within_the_total() -> None:
    body = b"x" * 20_000_000  # more than any socket takes by itself
    with listening() as port:
        began = time.monotonic()
        result = deliver(
            Webhook.parse(f"http://127.0.0.1:{port}/hooks/abc"),
            body,
            ca_file=None,
            read_timeout_s=5,
            total_timeout_s=0.4,
        )

    assert (result.outcome, result.detail) == ("uncertain", mattermost.NO_ANSWER)
    assert time.monotonic() - began < 4


# What does not arrive


def test_a_closed_port_is_not_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    result = attempt(f"http://127.0.0.1:{port}/hooks/abc")

    assert Attempt(outcome="not-arrived", detail=mattermost.NO_CONNECTION) == result


def test_a_name_that_cannot_be_resolved_is_not_arrived() -> None:
    result = attempt(
        "https://" + "x" * 64 + ".invalid/hooks/abc"
    )  # no label is that long: no resolver is asked

    assert Attempt(outcome="not-arrived", detail=mattermost.NO_NAME) == result


def test_a_port_that_lets_us_wait_is_not_arrived() -> None:
    with listening(accept=False) as port:
        result = attempt(f"http://127.0.0.1:{port}/hooks/abc", connect=0.3)

    assert Attempt(outcome="not-arrived", detail=mattermost.CONNECT_TIMEOUT) == result


def test_a_handshake_that_stalls_is_not_arrived() -> None:
    with listening() as port:
        result = attempt(f"https://127.0.0.1:{port}/hooks/abc", connect=0.3)

    assert Attempt(outcome="not-arrived", detail=mattermost.CONNECT_TIMEOUT) == result


def test_a_server_without_tls_is_not_arrived(server: MattermostModel) -> None:
    result = attempt(server.url.replace("http://", "https://"))

    assert Attempt(outcome="not-arrived", detail=mattermost.TLS_FAILED) == result
    assert server.requests == 0


# TLS


def test_a_certificate_that_nobody_vouches_for_is_a_certificate_error(certificate: tuple[Path, Path]) -> None:
    with MattermostModel(certificate=certificate) as server:
        result = attempt(server.url)

    assert Attempt(outcome="not-arrived", detail=mattermost.BAD_CERTIFICATE, certificate=True) == result
    assert server.requests == 0


def test_the_ca_file_vouches_for_a_certificate(certificate: tuple[Path, Path]) -> None:
    with MattermostModel(certificate=certificate) as server:
        result = attempt(server.url, ca_file=certificate[0])

    assert result.outcome == "sent"
    assert len(server.posts) == 1


def test_a_certificate_for_another_name_is_a_certificate_error(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    other = make_certificate(tmp_path, "chat.test")
    with MattermostModel(certificate=other) as server:
        result = attempt(server.url, ca_file=other[0])

    assert Attempt(outcome="not-arrived", detail=mattermost.BAD_CERTIFICATE, certificate=True) == result
    assert server.requests == 0


@pytest.mark.parametrize("behaviour", [slow(60), drip(0.05), drip(0.05, headers=True)])
def test_the_limits_hold_over_tls(certificate: tuple[Path, Path], behaviour: Behaviour) -> None:
    with MattermostModel(behaviour, certificate=certificate) as server:
        began = time.monotonic()
        result = attempt(server.url, ca_file=certificate[0], total=0.6)

    assert (result.outcome, result.detail) == ("uncertain", mattermost.NO_ANSWER)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("behaviour", [drop_after_accept(), drop_before_read()])
def test_a_drop_over_tls_is_uncertain(certificate: tuple[Path, Path], behaviour: Behaviour) -> None:
    with MattermostModel(behaviour, certificate=certificate) as server:
        assert attempt(server.url, ca_file=certificate[0]).outcome == "uncertain"


@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_ca_file_that_cannot_be_read_is_a_certificate_error(
    tmp_path: Path, server: MattermostModel, content: bytes | None
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)

    result = attempt(server.url, ca_file=ca_file)

    assert Attempt(outcome="not-arrived", detail=mattermost.BAD_CA_FILE, certificate=True) == result
    assert server.requests == 0


# Proxies


class Proxy(socketserver.ThreadingTCPServer):
    """Sends everything to one port of this host, whatever name was asked for; knows CONNECT and absolute targets."""

    daemon_threads = False

    def __init__(
        self, upstream: int, *, says: bytes | None = None, certificate: tuple[Path, Path] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.upstream = upstream
        self.says = says
        """Answer this to CONNECT and go no further."""
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
        """A client that goes away is no error here."""


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
        with socket.create_connection(("127.0.0.1", self.server.upstream), timeout=10) as upstream:
            if head.startswith(b"CONNECT"):
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream.sendall(re.sub(rb"^(\S+) http://[^/]+", rb"\1 ", head))
            _relay(self.request, upstream)


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    """Copy both ways until either side closes, on one thread: a TLS socket must not be read and written at once."""
    other = {client: upstream, upstream: client}
    while readable := select.select(list(other), [], [], 10)[0]:
        for source in readable:
            # No TLS record is larger, so that nothing is left where select cannot see it.
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
            thread.join(timeout=10)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_https_goes_through_the_tunnel_of_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path], variable: str
) -> None:
    with MattermostModel(certificate=certificate) as server, proxy_to(server.port) as proxy:
        monkeypatch.setenv(variable, f"http://me:pass%20word@{proxy.place}")
        result = attempt(f"https://chat.test{server.path}", ca_file=certificate[0])

    assert result.outcome == "sent"
    assert len(server.posts) == 1
    assert server.posts[0].headers["host"] == "chat.test"
    assert "proxy-authorization" not in server.posts[0].headers
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT chat.test:443 ")
    assert b"basic bwu6cgfzcyb3b3jk" in head.lower()
    assert server.secret.encode() not in head


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("prefix", ["http://", ""])
def test_http_goes_through_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, server: MattermostModel, variable: str, prefix: str
) -> None:
    with proxy_to(server.port) as proxy:
        monkeypatch.setenv(variable, prefix + proxy.place)
        result = attempt(f"http://chat.test:8065{server.path}")

    assert result.outcome == "sent"
    assert [f"POST http://chat.test:8065{server.path} HTTP/1.1".encode()] == [
        head.split(b"\r\n")[0] for head in proxy.heads
    ]
    assert server.posts[0].headers["host"] == "chat.test:8065"


def test_a_proxy_may_speak_tls_itself(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    with (
        MattermostModel(certificate=certificate) as server,
        proxy_to(server.port, certificate=certificate) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.place}")
        result = attempt(f"https://chat.test{server.path}", ca_file=certificate[0])

    assert result.outcome == "sent"
    assert len(server.posts) == 1


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("names", ["*", "other, 0.0.0.0", ".0.0.0", "0.0.0.0:{port}"])
def test_names_without_proxy_are_reached_directly(
    monkeypatch: pytest.MonkeyPatch, server: MattermostModel, variable: str, names: str
) -> None:
    with proxy_to(server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.place}")
        monkeypatch.setenv(variable, names.format(port=server.port))
        # On Linux this is the own host too, but no loopback address, and it needs no resolver.
        result = attempt(f"http://0.0.0.0:{server.port}{server.path}")

    assert result.outcome == "sent"
    assert proxy.heads == []


def test_a_loopback_address_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch, server: MattermostModel
) -> None:
    with proxy_to(server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.place}")
        result = attempt(server.url)

    assert result.outcome == "sent"
    assert proxy.heads == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"",
        b"\x00\x01",
        b"HTTP/1.1 200 OK",
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_not_arrived(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    with proxy_to(1, says=answer) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.place}")
        result = attempt("https://chat.test/hooks/abc")

    assert result.outcome == "not-arrived"
    assert result.status is None
    assert result.detail in {mattermost.NO_TUNNEL, mattermost.TLS_FAILED, mattermost.NO_CONNECTION}


def test_a_proxy_that_drips_is_not_arrived_when_the_total_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_to(1, says=b"HTTP/1.1 200 OK\r\nX-Drip: " + b"o" * 10_000) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.place}")
        began = time.monotonic()
        result = attempt("https://chat.test/hooks/abc", total=0.5)

    assert Attempt(outcome="not-arrived", detail=mattermost.CONNECT_TIMEOUT) == result
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("proxy", "detail"),
    [
        ("http://127.0.0.1:1", mattermost.NO_CONNECTION),
        ("socks5://127.0.0.1:1", mattermost.BAD_PROXY),
        ("http://", mattermost.BAD_PROXY),
        ("http://127.0.0.1:x", mattermost.BAD_PROXY),
        ("http://[::1", mattermost.BAD_PROXY),
        ("http://\u4f60:\u597d@127.0.0.1:1", mattermost.BAD_PROXY),
    ],
)
def test_a_proxy_that_cannot_be_used_is_not_arrived(
    monkeypatch: pytest.MonkeyPatch, proxy: str, detail: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)

    assert Attempt(outcome="not-arrived", detail=detail) == attempt("https://chat.test/hooks/abc")


# The secret


LEAKS = [
    ok(),
    error(400),
    error(404),
    posted_500(),
    page(200),
    redirect(307),
    rate_limited(),
    drop_after_accept(),
    drop_before_read(),
    half_answer(),
    raw(
        b"HTTP/1.1 200 OK\r\nno colon in this line\r\n\r\nok"
    ),  # urllib3 logs the address with it, at WARNING
    raw(b"HTTP/1.1 200 OK\r\nX-Drip: "),
]


@pytest.mark.parametrize("behaviour", LEAKS)
def test_the_secret_is_in_nothing_that_is_logged_printed_or_returned(
    server: MattermostModel,
    behaviour: Behaviour,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connection", "urllib3.connectionpool", "http.client"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    server.script(behaviour)
    webhook = Webhook.parse(server.url)

    result = deliver(webhook, BODY, ca_file=None, read_timeout_s=0.5)

    shown = [
        repr(result),
        str(result),
        msgspec.json.encode(result).decode(),
        repr(webhook),
        str(webhook),
        f"{webhook}",
    ]
    shown += [caplog.text, *(repr(vars(record)) for record in caplog.records), *capfd.readouterr()]
    assert server.requests == 1
    assert [text for text in shown if server.secret in text] == []


def test_the_secret_is_in_nothing_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    result = attempt("http://127.0.0.1:1/hooks/s3cr3t")

    assert result.outcome == "not-arrived"
    assert "s3cr3t" not in repr(result) + caplog.text


# The model itself


def test_the_model_splits_a_long_text_as_readers_would_see_it() -> None:
    body = json.dumps({"text": "a" * 4000 + "b" * 10}).encode()
    with MattermostModel(text_max=4000) as server:
        result = deliver(Webhook.parse(server.url), body, ca_file=None)

    assert result.outcome == "sent"
    assert [post.text for post in server.posts] == ["a" * 4000, "b" * 10]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"text":"x","channel":"gone"}', 404),
        (b" " * 300_001, 400),
    ],
)
def test_the_model_refuses_what_a_server_refuses(body: bytes, status: int) -> None:
    with MattermostModel(channels=frozenset({"town-square"})) as server:
        result = deliver(Webhook.parse(server.url), body, ca_file=None)

    assert ("rejected", status) == (result.outcome, result.status)
    assert server.posts == []


def test_the_model_knows_only_its_own_webhook(server: MattermostModel) -> None:
    result = attempt(server.url.replace(server.secret, "a" * 26))

    assert (result.outcome, result.status) == ("rejected", 400)
    assert (server.requests, len(server.strays)) == (0, 1)


def test_the_model_does_one_behaviour_a_request_and_repeats_the_last(server: MattermostModel) -> None:
    server.script(error(400), posted_500(), ok())

    assert [attempt(server.url).status for _ in range(4)] == [400, 500, 200, 200]
    assert len(server.posts) == 3
