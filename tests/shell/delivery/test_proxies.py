"""Delivery to the webhook through a proxy."""

import time
from pathlib import Path

import pytest

from atvm_pipeline.shell.delivery import deadline, http
from tests.support.http_peers import attempt, proxy_to, settled_as
from tests.support.mattermost_server import MattermostModel
from tests.support.waiting import SOON_S


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
        # On Linux this is the local host too, but not a loopback address, and it needs no resolver.
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
    assert result.detail in {http.NO_TUNNEL, http.TLS_FAILED, http.NO_CONNECTION}


def test_a_proxy_that_drips_is_not_arrived_when_the_total_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_to(1, says=b"HTTP/1.1 200 OK\r\nX-Drip: " + b"o" * 10_000) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.place}")
        began = time.monotonic()
        result = attempt("https://chat.test/hooks/abc", total=0.5)

    assert result == settled_as(result, "not-arrived", deadline.CONNECT_TIMEOUT)
    assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize(
    ("proxy", "detail"),
    [
        ("http://127.0.0.1:1", http.NO_CONNECTION),
        ("socks5://127.0.0.1:1", http.BAD_PROXY),
        ("http://", http.BAD_PROXY),
        ("http://127.0.0.1:x", http.BAD_PROXY),
        ("http://[::1", http.BAD_PROXY),
        ("http://\u4f60:\u597d@127.0.0.1:1", http.BAD_PROXY),
    ],
)
def test_a_proxy_that_cannot_be_used_is_not_arrived(
    monkeypatch: pytest.MonkeyPatch, proxy: str, detail: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)

    result = attempt("https://chat.test/hooks/abc")

    assert result == settled_as(result, "not-arrived", detail)
