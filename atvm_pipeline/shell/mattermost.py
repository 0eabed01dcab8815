"""Delivery to a Mattermost incoming webhook: one attempt, and how far it certainly got.

Nothing here repeats, waits for a better time or decides what an outcome means for a run; that is the core's.
Nothing of an answer's body and no foreign exception leaves this module: current servers echo the secret in their errors.
"""

import re
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from . import clock
from .dialling import NotArrivedError
from .webhook import Webhook

RETRY_AFTER_MAX_S = 3600.0

_REQUEST_ID = re.compile(r"[a-z0-9]{26}")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt to deliver came to."""

    outcome: Literal["sent", "not-arrived", "probably-not-arrived", "rejected", "uncertain"]
    status: int | None = None
    """The answer's status, None if there was no answer."""
    detail: str = ""
    """One of the sentences of this module, never foreign text."""
    retry_after_s: float | None = None
    """With status 429, 502 and 503: how long the server asks to be left alone, at most an hour."""
    certificate: bool = False
    """The certificate is the trouble, which no waiting repairs."""
    request_id: str | None = None
    """The server's own name of the request, for its log; None if it is not in Mattermost's form."""


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server is back."""

    up: bool
    """False without an answer in time, and where a proxy answers in its place."""
    status: int | None = None
    detail: str = ""
    """One of the sentences of this module and its transport."""
    retry_after_s: float | None = None
    certificate: bool = False
    """As in `Attempt`."""


SENT = "the server stored the post"
NOT_LOADED = "what sends the post could not be loaded from the disk"
NOT_OK = "the server answered 200, but not the word ok: something else may have answered in its place"
AWAY = "a proxy answered that the server behind it is away: the post has probably not arrived"
IS_BACK = "the server answers again"
IS_AWAY = "the server is not back yet"
AWAY_STATUS = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
SERVER_FAILED = "the answer leaves open whether the server has the post, which may be visible"
RATE_LIMITED = "the server asks to wait, and did not take the post"
REDIRECTED = "the server redirects, which is not followed: set the webhook to the final address"
REFUSED = "the server refuses the post"
REFUSED_BECAUSE = {
    400: "the server refuses the post: the webhook was deleted or mistyped, or the body is not what it takes",
    401: "something before the server asks for a login",
    403: "the server refuses the post: the webhook may not write to that channel",
    404: "the server knows no such channel, or no webhooks at that address",
    405: "the server takes no posts at that address: the webhook is mistyped",
    407: "the proxy asks for a login",
    413: "the server refuses the post as too large",
    501: "incoming webhooks are disabled on the server",
}


def deliver(
    webhook: Webhook,
    body: bytes,
    *,
    ca_file: Path | None,
    connect_timeout_s: float = 10,
    read_timeout_s: float = 30,
    total_timeout_s: float = 45,
) -> Attempt:
    """POST `body` (JSON) once, and say how far it certainly got.  Never raises.

    The limits, in seconds, and `ca_file` are those of `transport.post`.  Not idempotent.
    """
    try:
        # The network's packages are a fifth of a watcher's memory, and most watchers wait for days.
        from .transport import UncertainError, post  # noqa: PLC0415
    except Exception:  # noqa: BLE001 - no descriptor left, a package that was removed: nothing was sent
        return Attempt(outcome="not-arrived", detail=NOT_LOADED)
    try:
        answer = post(
            webhook,
            body,
            ca_file=ca_file,
            connect_s=connect_timeout_s,
            read_s=read_timeout_s,
            total_s=total_timeout_s,
        )
    except NotArrivedError as failure:
        return Attempt(outcome="not-arrived", detail=failure.detail, certificate=failure.certificate)
    except UncertainError as failure:
        return Attempt(outcome="uncertain", detail=str(failure))
    attempt = _classify(answer, said_ok=answer.status == HTTPStatus.OK and answer.body.strip() == b"ok")
    # The id of a hook has the form of a request's: what echoes the address must not bring it into a file.
    echoed = attempt.request_id is not None and attempt.request_id in webhook.path
    return msgspec.structs.replace(attempt, request_id=None) if echoed else attempt


def ping(
    webhook: Webhook,
    *,
    ca_file: Path | None,
    connect_timeout_s: float = 10,
    read_timeout_s: float = 10,
    total_timeout_s: float = 20,
) -> Ping:
    """Ask the server, without the secret, whether it is back.  Never raises.

    Any answer counts but those of a proxy without its server (502, 503, 504): `GET /api/v4/system/ping` is 200 on a
    healthy server, and something else where a proxy lets only `/hooks/` through.
    """
    try:
        from . import transport  # noqa: PLC0415 - as in `deliver`
    except Exception:  # noqa: BLE001
        return Ping(up=False, detail=NOT_LOADED)
    try:
        answer = transport.ping(
            webhook,
            ca_file=ca_file,
            connect_s=connect_timeout_s,
            read_s=read_timeout_s,
            total_s=total_timeout_s,
        )
    except NotArrivedError as failure:
        return Ping(up=False, detail=failure.detail, certificate=failure.certificate)
    except transport.UncertainError:
        return Ping(up=False, detail=IS_AWAY)
    if answer.status not in (*AWAY_STATUS, HTTPStatus.GATEWAY_TIMEOUT):
        return Ping(up=True, status=answer.status, detail=IS_BACK)
    wait_s = _retry_after(answer.headers.get("Retry-After", ""))
    return Ping(up=False, status=answer.status, detail=IS_AWAY, retry_after_s=wait_s)


class _Answered(Protocol):
    """What of an answer is looked at besides its `ok`."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


def _classify(response: _Answered, *, said_ok: bool) -> Attempt:
    """The outcome of an answer.  A 500 comes also after the post was stored, so it proves nothing."""
    status = response.status
    request_id = response.headers.get("X-Request-Id", "")
    answer = partial(
        Attempt, status=status, request_id=request_id if _REQUEST_ID.fullmatch(request_id) else None
    )
    if said_ok:
        return answer(outcome="sent", detail=SENT)
    if status == HTTPStatus.OK:
        return answer(outcome="uncertain", detail=NOT_OK)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        # The limiter stands before everything else in the server, so the post was not looked at.
        wait_s = _retry_after(response.headers.get("Retry-After", ""))
        return answer(outcome="not-arrived", detail=RATE_LIMITED, retry_after_s=wait_s)
    if status in AWAY_STATUS:
        wait_s = _retry_after(response.headers.get("Retry-After", ""))
        return answer(outcome="probably-not-arrived", detail=AWAY, retry_after_s=wait_s)
    if status in range(300, 400):
        return answer(outcome="rejected", detail=REDIRECTED)
    if status == HTTPStatus.NOT_IMPLEMENTED or (
        status in range(400, 500) and status != HTTPStatus.REQUEST_TIMEOUT
    ):
        return answer(outcome="rejected", detail=REFUSED_BECAUSE.get(status, REFUSED))
    return answer(outcome="uncertain", detail=SERVER_FAILED)


def _retry_after(text: str) -> float | None:
    """Seconds to wait by a `Retry-After` of either form (RFC 9110, 10.2.3), None if it says nothing usable."""
    text = text.strip()[:64]
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_S)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - as rare as it is large

    try:
        until = parsedate_to_datetime(text)
        wait_s = (until if until.tzinfo else until.replace(tzinfo=clock.now().tzinfo)) - clock.now()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(wait_s.total_seconds(), 0.0), RETRY_AFTER_MAX_S)
