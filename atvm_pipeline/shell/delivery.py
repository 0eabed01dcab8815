"""From an effect to one attempt at the webhook: the channel and the secret are added here, and nowhere else."""

import contextlib
import importlib
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from atvm_pipeline.core.effects import PingServer, PostMessage
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import DeliverySettled, ServerPinged

from . import clock
from .mattermost import Attempt, Ping, deliver, ping
from .records import Request
from .webhook import Webhook

Result = TypeVar("Result")
TRANSPORT = f"{__package__}.transport"
HANG_LIMIT_S = 120.0
"""Far beyond the limits of an attempt: what hangs then is nothing of the network, but for example a dead mount."""
HUNG = "the attempt did not come back, so nobody knows how far it got"
CRASHED = "the attempt broke off by a bug, so nobody knows how far it got"
NO_PING = "it could not be asked whether the server is back"
NO_THREAD = "the attempt could not begin: the system has no thread left for it"


def deliverer(
    request: Request, environ: Mapping[str, str]
) -> Callable[[PostMessage | PingServer], DeliverySettled | ServerPinged]:
    """A performer of posts and pings that never raises.  Raises ConfigError for a malformed webhook at once."""
    text = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    needed = bool(request.settings.post_phases) or request.settings.alerts
    if needed and not text.strip():
        raise ConfigError(
            "MATTERMOST_ATVM_WEBHOOK is not set: put it into /etc/atvm-run-watcher.env or the environment"
        )
    webhook = Webhook.parse(text) if text.strip() else None
    channels = {"main": environ.get("MATTERMOST_ATVM_CHANNEL") or None, "alert": request.alert_channel}
    ca_file = Path(request.ca_file) if request.ca_file else None

    def perform(effect: PostMessage | PingServer) -> DeliverySettled | ServerPinged:
        if isinstance(effect, PingServer):
            # Without a webhook nothing was sent that could be repeated; the attempt says so.
            found = Ping(up=True) if webhook is None else ping_once(webhook, ca_file)
            return pinged(effect, found)
        if webhook is None:
            return settled(effect, Attempt(outcome="rejected", detail="no webhook is set"))
        body = with_channel(effect.payload, channels[effect.kind])
        return settled(effect, attempt_once(webhook, body, ca_file))

    return perform


def settled(effect: PostMessage, attempt: Attempt) -> DeliverySettled:
    """The outcome of an attempt, as an event."""
    return DeliverySettled(
        at=clock.now(),
        key=effect.key,
        attempt=effect.attempt,
        outcome=attempt.outcome,
        status=attempt.status,
        detail=attempt.detail,
        retry_after_s=attempt.retry_after_s,
        certificate=attempt.certificate,
        request_id=attempt.request_id,
    )


def pinged(effect: PingServer, ping: Ping) -> ServerPinged:
    """The answer to a ping, as an event."""
    return ServerPinged(
        at=clock.now(),
        key=effect.key,
        ping=effect.ping,
        up=ping.up,
        status=ping.status,
        detail=ping.detail,
        retry_after_s=ping.retry_after_s,
        certificate=ping.certificate,
    )


def unbegun(effect: PostMessage | PingServer) -> DeliverySettled | ServerPinged:
    """Settle an effect for which the system has no thread: nothing of it was sent."""
    if isinstance(effect, PingServer):
        return pinged(effect, Ping(up=False, detail=NO_THREAD))
    return settled(effect, Attempt(outcome="not-arrived", detail=NO_THREAD))


def warm_up() -> None:
    """Load what an attempt needs, beside everything else: a message is soon to be told, and its reader waits for it."""
    # Without a thread to spare, the attempt itself loads it.
    with contextlib.suppress(RuntimeError):
        threading.Thread(
            target=importlib.import_module, args=(TRANSPORT,), name="warm-up", daemon=True
        ).start()


def attempt_once(webhook: Webhook, body: bytes, ca_file: Path | None) -> Attempt:
    """`deliver`, which comes back whatever happens to it: after `HANG_LIMIT_S` it is uncertain.  Never raises."""
    return _bounded(
        lambda: deliver(webhook, body, ca_file=ca_file),
        hung=Attempt(outcome="uncertain", detail=HUNG),
        crashed=Attempt(outcome="uncertain", detail=CRASHED),
        unbegun=Attempt(outcome="not-arrived", detail=NO_THREAD),
    )


def ping_once(webhook: Webhook, ca_file: Path | None) -> Ping:
    """`ping`, which comes back whatever happens to it.  Never raises."""
    unknown = Ping(up=False, detail=NO_PING)
    return _bounded(lambda: ping(webhook, ca_file=ca_file), hung=unknown, crashed=unknown, unbegun=unknown)


def _bounded(work: Callable[[], Result], *, hung: Result, crashed: Result, unbegun: Result) -> Result:
    """Do `work` in a thread, for `HANG_LIMIT_S` at most.  One that hangs is left behind and ends with the process."""
    answers: queue.SimpleQueue[Result] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            answers.put(work())
        except Exception:  # noqa: BLE001 - no traceback: it might hold the secret
            answers.put(crashed)

    try:
        threading.Thread(target=attempt, name="attempt", daemon=True).start()
    except RuntimeError:
        return unbegun
    try:
        return answers.get(timeout=HANG_LIMIT_S)
    except queue.Empty:
        return hung


def with_channel(payload: str, channel: str | None) -> bytes:
    """The body as it is sent.  Without a channel the hook's own is meant."""
    if channel is None:
        return payload.encode()
    body = msgspec.json.decode(payload)
    return msgspec.json.encode({"channel": channel, **body}, order="deterministic")
