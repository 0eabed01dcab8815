"""Checking whether the server is available again: the responses that permit a repeat, and the request that is sent."""

import threading
import time
from pathlib import Path

import pytest

from atvm_pipeline.core.effects import PingServer
from atvm_pipeline.core.events import ServerPinged
from atvm_pipeline.shell.delivery import http, mattermost, sender
from atvm_pipeline.shell.delivery.deadline import CONNECT_TIMEOUT, Deadline
from atvm_pipeline.shell.delivery.sender import NO_PING, NO_THREAD, make_sender, performer, send_once
from atvm_pipeline.shell.delivery.webhook import Webhook
from tests.shell.delivery.test_sender import request
from tests.support.http_peers import PING, attempt_ping, listening, pinged_as, proxy_to
from tests.support.mattermost_server import (
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
from tests.support.waiting import SOON_S


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
    found = attempt_ping(server.url)
    (seen,) = server.pings

    assert found == pinged_as(found, mattermost.IS_BACK, up=True, status=200)
    assert server.secret not in repr(seen)
    assert sorted(seen.headers) == ["connection", "host", "user-agent"]
    assert (server.requests, server.strays) == (0, [])


@pytest.mark.parametrize("subpath", ["/mm", "/a/b.c", "/hooks"])
def test_a_server_below_a_subpath_is_asked_there(subpath: str) -> None:
    with MattermostModel(subpath=subpath) as server:
        assert attempt_ping(server.url).up
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

    assert attempt_ping(server.url).up is up
    assert (len(server.pings), server.strays) == (1, [])


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("86400", 3600.0), ("soon", None), (None, None)])
def test_a_gateway_states_how_long_to_wait(
    server: MattermostModel, header: str | None, seconds: float | None
) -> None:
    server.script_pings(away(503, header))

    assert attempt_ping(server.url).retry_after_s == seconds


def test_a_body_without_end_is_not_read(server: MattermostModel) -> None:
    server.script_pings(endless_body)
    began_s = time.monotonic()

    assert attempt_ping(server.url).up
    assert time.monotonic() - began_s < SOON_S


def test_a_server_that_does_not_answer_in_time_is_away() -> None:
    with listening() as port:
        found = attempt_ping(f"http://127.0.0.1:{port}/hooks/abc", read=0.2)

    assert found == pinged_as(found, mattermost.IS_AWAY)


def test_headers_without_end_are_read_for_a_bounded_time(server: MattermostModel) -> None:
    server.script_pings(endless_headers)

    assert not attempt_ping(server.url, total=0.3).up


def test_a_server_that_is_down_is_away() -> None:
    found = attempt_ping("http://127.0.0.1:9/hooks/abc")

    assert found == pinged_as(found, http.NO_CONNECTION)


def test_a_ping_takes_the_certificate_and_the_proxy_of_a_post(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with MattermostModel(certificate=certificate) as server, proxy_to(server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.place}")
        url = f"https://chat.test{server.path}"
        assert not attempt_ping(url).up
        assert attempt_ping(url, ca_file=certificate[0]).up

        assert len(server.pings) == 1
        assert all(head.startswith(b"CONNECT chat.test:443") for head in proxy.heads)


def test_a_certificate_that_is_not_trusted_is_reported_with_its_reason(
    certificate: tuple[Path, Path],
) -> None:
    with MattermostModel(certificate=certificate) as server:
        effect = PingServer(key="r1/001", ping=1)
        found = send_once(effect, make_sender(request(), {"MATTERMOST_ATVM_WEBHOOK": server.url}))

    assert (found.up, found.certificate, found.detail) == (False, True, http.BAD_CERTIFICATE)


def test_a_ping_through_a_plain_proxy_names_the_complete_address(
    server: MattermostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.place}")
        assert attempt_ping(f"http://chat.test{server.path}").up
        (head,) = proxy.heads

    assert head.startswith(b"GET http://chat.test/api/v4/system/ping ")
    assert server.secret.encode() not in head


def test_an_effect_comes_back_as_the_answer_to_its_ping(server: MattermostModel) -> None:
    server.script_pings(away(503, "7"))
    effect = PingServer(key="r1/001", ping=3)
    found = send_once(effect, make_sender(request(), {"MATTERMOST_ATVM_WEBHOOK": server.url}))

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
    perform = performer(Webhook.parse("http://127.0.0.1:9/hooks/s3cr3t"), {}, None)
    gate = threading.Event()
    monkeypatch.setattr(sender, "ping", lambda *_, **__: gate.wait(60))
    found = send_once(PING, perform, Deadline(0.05))
    assert found == pinged_as(found, CONNECT_TIMEOUT)
    gate.set()

    def broken(_effect: PingServer, webhook: Webhook, **_: object) -> ServerPinged:
        raise RuntimeError(webhook.path)

    monkeypatch.setattr(sender, "ping", broken)
    found = send_once(PING, perform)
    assert found == pinged_as(found, NO_PING)
    assert "s3cr3t" not in "".join(capfd.readouterr())
    not_started = sender.not_started(PING)
    assert isinstance(not_started, ServerPinged)
    assert (not_started.up, not_started.detail) == (False, NO_THREAD)
