"""HTTP delivery to the webhook: timeouts, requests that do not arrive, TLS."""

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from atvm_pipeline.shell.delivery import deadline, http
from tests.support.http_peers import attempt, listening, settled_as
from tests.support.mattermost_server import (
    Behaviour,
    MattermostModel,
    drip,
    drop_after_accept,
    drop_before_read,
    make_certificate,
    slow,
)
from tests.support.waiting import SOON_S


@pytest.mark.parametrize(
    ("behaviour", "read_s", "total_s"),
    [
        pytest.param(slow(60), 0.3, 10, id="no answer"),
        # The connection counts too. On a busy machine it must be established within the total.
        pytest.param(slow(60), 60, 2, id="no answer within the total"),
        pytest.param(drip(0.05), 60, 2, id="a body byte by byte"),
        pytest.param(drip(0.05, headers=True), 60, 2, id="headers byte by byte"),
    ],
)
def test_a_slow_answer_is_uncertain_when_the_limit_has_passed(
    server: MattermostModel, behaviour: Behaviour, read_s: float, total_s: float
) -> None:
    server.script(behaviour)
    began = time.monotonic()

    result = attempt(server.url, read=read_s, total=total_s)

    assert (result.outcome, result.detail) == ("uncertain", deadline.NO_ANSWER)
    assert time.monotonic() - began < SOON_S


def test_a_slow_answer_within_the_limits_is_an_answer(server: MattermostModel) -> None:
    server.script(slow(0.3))

    assert attempt(server.url).outcome == "sent"


def test_a_body_that_is_not_read_is_uncertain_within_the_total() -> None:
    body = b"x" * 20_000_000  # larger than any socket buffer
    with listening() as port:
        began = time.monotonic()
        result = attempt(f"http://127.0.0.1:{port}/hooks/abc", body, total=2)

    assert (result.outcome, result.detail) == ("uncertain", deadline.NO_ANSWER)
    assert time.monotonic() - began < SOON_S


def test_a_closed_port_is_not_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    result = attempt(f"http://127.0.0.1:{port}/hooks/abc")

    assert result == settled_as(result, "not-arrived", http.NO_CONNECTION)


def test_a_name_that_cannot_be_resolved_is_not_arrived() -> None:
    result = attempt(
        "https://" + "x" * 64 + ".invalid/hooks/abc"
    )  # longer than a label may be, so no resolver is called

    assert result == settled_as(result, "not-arrived", http.NO_NAME)


@pytest.mark.parametrize("total", [0.3, 0], ids=["total", "over before"])
def test_a_name_that_is_looked_up_indefinitely_is_not_arrived_within_the_limits(
    monkeypatch: pytest.MonkeyPatch, total: float
) -> None:
    answered = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        result = attempt("https://chat.test/hooks/abc", total=total)
    finally:
        answered.set()

    assert result == settled_as(result, "not-arrived", deadline.CONNECT_TIMEOUT)


def test_a_name_without_an_address_is_not_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])

    assert attempt("https://chat.test/hooks/abc").outcome == "not-arrived"


def test_a_port_that_lets_us_wait_is_not_arrived() -> None:
    with listening(accept=False) as port:
        result = attempt(f"http://127.0.0.1:{port}/hooks/abc", connect=0.3)

    assert result == settled_as(result, "not-arrived", deadline.CONNECT_TIMEOUT)


def test_a_handshake_that_stalls_is_not_arrived() -> None:
    with listening() as port:
        result = attempt(f"https://127.0.0.1:{port}/hooks/abc", connect=0.3)

    assert result == settled_as(result, "not-arrived", deadline.CONNECT_TIMEOUT)


def test_a_server_without_tls_is_not_arrived(server: MattermostModel) -> None:
    result = attempt(server.url.replace("http://", "https://"))

    assert result == settled_as(result, "not-arrived", http.TLS_FAILED)
    assert server.requests == 0


def test_a_certificate_without_an_authority_is_a_certificate_error(certificate: tuple[Path, Path]) -> None:
    with MattermostModel(certificate=certificate) as server:
        result = attempt(server.url)

    assert result == settled_as(result, "not-arrived", http.BAD_CERTIFICATE, certificate=True)
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

    assert result == settled_as(result, "not-arrived", http.BAD_CERTIFICATE, certificate=True)
    assert server.requests == 0


@pytest.mark.parametrize("behaviour", [slow(60), drip(0.05), drip(0.05, headers=True)])
def test_the_limits_hold_over_tls(certificate: tuple[Path, Path], behaviour: Behaviour) -> None:
    with MattermostModel(behaviour, certificate=certificate) as server:
        began = time.monotonic()
        result = attempt(server.url, ca_file=certificate[0], total=3)

    assert (result.outcome, result.detail) == ("uncertain", deadline.NO_ANSWER)
    assert time.monotonic() - began < SOON_S


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

    assert result == settled_as(result, "not-arrived", http.BAD_CA_FILE, certificate=True)
    assert server.requests == 0


def test_an_interrupted_tls_socket_can_send_nothing_in_clear_text() -> None:
    """`SSLSocket.shutdown` drops the TLS object first: a thread that sends then would use the bare socket."""
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context()
    with (
        theirs,
        context.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False) as wrapped,
    ):
        http._interrupt(wrapped)

        assert wrapped._sslobj is not None
        with pytest.raises(OSError):
            wrapped.send(b"POST /hooks/secret")
        theirs.settimeout(1)
        assert b"secret" not in theirs.recv(100)
