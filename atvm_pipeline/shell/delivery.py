"""From an effect to one attempt at the webhook: the channel and the secret are added here, and nowhere else."""

import contextlib
import importlib
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from atvm_pipeline.core.effects import PostMessage
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import DeliverySettled

from . import clock
from .mattermost import Attempt, deliver
from .records import Request
from .webhook import Webhook

TRANSPORT = f"{__package__}.transport"
HANG_LIMIT_S = 120.0
"""Far beyond the limits of an attempt: what hangs then is nothing of the network, but for example a dead mount."""
HUNG = "the attempt did not come back, so nobody knows how far it got"
CRASHED = "the attempt broke off by a bug, so nobody knows how far it got"
NO_THREAD = "the attempt could not begin: the system has no thread left for it"


def deliverer(request: Request, environ: Mapping[str, str]) -> Callable[[PostMessage], DeliverySettled]:
    """A performer for `PostMessage` that never raises.  Raises ConfigError for a malformed webhook at once."""
    text = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    needed = bool(request.settings.post_phases) or request.settings.alerts
    if needed and not text.strip():
        raise ConfigError(
            "MATTERMOST_ATVM_WEBHOOK is not set: put it into /etc/atvm-run-watcher.env or the environment"
        )
    webhook = Webhook.parse(text) if text.strip() else None
    channels = {"main": environ.get("MATTERMOST_ATVM_CHANNEL") or None, "alert": request.alert_channel}
    ca_file = Path(request.ca_file) if request.ca_file else None

    def perform(effect: PostMessage) -> DeliverySettled:
        if webhook is None:
            return DeliverySettled(
                at=clock.now(),
                key=effect.key,
                attempt=effect.attempt,
                outcome="rejected",
                detail="no webhook is set",
            )
        attempt = attempt_once(webhook, with_channel(effect.payload, channels[effect.kind]), ca_file)
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

    return perform


def warm_up() -> None:
    """Load what an attempt needs, beside everything else: a message is soon to be told, and its reader waits for it."""
    # Without a thread to spare, the attempt itself loads it.
    with contextlib.suppress(RuntimeError):
        threading.Thread(
            target=importlib.import_module, args=(TRANSPORT,), name="warm-up", daemon=True
        ).start()


def attempt_once(webhook: Webhook, body: bytes, ca_file: Path | None) -> Attempt:
    """`deliver`, which comes back whatever happens to it: after `HANG_LIMIT_S` it is uncertain.  Never raises.

    A thread that hangs is left behind and ends with the process.
    """
    answers: queue.SimpleQueue[Attempt] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            answers.put(deliver(webhook, body, ca_file=ca_file))
        except Exception:  # noqa: BLE001 - no traceback: it might hold the secret
            answers.put(Attempt(outcome="uncertain", detail=CRASHED))

    try:
        threading.Thread(target=attempt, name="attempt", daemon=True).start()
    except RuntimeError:
        return Attempt(outcome="not-arrived", detail=NO_THREAD)
    try:
        return answers.get(timeout=HANG_LIMIT_S)
    except queue.Empty:
        return Attempt(outcome="uncertain", detail=HUNG)


def with_channel(payload: str, channel: str | None) -> bytes:
    """The body as it is sent.  Without a channel the hook's own is meant."""
    if channel is None:
        return payload.encode()
    body = msgspec.json.decode(payload)
    return msgspec.json.encode({"channel": channel, **body}, order="deterministic")
