"""Alerts that do not go through the outbox of a run, because the watcher is dead or its disk refuses writes.

An alert is not recorded, so it may be sent twice, with the same delivery id. Repeats, pings and waits follow the rules
of `core/messages/attempts.py`.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Literal, assert_never

from atvm_pipeline.core.effects import PingServer, PostMessage
from atvm_pipeline.core.messages.attempts import REPEAT_DELAYS_S, REPEATS_MAX, UNCERTAIN_DELAY_S
from atvm_pipeline.core.messages.payload import alert_line, marked
from atvm_pipeline.core.text import format_duration
from atvm_pipeline.shell.state_dir.records import Request
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.repeat_limit import RepeatLimit

from .sender import Deliver, performer, send_once
from .webhook import Webhook

ALERT_FIRST_DELAY_S = 5.0
ALERT_LAST_DELAY_S = 900.0
PATIENCE_S = 72 * 3600.0
"""A message of a run is kept for the same time."""

Outcome = Literal["sent", "rejected", "uncertain", "expired", "obsolete", "no-channel"]
OUTCOME_WORDS: dict[Outcome, str] = {
    "sent": "alert sent",
    "rejected": "alert not sent, because the webhook rejected it",
    "uncertain": "alert sent, but it may not have arrived",
    "expired": "alert not sent, because the server could not be reached in time",
    "obsolete": "alert not sent, because the run is being watched again",
    "no-channel": "alert not sent, because no alert channel was set at the start of the run (ATVM_WATCHER_ALERT_CHANNEL)",
}
"""Outcome of an alert -> line of the log."""
ARRIVED: frozenset[Outcome | None] = frozenset({"sent", "uncertain"})
"""Outcomes of an alert that its readers may have seen."""


def channel_of(request: Request | None, environ: Mapping[str, str]) -> str | None:
    """Return the alert channel in force at the start of the run; the current setting if the request is gone."""
    if request is not None:
        return request.alert_channel
    return environ.get("ATVM_WATCHER_ALERT_CHANNEL") or None


def holds(request: Request | None, environ: Mapping[str, str]) -> bool:
    """Return whether a message that may have arrived must not be repeated.

    The setting at the start of the run applies; without a request, the current one.
    """
    if request is not None:
        return request.settings.post_uncertain == "hold"
    return environ.get("ATVM_WATCHER_POST_UNCERTAIN") == "hold"


def send_alert(
    build_name: str,
    request: Request | None,
    environ: Mapping[str, str],
    text: str,
    *,
    key: str,
    patience_s: float = PATIENCE_S,
    obsolete: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Send one line to the alert channel, retrying until it arrives or `patience_s` have passed.

    If `obsolete` returns true before a repeat, the retries end. Raises ConfigError for a malformed webhook.
    """
    channel = channel_of(request, environ)
    address = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    if channel is None or not address.strip():
        return "no-channel"
    webhook = Webhook.parse(address)
    ca_file = request.ca_file if request is not None else environ.get("ATVM_WATCHER_CA_FILE")
    run_id, controller = ("", None) if request is None else (request.run_id, request.controller)
    payload = alert_line(build_name, run_id, text, key, controller=controller)
    repeats_max = 0 if holds(request, environ) else REPEATS_MAX
    sender = _Sender(performer(webhook, {"alert": channel}, ca_file), key, payload, repeats_max)
    deadline_s = clock.monotonic() + patience_s
    limit = RepeatLimit()
    while True:
        outcome = sender.attempt()
        if outcome is not None:
            if outcome != "sent":
                log(f"the last attempt to send the alert: {sender.detail}")
            return outcome
        delay_s = sender.delay_s
        if limit.allows("", sender.detail):
            log(f"the alert has not arrived: {sender.detail}; next attempt in {format_duration(delay_s)}")
        if clock.monotonic() + delay_s > deadline_s:
            return "uncertain" if sender.may_have_arrived else "expired"
        clock.sleep(delay_s)
        if obsolete():
            return "obsolete"


class _Sender:
    """Attempts at one alert, by the rules for messages of a run."""

    def __init__(self, perform: Deliver, key: str, payload: str, repeats_max: int) -> None:
        self._perform, self._key, self._payload = perform, key, payload
        self._repeats_max = repeats_max
        self._number = 0
        """Number of the latest attempt."""
        self._pause_s = ALERT_FIRST_DELAY_S
        self._repeats = 0
        self._uncertain = False
        self._ping_first = False
        self.may_have_arrived = False
        """Whether an attempt may have arrived."""
        self.detail = ""
        self.delay_s = 0.0
        """Seconds until the next attempt."""

    def attempt(self) -> Outcome | None:
        """Make one attempt; return None if another attempt may follow."""
        self._number += 1
        if self._ping_first:
            found = send_once(PingServer(key=self._key, ping=self._number), self._perform)
            if not found.up:
                return self._wait(found.detail, self._backed_off(found.retry_after_s))
        payload = marked(self._payload) if self.may_have_arrived else self._payload
        effect = PostMessage(key=self._key, attempt=self._number, kind="alert", payload=payload)
        attempt = send_once(effect, self._perform)
        self.detail = attempt.detail
        repeats, self._repeats = self._repeats, self._repeats + self.may_have_arrived
        match attempt.outcome:
            case "sent" | "rejected":
                return attempt.outcome
            case "not-arrived":
                self._repeats = repeats
                return self._wait(attempt.detail, self._backed_off(attempt.retry_after_s))
            case "uncertain":
                if self._uncertain or self._repeats >= self._repeats_max:
                    return "uncertain"
                self._uncertain = self.may_have_arrived = True
                return self._wait(attempt.detail, UNCERTAIN_DELAY_S)
            case "probably-not-arrived":
                if self._repeats >= self._repeats_max:
                    return "uncertain"
                self._ping_first = self.may_have_arrived = True
                wait_s = max(REPEAT_DELAYS_S[self._repeats], attempt.retry_after_s or 0.0)
                self._pause_s = ALERT_FIRST_DELAY_S
                return self._wait(attempt.detail, wait_s)
            case _:
                assert_never(attempt.outcome)

    def _wait(self, detail: str, delay_s: float) -> Outcome | None:
        self.detail, self.delay_s = detail, delay_s
        return None

    def _backed_off(self, retry_after_s: float | None) -> float:
        delay_s, self._pause_s = self._pause_s, min(ALERT_LAST_DELAY_S, self._pause_s * 2)
        return delay_s if retry_after_s is None else max(retry_after_s, ALERT_FIRST_DELAY_S)


def send_alert_in_background(
    build_name: str,
    request: Request | None,
    environ: Mapping[str, str],
    text: str,
    *,
    key: str,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
) -> None:
    """Call `send_alert` in its own thread, which ends with the process, and log the outcome. Never waits, never raises."""

    def attempt() -> None:
        outcome = send_alert(build_name, request, environ, text, key=key)
        log(f"{OUTCOME_WORDS[outcome]}: {text}")
        on_outcome(outcome)

    # If no thread is available, the alert is lost; the same text is in the log.
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=attempt, name="alert", daemon=True).start()
