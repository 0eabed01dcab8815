"""The model of the receiving server, compared with the reference."""

import gzip
import http.client
import json

import pytest

from tests.support.http_peers import attempt
from tests.support.mattermost_server import (
    REQUEST_ID,
    Behaviour,
    MattermostModel,
    error,
    hardened_500,
    ok,
    posted_500,
    posted_in_part,
    rate_limited,
)
from tests.support.waiting import DEADLINE_S


def test_the_model_splits_a_long_text_as_readers_would_see_it() -> None:
    body = json.dumps({"text": "a" * 4000 + "b" * 10}).encode()
    with MattermostModel(text_max=4000) as server:
        result = attempt(server.url, body)

    assert result.outcome == "sent"
    assert [post.text for post in server.posts] == ["a" * 4000, "b" * 10]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"text":"x","channel":"gone"}', 404),
        (b'{"text":"x","channel":"Town-Square"}', 404),
        (b'{"text":"x","attachments":[],"channel":"#gone"}', 404),
        (b'{"text":"","attachments":[]}', 400),
        (b'{"text":"' + b"x" * 300_600 + b'"}', 400),
    ],
)
def test_the_model_refuses_what_a_server_refuses(body: bytes, status: int) -> None:
    with MattermostModel(channels=frozenset({"town-square"})) as server:
        result = attempt(server.url, body)

    assert ("rejected", status) == (result.outcome, result.status)
    assert server.posts == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"text":" "}',
        b'{"text":"x"} and more',
        b'{"text":"x","channel":"#town-square"}',
        b'{"text":"x","unknown":1}',
        b'{"attachments":[{"text":"x"}]}',
        b'{"text":"' + b"x" * 299_000 + b'"}',
    ],
)
def test_the_model_takes_what_a_server_takes(body: bytes) -> None:
    with MattermostModel(channels=frozenset({"town-square"}), text_max=400_000) as server:
        result = attempt(server.url, body)

    assert (result.outcome, len(server.posts)) == ("sent", 1)


def asked(
    server: MattermostModel, method: str, path: str, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Send any request with the standard library's client."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    connection.request(method, path, b'{"text": "x"}' if method == "POST" else None, headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def test_the_models_yes_is_the_servers_to_the_letter(server: MattermostModel) -> None:
    status, headers, body = asked(server, "POST", server.path)

    assert (status, body) == (200, b"ok")
    assert headers["content-type"] == "text/plain"
    assert headers["x-request-id"] == REQUEST_ID
    assert "x-version-id" in headers


def test_the_model_server_compresses_its_answer_on_request_and_the_client_does_not_request_it(
    server: MattermostModel,
) -> None:
    _, headers, body = asked(server, "POST", server.path, **{"Accept-Encoding": "gzip"})

    assert (headers["content-encoding"], gzip.decompress(body)) == ("gzip", b"ok")
    assert attempt(server.url).outcome == "sent"
    assert "accept-encoding" not in server.posts[-1].headers


def test_a_refusal_of_the_model_server_echoes_the_requested_id(server: MattermostModel) -> None:
    server.script(error(403))
    status, headers, body = asked(server, "POST", server.path)
    said = json.loads(body)

    assert (status, said["status_code"], headers["content-type"]) == (403, 403, "application/json")
    assert set(said) == {"id", "message", "detailed_error", "request_id", "status_code"}
    assert said["message"].endswith(f"for incoming webhook {server.secret}.")
    other = json.loads(asked(server, "POST", "/hooks/" + "a" * 26)[2])
    assert "a" * 26 in other["message"]
    assert server.secret not in other["message"]


def test_the_models_rate_limit_is_text_without_a_request_id(server: MattermostModel) -> None:
    server.script(rate_limited("7"))
    status, headers, body = asked(server, "POST", server.path)

    assert (status, body) == (429, b"limit exceeded\n")
    assert headers["content-type"].startswith("text/plain")
    assert headers["retry-after"] == "7"
    assert "x-ratelimit-reset" in headers
    assert "x-request-id" not in headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/hooks/abc", 200),
        ("GET", "/anything", 200),
        ("POST", "/hooks/a-b", 404),
        ("POST", "/elsewhere", 404),
        ("POST", "/hooks/" + "a" * 3000, 414),
    ],
)
def test_the_model_answers_other_requests_as_the_server_does(
    server: MattermostModel, method: str, path: str, status: int
) -> None:
    found, headers, body = asked(server, method, path)

    assert found == status
    assert status == 414 or (headers["content-type"], body) == ("text/html", b"<!doctype html>")
    assert (server.requests, len(server.strays)) == (0, 1)


@pytest.mark.parametrize(
    ("behaviour", "parts"), [(posted_in_part(), 1), (hardened_500(), 2)], ids=["part", "hardened"]
)
def test_a_500_that_comes_after_something_is_visible_proves_nothing(behaviour: Behaviour, parts: int) -> None:
    with MattermostModel(behaviour, text_max=4000) as server:
        result = attempt(server.url, json.dumps({"text": "a" * 5000}).encode())

    assert (result.outcome, len(server.posts)) == ("uncertain", parts)


def test_the_model_knows_only_its_own_webhook(server: MattermostModel) -> None:
    result = attempt(server.url.replace(server.secret, "a" * 26))

    assert (result.outcome, result.status) == ("rejected", 400)
    assert (server.requests, len(server.strays)) == (0, 1)


def test_the_model_does_one_behaviour_a_request_and_repeats_the_last(server: MattermostModel) -> None:
    server.script(error(400), posted_500(), ok())

    assert [attempt(server.url).status for _ in range(4)] == [400, 500, 200, 200]
    assert len(server.posts) == 3
