"""A delivery attempt never shows the secret, regardless of the server's response."""

import logging

import msgspec
import pytest

from atvm_pipeline.shell.delivery.webhook import Webhook
from tests.support.http_peers import attempt
from tests.support.mattermost_server import (
    Behaviour,
    MattermostModel,
    drop_after_accept,
    drop_before_read,
    error,
    half_answer,
    ok,
    page,
    posted_500,
    rate_limited,
    raw,
    redirect,
)

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

    result = attempt(server.url, read=0.5)

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


def test_the_secret_is_nowhere_if_no_server_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    result = attempt("http://127.0.0.1:1/hooks/s3cr3t")

    assert result.outcome == "not-arrived"
    assert "s3cr3t" not in repr(result) + caplog.text
