"""Sender: performs one effect of the core at the webhook. Only this module adds the channel and the secret."""

import contextlib
import importlib
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import overload

import msgspec

from atvm_pipeline.core.effects import PingServer, PostMessage
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import DeliverySettled, ServerPinged
from atvm_pipeline.shell.state_dir.records import Request

from .deadline import CONNECT_TIMEOUT, NO_ANSWER, Deadline
from .mattermost import IS_AWAY, deliver, ping, pinged, settled
from .webhook import Webhook

TRANSPORT = f"{__package__}.http"
POST_LIMIT_S = 45.0
PING_LIMIT_S = 20.0
CRASHED = "the attempt failed because of a bug; the message may have arrived"
NO_PING = "the server could not be pinged"
NO_THREAD = "the attempt could not start: the system has no thread left"

Deliver = Callable[[PostMessage | PingServer, Deadline], DeliverySettled | ServerPinged]
"""Performs one effect and never raises; its caller enforces the deadline."""


def make_sender(request: Request, environ: Mapping[str, str]) -> Deliver:
    """Return the performer of a run's posts and pings.  Raises ConfigError for a missing or malformed webhook."""
    text = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    needed = bool(request.settings.post_phases) or request.settings.alerts
    if needed and not text.strip():
        raise ConfigError(
            "MATTERMOST_ATVM_WEBHOOK is not set: put it into /etc/atvm-run-watcher.env or the environment"
        )
    webhook = Webhook.parse(text) if text.strip() else None
    channels = {"main": environ.get("MATTERMOST_ATVM_CHANNEL") or None, "alert": request.alert_channel}
    return performer(webhook, channels, request.ca_file)


def performer(webhook: Webhook | None, channels: Mapping[str, str | None], ca_file: str | None) -> Deliver:
    """Return the performer of posts and pings at `webhook`; `channels` has the channel of each kind of message."""
    ca_path = Path(ca_file) if ca_file else None

    def perform(effect: PostMessage | PingServer, deadline: Deadline) -> DeliverySettled | ServerPinged:
        if isinstance(effect, PingServer):
            if webhook is None:
                # Nothing was sent that could be repeated; the next attempt reports the missing webhook.
                return pinged(effect, "", up=True)
            return ping(effect, webhook, ca_file=ca_path, deadline=deadline)
        if webhook is None:
            return settled(effect, "rejected", "no webhook is set")
        body = with_channel(effect.payload, channels[effect.kind])
        return deliver(effect, webhook, body, ca_file=ca_path, deadline=deadline)

    def perform_safely(
        effect: PostMessage | PingServer, deadline: Deadline
    ) -> DeliverySettled | ServerPinged:
        try:
            return perform(effect, deadline)
        except Exception:  # noqa: BLE001 - no traceback: it might contain the secret
            if isinstance(effect, PingServer):
                return pinged(effect, NO_PING)
            return settled(effect, "uncertain", CRASHED)

    return perform_safely


@overload
def send_once(effect: PostMessage, perform: Deliver, deadline: Deadline | None = None) -> DeliverySettled: ...
@overload
def send_once(effect: PingServer, perform: Deliver, deadline: Deadline | None = None) -> ServerPinged: ...
def send_once(
    effect: PostMessage | PingServer, perform: Deliver, deadline: Deadline | None = None
) -> DeliverySettled | ServerPinged:
    """Perform one effect in a worker thread and return its outcome, at the latest when the deadline passes.

    Never raises.  A worker that hangs is left behind; it sends nothing any more and ends with the process.
    """
    deadline = deadline or deadline_of(effect)
    outcomes: queue.SimpleQueue[DeliverySettled | ServerPinged] = queue.SimpleQueue()
    try:
        in_thread(lambda: work(effect, perform, deadline, outcomes.put))
    except RuntimeError:
        return not_started(effect)
    try:
        return outcomes.get(timeout=deadline.left_s())
    except queue.Empty:
        # The worker may have finished at the last moment.
        return enforce(effect, deadline) or outcomes.get()


def in_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread that ends with the process.  Raises RuntimeError if the system has no thread left."""
    threading.Thread(target=work, name="delivery", daemon=True).start()


def deadline_of(effect: PostMessage | PingServer) -> Deadline:
    """Return the deadline of an attempt that starts now."""
    return Deadline(PING_LIMIT_S if isinstance(effect, PingServer) else POST_LIMIT_S)


def work(
    effect: PostMessage | PingServer,
    perform: Deliver,
    deadline: Deadline,
    report: Callable[[DeliverySettled | ServerPinged], None],
) -> None:
    """Perform one effect in the worker thread; report the outcome unless the deadline was enforced before it."""
    outcome = perform(effect, deadline)
    if deadline.finish():
        report(outcome)


def enforce(effect: PostMessage | PingServer, deadline: Deadline) -> DeliverySettled | ServerPinged | None:
    """End an attempt whose deadline has passed; return its outcome, None if the worker reports one."""
    sent_started = deadline.enforce()
    if sent_started is None:
        return None
    if isinstance(effect, PingServer):
        return pinged(effect, IS_AWAY if sent_started else CONNECT_TIMEOUT)
    if sent_started:
        return settled(effect, "uncertain", NO_ANSWER)
    return settled(effect, "not-arrived", CONNECT_TIMEOUT)


def not_started(effect: PostMessage | PingServer) -> DeliverySettled | ServerPinged:
    """Return the outcome of an attempt for which the system has no thread: nothing was sent."""
    if isinstance(effect, PingServer):
        return pinged(effect, NO_THREAD)
    return settled(effect, "not-arrived", NO_THREAD)


def warm_up() -> None:
    """Load the packages of an attempt in a thread, because a message follows soon."""
    # If no thread is available, the attempt itself loads them.
    with contextlib.suppress(RuntimeError):
        threading.Thread(
            target=importlib.import_module, args=(TRANSPORT,), name="warm-up", daemon=True
        ).start()


def with_channel(payload: str, channel: str | None) -> bytes:
    """Return the body to send. Without a channel, the webhook's own channel is used."""
    if channel is None:
        return payload.encode()
    body = msgspec.json.decode(payload)
    return msgspec.json.encode({"channel": channel, **body}, order="deterministic")
