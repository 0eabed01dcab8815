"""Delivery to the webhook: the outcome of each response."""

import email.utils
import json
from datetime import timedelta

import pytest

from atvm_pipeline import __version__
from atvm_pipeline.shell.delivery import mattermost
from atvm_pipeline.shell.system import clock
from tests.support.http_peers import BODY, attempt, settled_as
from tests.support.mattermost_server import (
    REQUEST_ID,
    Behaviour,
    MattermostModel,
    drop_after_accept,
    drop_before_read,
    error,
    half_answer,
    page,
    passed_on,
    posted_500,
    rate_limited,
    raw,
    redirect,
    says,
)


def test_a_post_arrives_once_as_it_is_and_with_the_headers_of_one_simple_request(
    server: MattermostModel,
) -> None:
    result = attempt(server.url)

    assert result == settled_as(result, "sent", mattermost.SENT, status=200, request_id=REQUEST_ID)
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


def test_a_body_of_many_records_arrives_completely(server: MattermostModel) -> None:
    text = "ä" * 16_000 + "end"

    result = attempt(server.url, json.dumps({"text": text}).encode())

    assert result.outcome == "sent"
    assert [text] == [post.text for post in server.posts]


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
            for status in (201, 204, 408, 504, 505, 599, 999)
        ],
        *[
            pytest.param(redirect(status), "rejected", status, 0, id=str(status))
            for status in (301, 302, 303, 307, 308)
        ],
        *[
            pytest.param(error(status), "rejected", status, 0, id=str(status))
            for status in (400, 401, 403, 404, 405, 413, 414, 415, 418, 499, 501)
        ],
        pytest.param(
            raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nhalf"),
            "rejected",
            404,
            1,
            id="404, whose body breaks off",
        ),
        pytest.param(rate_limited(), "not-arrived", 429, 0, id="429"),
        *(
            pytest.param(page(status), "probably-not-arrived", status, 0, id=f"{status} of a gateway")
            for status in (502, 503)
        ),
        pytest.param(
            passed_on(502), "probably-not-arrived", 502, 1, id="502 after the gateway passed the post on"
        ),
        pytest.param(drop_after_accept(), "uncertain", None, 1, id="dropped after the post was stored"),
        pytest.param(drop_before_read(), "uncertain", None, 0, id="dropped before the body was read"),
        pytest.param(half_answer(b"o"), "uncertain", None, 1, id="half an answer"),
        pytest.param(half_answer(b"ok"), "uncertain", None, 1, id="ok, but cut from something longer"),
    ],
)
def test_each_answer_has_its_class_and_is_requested_once(
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
def test_a_rate_limit_states_how_long_to_wait_at_most_an_hour(
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
def test_a_malformed_answer_is_uncertain(server: MattermostModel, answer: bytes) -> None:
    server.script(raw(answer))

    result = attempt(server.url)

    assert result.outcome == "uncertain"
    assert len(server.posts) == 1
