"""One attempt at a Mattermost incoming webhook, and its outcome according to the response.

This module does not repeat, wait, or decide what an outcome means for a run; the core does. Nothing of a response's
body and no exception of the network leaves this module, because current servers echo the secret in their errors.
"""

import re
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, Protocol

from atvm_pipeline.core.effects import PingServer, PostMessage
from atvm_pipeline.core.events import DeliverySettled, ServerPinged
from atvm_pipeline.shell.system import clock

from .deadline import Deadline
from .webhook import Webhook

CONNECT_S = 8.0
"""For each address of the server."""
READ_S = 30.0
PING_READ_S = 10.0
PING_CONNECT_S = 4.0
"""For each address of the server: two that drop packets leave time for a third within the limit of a ping."""
HEADER_RETRY_AFTER_MAX_S = 3600.0

Outcome = Literal["sent", "not-arrived", "probably-not-arrived", "rejected", "uncertain"]

_REQUEST_ID = re.compile(r"[a-z0-9]{26}")


SENT = "the server stored the message"
NOT_LOADED = "the code that sends messages could not be loaded from disk"
NOT_OK = 'got 200 but the body is not "ok"; a proxy or login page may have answered'
AWAY = "a proxy reports that the server is down; the message has probably not arrived"
IS_BACK = "the server answers again"
IS_AWAY = "the server is not back yet"
AWAY_STATUS = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
SERVER_FAILED = "the response does not show whether the server stored the message; it may be visible"
RATE_LIMITED = "the server limits the rate and did not accept the message"
REDIRECTED = "the server redirects, and redirects are not followed: set the webhook to the final address"
REFUSED = "the server refuses the message"
REFUSED_BECAUSE = {
    400: "the server refuses the message: the webhook was deleted or mistyped, or the body is not valid",
    401: "a gateway in front of the server requires a login",
    403: "the server refuses the message: the webhook may not write to that channel",
    404: "the server has no such channel, or no webhooks at that address",
    405: "the server accepts no messages at that address: the webhook is mistyped",
    407: "the proxy requires a login",
    413: "the server refuses the message as too large",
    501: "incoming webhooks are disabled on the server",
}


def deliver(
    effect: PostMessage,
    webhook: Webhook,
    body: bytes,
    *,
    ca_file: Path | None,
    deadline: Deadline,
    connect_s: float = CONNECT_S,
    read_s: float = READ_S,
) -> DeliverySettled:
    """POST `body` (JSON) once and return the outcome.  Not idempotent.  Never raises.

    `ca_file` and the limits are those of `http.send`.
    """
    try:
        # The network's packages are a fifth of a watcher's memory, and most watchers wait for days.
        from .http import NotArrivedError, UncertainError, send  # noqa: PLC0415
    except Exception:  # noqa: BLE001 - no descriptor left, a package that was removed: nothing was sent
        return settled(effect, "not-arrived", NOT_LOADED)
    try:
        answer = send(webhook, body, ca_file=ca_file, connect_s=connect_s, read_s=read_s, deadline=deadline)
    except NotArrivedError as failure:
        return settled(effect, "not-arrived", failure.detail, certificate=failure.certificate)
    except UncertainError as failure:
        return settled(effect, "uncertain", str(failure))
    return classify(effect, answer, webhook)


def ping(
    effect: PingServer,
    webhook: Webhook,
    *,
    ca_file: Path | None,
    deadline: Deadline,
    connect_s: float = PING_CONNECT_S,
    read_s: float = PING_READ_S,
) -> ServerPinged:
    """Ping the server, without the secret. Never raises.

    Every response permits a repeat except those of a proxy without its server (502, 503, 504): `GET
    /api/v4/system/ping` is 200 on a healthy server, and something else if a proxy only lets `/hooks/` through.
    """
    try:
        from .http import NotArrivedError, UncertainError, send  # noqa: PLC0415 - as in `deliver`
    except Exception:  # noqa: BLE001
        return pinged(effect, NOT_LOADED)
    try:
        answer = send(webhook, None, ca_file=ca_file, connect_s=connect_s, read_s=read_s, deadline=deadline)
    except NotArrivedError as failure:
        return pinged(effect, failure.detail, certificate=failure.certificate)
    except UncertainError:
        return pinged(effect, IS_AWAY)
    if answer.status not in (*AWAY_STATUS, HTTPStatus.GATEWAY_TIMEOUT):
        return pinged(effect, IS_BACK, up=True, status=answer.status)
    wait_s = _retry_after(answer.headers.get("Retry-After", ""))
    return pinged(effect, IS_AWAY, status=answer.status, retry_after_s=wait_s)


def settled(effect: PostMessage, outcome: Outcome, detail: str, **more: Any) -> DeliverySettled:
    """Return the outcome of an attempt as an event; `detail` is a sentence of this program, never external text."""
    return DeliverySettled(
        transport="webhook",
        at=clock.now(),
        key=effect.key,
        attempt=effect.attempt,
        outcome=outcome,
        detail=detail,
        **more,
    )


def pinged(effect: PingServer, detail: str, *, up: bool = False, **more: Any) -> ServerPinged:
    """Return the result of a ping as an event; `detail` as in `settled`."""
    return ServerPinged(at=clock.now(), key=effect.key, ping=effect.ping, up=up, detail=detail, **more)


class Answered(Protocol):
    """A response, as `http.send` returns it; that module is imported only when it is needed."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""
        ...

    @property
    def body(self) -> bytes:
        """The body of a 200."""
        ...


def classify(effect: PostMessage, answer: Answered, webhook: Webhook) -> DeliverySettled:
    """Return the outcome for a response. A 500 may also come after the message was stored, so it proves nothing."""
    status = answer.status
    request_id = answer.headers.get("X-Request-Id", "")
    # A webhook id has the form of a request id. A server that echoes the address must not bring the secret into a file.
    known = _REQUEST_ID.fullmatch(request_id) and request_id not in webhook.path
    result = partial(settled, effect, status=status, request_id=request_id if known else None)
    if status == HTTPStatus.OK:
        return result("sent", SENT) if answer.body.strip() == b"ok" else result("uncertain", NOT_OK)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        # The rate limiter is the first step in the server, so the message was not processed.
        wait_s = _retry_after(answer.headers.get("Retry-After", ""))
        return result("not-arrived", RATE_LIMITED, retry_after_s=wait_s)
    if status in AWAY_STATUS:
        wait_s = _retry_after(answer.headers.get("Retry-After", ""))
        return result("probably-not-arrived", AWAY, retry_after_s=wait_s)
    if status in range(300, 400):
        return result("rejected", REDIRECTED)
    if status == HTTPStatus.NOT_IMPLEMENTED or (
        status in range(400, 500) and status != HTTPStatus.REQUEST_TIMEOUT
    ):
        return result("rejected", REFUSED_BECAUSE.get(status, REFUSED))
    return result("uncertain", SERVER_FAILED)


def _retry_after(text: str) -> float | None:
    """Return the seconds to wait by a `Retry-After` in either form (RFC 9110, 10.2.3); None if it is not usable."""
    text = text.strip()[:64]
    if text.isascii() and text.isdigit():
        return min(float(text), HEADER_RETRY_AFTER_MAX_S)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - large and rarely needed

    try:
        until = parsedate_to_datetime(text)
        wait_s = (until if until.tzinfo else until.replace(tzinfo=clock.now().tzinfo)) - clock.now()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(wait_s.total_seconds(), 0.0), HEADER_RETRY_AFTER_MAX_S)
