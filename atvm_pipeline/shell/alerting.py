"""An alert that does not go through a run's outbox: because the watcher is dead, or its disk takes nothing.

It is not recorded, so it may come twice; the delivery id is then the same.  Nothing here decides what is told.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from atvm_pipeline.core.messages import alert_line, marked

from . import clock
from .delivery import attempt_once, with_channel
from .log import log
from .records import Request
from .webhook import Webhook

FIRST_DELAY_S = 5.0
LAST_DELAY_S = 900.0
PATIENCE_S = 72 * 3600.0
"""As long as a message of a run is kept alive."""

Outcome = str
"""`sent`, `rejected`, `uncertain`, `expired`, `obsolete`, or `no-channel`: nobody is to be told."""


def channel_of(request: Request | None, environ: Mapping[str, str]) -> str | None:
    """The alert channel that was in force at the start; where the request is gone, the present setting's."""
    if request is not None:
        return request.alert_channel
    return environ.get("ATVM_WATCHER_ALERT_CHANNEL") or None


def tell(
    build_name: str,
    request: Request | None,
    environ: Mapping[str, str],
    text: str,
    *,
    key: str,
    patience_s: float = PATIENCE_S,
    obsolete: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Deliver one line to the alert channel, trying until it arrives or `patience_s` have passed.

    `obsolete`: asked before a repeat, ends the tries.  Raises ConfigError for a webhook that is none.
    """
    channel = channel_of(request, environ)
    address = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    if channel is None or not address.strip():
        return "no-channel"
    webhook = Webhook.parse(address)
    ca_file = request.ca_file if request is not None else environ.get("ATVM_WATCHER_CA_FILE")
    payload = alert_line(build_name, request.run_id if request is not None else "", text, key)
    deadline_s, delay_s, doubted = clock.monotonic() + patience_s, FIRST_DELAY_S, False
    while True:
        body = with_channel(marked(payload) if doubted else payload, channel)
        attempt = attempt_once(webhook, body, Path(ca_file) if ca_file else None)
        if attempt.outcome in ("sent", "rejected") or (attempt.outcome == "uncertain" and doubted):
            return attempt.outcome
        doubted = doubted or attempt.outcome == "uncertain"
        log(f"the alert has not arrived ({attempt.detail}); trying again in {delay_s:.0f} s")
        if clock.monotonic() + delay_s > deadline_s:
            return "uncertain" if doubted else "expired"
        clock.sleep(delay_s)
        delay_s = min(LAST_DELAY_S, delay_s * 2)
        if obsolete():
            return "obsolete"


def tell_apart(
    build_name: str, request: Request | None, environ: Mapping[str, str], text: str, *, key: str
) -> None:
    """`tell` from a thread of its own, which ends with the process.  Never waits, never raises."""

    def attempt() -> None:
        outcome = tell(build_name, request, environ, text, key=key)
        log(f"alert: {outcome}")

    threading.Thread(target=attempt, name="alert", daemon=True).start()
