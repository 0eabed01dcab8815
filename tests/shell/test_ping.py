"""The question whether the server is back: which answer permits a repeat, and what is sent for it."""

import threading
import time
from pathlib import Path

import pytest

from atvm_pipeline.core.effects import PingServer
from atvm_pipeline.core.events import ServerPinged
from atvm_pipeline.shell import delivery, dialling, mattermost, transport
from atvm_pipeline.shell.delivery import NO_PING, NO_THREAD, deliverer, ping_once
from atvm_pipeline.shell.mattermost import Ping, ping
from atvm_pipeline.shell.webhook import Webhook
from tests.delivering import listening, proxy_to
from tests.mattermost_model import (
    Behaviour,
    Call,
    MattermostModel,
    away,
    drop_before_read,
    error,
    page,
    rate_limited,
    redirect,
)
from tests.shell.test_delivery import request
from tests.waiting import SOON_S


def asked(url: str, *, ca_file: Path | None = None, read_s: float = 5, total_s: float = 10) -> Ping:
    return ping(
        Webhook.parse(url),
        ca_file=ca_file,
        connect_timeout_s=5,
        read_timeout_s=read_s,
        total_timeout_s=total_s,
    )


def no_http(call: Call) -> None:
    call.handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


def endless_headers(call: Call) -> None:
    call.handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    _drip(call)


def endless_body(call: Call) -> None:
    call.start(200, "text/plain", 1_000_000)
    _drip(call)


def _drip(call: Call) -> None:
    while not call.model.closing.wait(0.01):
        call.handler.wfile.write(b"o")


def test_a_healthy_server_is_asked_without_a_word_of_the_secret(server: MattermostModel) -> None:
    found = asked(server.url)
    (seen,) = server.pings

    assert found == Ping(up=True, status=200, detail=mattermost.IS_BACK)
    assert server.secret not in repr(seen)
    assert sorted(seen.headers) == ["connection", "host", "user-agent"]
    assert (server.requests, server.strays) == (0, [])


@pytest.mark.parametrize("subpath", ["/mm", "/a/b.c", "/hooks"])
def test_a_server_below_a_subpath_is_asked_there(subpath: str) -> None:
    with MattermostModel(subpath=subpath) as server:
        assert asked(server.url).up
        assert (len(server.pings), server.strays) == (1, [])


@pytest.mark.parametrize(
    ("behaviour", "up"),
    [
        *(pytest.param(away(status), False, id=str(status)) for status in (502, 503, 504)),
        *(
            pytest.param(error(status), True, id=str(status))
            for status in (400, 401, 403, 404, 405, 408, 429, 500, 501, 505)
        ),
        pytest.param(page(404), True, id="a server without that path"),
        pytest.param(page(200), True, id="a portal"),
        pytest.param(rate_limited(), True, id="a limiter"),
        pytest.param(redirect(302), True, id="a redirect, which is not followed"),
        pytest.param(drop_before_read(), False, id="no answer"),
        pytest.param(no_http, False, id="no HTTP"),
    ],
)
def test_each_answer_permits_a_repeat_but_those_of_a_gateway_without_its_server(
    server: MattermostModel, behaviour: Behaviour, up: bool
) -> None:
    server.script_pings(behaviour)

    assert asked(server.url).up is up
    assert (len(server.pings), server.strays) == (1, [])


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("86400", 3600.0), ("soon", None), (None, None)])
def test_a_gateway_says_how_long_to_wait(
    server: MattermostModel, header: str | None, seconds: float | None
) -> None:
    server.script_pings(away(503, header))

    assert asked(server.url).retry_after_s == seconds


def test_a_body_without_end_is_not_read(server: MattermostModel) -> None:
    server.script_pings(endless_body)
    began_s = time.monotonic()

    assert asked(server.url).up
    assert time.monotonic() - began_s < SOON_S


def test_a_server_that_does_not_answer_in_time_is_away() -> None:
    with listening() as port:
        found = asked(f"http://127.0.0.1:{port}/hooks/abc", read_s=0.2)

    assert found == Ping(up=False, detail=mattermost.IS_AWAY)


def test_headers_without_end_are_read_for_a_bounded_time(server: MattermostModel) -> None:
    server.script_pings(endless_headers)

    assert not asked(server.url, total_s=0.3).up


def test_a_server_that_is_down_is_away() -> None:
    assert asked("http://127.0.0.1:9/hooks/abc") == Ping(up=False, detail=dialling.NO_CONNECTION)


def test_a_ping_takes_the_certificate_and_the_proxy_of_a_post(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with MattermostModel(certificate=certificate) as server, proxy_to(server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.place}")
        url = f"https://chat.test{server.path}"
        assert not asked(url).up
        assert asked(url, ca_file=certificate[0]).up

        assert len(server.pings) == 1
        assert all(head.startswith(b"CONNECT chat.test:443") for head in proxy.heads)


def test_a_certificate_that_is_not_trusted_is_said_with_its_reason(certificate: tuple[Path, Path]) -> None:
    with MattermostModel(certificate=certificate) as server:
        effect = PingServer(key="r1/001", ping=1)
        found = deliverer(request(), {"MATTERMOST_ATVM_WEBHOOK": server.url})(effect)

    assert isinstance(found, ServerPinged)
    assert (found.up, found.certificate, found.detail) == (False, True, transport.BAD_CERTIFICATE)


def test_a_ping_through_a_plain_proxy_names_the_whole_address(
    server: MattermostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.place}")
        assert asked(f"http://chat.test{server.path}").up
        (head,) = proxy.heads

    assert head.startswith(b"GET http://chat.test/api/v4/system/ping ")
    assert server.secret.encode() not in head


def test_an_effect_comes_back_as_the_answer_to_its_ping(server: MattermostModel) -> None:
    server.script_pings(away(503, "7"))
    effect = PingServer(key="r1/001", ping=3)
    found = deliverer(request(), {"MATTERMOST_ATVM_WEBHOOK": server.url})(effect)

    assert isinstance(found, ServerPinged)
    assert (found.key, found.ping, found.up, found.status, found.retry_after_s) == (
        "r1/001",
        3,
        False,
        503,
        7.0,
    )


def test_a_ping_that_hangs_or_breaks_or_has_no_thread_finds_the_server_away(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    webhook = Webhook.parse("http://127.0.0.1:9/hooks/s3cr3t")
    monkeypatch.setattr(delivery, "HANG_LIMIT_S", 0.05)
    gate = threading.Event()
    monkeypatch.setattr(delivery, "ping", lambda *_, **__: gate.wait(60))
    assert ping_once(webhook, None) == Ping(up=False, detail=NO_PING)
    gate.set()

    def broken(webhook: Webhook, **_: object) -> Ping:
        raise RuntimeError(webhook.path)

    monkeypatch.setattr(delivery, "ping", broken)
    assert ping_once(webhook, None) == Ping(up=False, detail=NO_PING)
    assert "s3cr3t" not in "".join(capfd.readouterr())
    unbegun = delivery.unbegun(PingServer(key="k", ping=1))
    assert isinstance(unbegun, ServerPinged)
    assert (unbegun.up, unbegun.detail) == (False, NO_THREAD)
