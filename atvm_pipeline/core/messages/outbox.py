"""The outbox: messages to deliver, the time of their next attempt, and notices for the operator.

pending -> sent | rejected | uncertain | expired | dropped. Times are watched seconds. At most one attempt is in flight, so
that a crash leaves at most one delivery uncertain. `attempts.py` decides how the outcome of an attempt changes the message.
"""

from typing import Literal

from msgspec.structs import replace

from atvm_pipeline.core.local_time import local_text
from atvm_pipeline.core.state import Notice, Post, Run

from . import payload as messages

FIRST_DELAY_S = 5.0
LAST_DELAY_S = 900.0
RETRY_AFTER_MAX_S = 3600.0
EXPIRES_S = 72 * 3600.0
"""How long delivery of a message is tried."""
ALERTS_PER_NOTICE_MAX = 5
"""Alerts about one kind of notice; the last one is followed by no all-clear."""
ALL_CLEARS = {
    "quiet": "there is progress again",
    "certificate": "the webhook's TLS certificate is accepted again",
    "message-late": "no message is late any more",
}
"""Code of a notice that can end by itself -> the words that report its end. No other notice has an all-clear."""
RESENDS_MAX = 100
"""Manual repeats (`resend`) per message."""


def request_post(
    run: Run,
    key: str,
    kind: Literal["subrun", "run", "alert", "progress"],
    payload: str,
    subrun: int | None = None,
) -> Run:
    """Add a post to the outbox, once per key."""
    if any(post.key == key for post in run.outbox):
        return run
    post = Post(
        key=key,
        kind=kind,
        subrun=subrun,
        payload=payload,
        delivery_id=messages.delivery_id(key),
        asked_at=run.at,
        asked_watched_s=run.watched_s,
        due_watched_s=run.watched_s,
    )
    return replace(run, outbox=(*run.outbox, post))


def request_alert(run: Run, code: str, text: str, *, word: str = "ATTENTION") -> Run:
    """Request one line to the alert channel, once per code, if such a channel is set and the run is not cancelled."""
    if not run.request.settings.alerts or run.cancel is not None:
        return run
    key = _alert_key(run, code)
    return request_post(run, key, "alert", messages.alert_payload(run, text, key, word=word))


def start_due(run: Run) -> Run:
    """Start the next attempt or ping that is due, if none is in progress."""
    if busy(run):
        return run
    for at, post in enumerate(run.outbox):
        if post.outcome == "pending" and post.due_watched_s <= run.watched_s:
            return put(run, at, _pinging(post) if post.ping_first else attempted(post))
    return run


def _pinging(post: Post) -> Post:
    return replace(post, pinging=True, pings=post.pings + 1)


def attempted(post: Post) -> Post:
    """Start an attempt."""
    return replace(
        post,
        pinging=False,
        pings_down=0,
        absent=0,
        in_flight=True,
        attempts=post.attempts + 1,
        repeats=post.repeats + post.marked,
    )


def forget_pings(run: Run) -> Run:
    """Forget pings of an earlier watcher, which will get no response, so that they are started again."""
    if not any(post.pinging for post in run.outbox):
        return run
    return replace(run, outbox=tuple(replace(post, pinging=False) for post in run.outbox))


def busy(run: Run) -> bool:
    """Return whether an attempt or a ping is in progress."""
    return any(post.in_flight or post.pinging for post in run.outbox)


def put(run: Run, at: int, post: Post) -> Run:
    """Replace the post at that position."""
    return replace(run, outbox=(*run.outbox[:at], post, *run.outbox[at + 1 :]))


def may_have_arrived(post: Post) -> bool:
    """Return whether an attempt may have delivered the post although it was not confirmed."""
    return post.uncertain > 0 or post.probable > 0


def expire(run: Run) -> Run:
    """End the posts that have waited for `EXPIRES_S`."""
    for at, post in enumerate(run.outbox):
        if (
            post.outcome == "pending"
            and not post.in_flight
            and run.watched_s - post.asked_watched_s >= EXPIRES_S
        ):
            # A post that may have arrived is uncertain, not expired.
            outcome: Literal["uncertain", "expired"] = "uncertain" if may_have_arrived(post) else "expired"
            run = put(run, at, replace(post, outcome=outcome, settled_at=run.at, pinging=False))
    return run


def payload_to_send(run: Run, post: Post) -> str:
    """Return the body of the attempt in flight, marked if an earlier one may have arrived or a person repeats it."""
    return messages.marked(post.payload, mark_of(run, post)) if post.marked else post.payload


def mark_of(run: Run, post: Post) -> messages.Mark:
    """Return the mark of a repeat, from the attempts of this message before it."""
    key = post.key.partition("/resend-")[0]
    known = [other for other in run.outbox if other.key == key or other.key.startswith(f"{key}/resend-")]
    if any(other.outcome == "sent" for other in known):
        return "arrived"
    return "may-have-arrived" if any(map(may_have_arrived, known)) else "not-arrived"


def notice(run: Run, code: str, text: str, *, alert: bool = True) -> Run:
    """Add a notice for the operator. A notice with the same code is replaced in its place, and alerts only once.

    A notice that comes again after an all-clear alerts again.
    """
    new = Notice(code=code, text=text)
    at = next((at for at, old in enumerate(run.notices) if old.code == code), None)
    if at is None:
        run = replace(run, notices=(*run.notices, new))
        number = _all_clears(run, code) + 1
        return request_alert(run, _numbered(f"attention-{code}", number), text) if alert else run
    if run.notices[at] == new:
        return run
    return replace(run, notices=(*run.notices[:at], new, *run.notices[at + 1 :]))


def clear_notice(run: Run, code: str) -> Run:
    """Remove a notice that no longer applies, and report its end to the readers of its alert."""
    kept = tuple(item for item in run.notices if item.code != code)
    return run if len(kept) == len(run.notices) else _all_clear(replace(run, notices=kept), code)


def on_alert(run: Run, alert: Post) -> Run:
    """Report the end of a notice to the readers of its alert if it ended before the alert had arrived."""
    code = alert.key.removeprefix(_alert_key(run, "attention-")).partition("/")[0]
    return run if any(item.code == code for item in run.notices) else _all_clear(run, code)


def _all_clear(run: Run, code: str) -> Run:
    """Request the line that ends an alert, once per alert, after the alert itself has arrived."""
    words = "the run has ended" if run.verdict is not None and code == "quiet" else ALL_CLEARS.get(code)
    number = _all_clears(run, code) + 1
    key = _alert_key(run, _numbered(f"attention-{code}", number))
    alert = next((post for post in run.outbox if post.key == key), None)
    if words is None or alert is None or alert.outcome not in ("sent", "uncertain"):
        return run
    # After the last alert, an all-clear would be wrong as soon as the notice comes again.
    if number >= ALERTS_PER_NOTICE_MAX or any(post.key == _alert_key(run, "end") for post in run.outbox):
        return run
    since = local_text(alert.asked_at, run.utc_offset_s)
    text = f"{words} (attention of {since})"
    return request_alert(run, _numbered(f"clear-{code}", number), text, word=messages.ALL_CLEAR)


def _all_clears(run: Run, code: str) -> int:
    """Count the all-clears that were requested for notices with that code."""
    first = _alert_key(run, f"clear-{code}")
    return sum(post.key == first or post.key.startswith(f"{first}/") for post in run.outbox)


def _numbered(code: str, number: int) -> str:
    return code if number == 1 else f"{code}/{number}"


def _alert_key(run: Run, code: str) -> str:
    return f"{run.request.run_id}/alert/{code}"


def drop_unbegun(run: Run) -> Run:
    """Drop the posts that wait after a cancel; an attempt in flight settles by itself."""
    outbox = tuple(
        replace(
            post,
            outcome="uncertain" if may_have_arrived(post) else "dropped",
            settled_at=run.at,
            pinging=False,
        )
        if post.outcome == "pending" and not post.in_flight
        else post
        for post in run.outbox
    )
    return run if outbox == run.outbox else replace(run, outbox=outbox)


def resend(run: Run, key: str) -> Run:
    """Request a post again, marked; if it waits for its next attempt, that is due now. An unknown key changes nothing."""
    first = next((post for post in run.outbox if post.key == key), None)
    repeats = [post for post in run.outbox if post.key.startswith(f"{key}/resend-")]
    waiting = next(
        (at for at, post in enumerate(run.outbox) if post in (first, *repeats) and post.outcome == "pending"),
        None,
    )
    if waiting is not None:
        # The operator has decided, so no ping precedes this attempt.
        now = replace(
            run.outbox[waiting], marked=True, due_watched_s=run.watched_s, ping_first=False, pinging=False
        )
        return put(run, waiting, now)
    if first is None or len(repeats) >= RESENDS_MAX:
        return replace(run, ignored=run.ignored + 1)
    again = Post(
        key=f"{key}/resend-{len(repeats) + 1}",
        kind=first.kind,
        subrun=first.subrun,
        payload=first.payload,
        delivery_id=first.delivery_id,
        asked_at=run.at,
        asked_watched_s=run.watched_s,
        due_watched_s=run.watched_s,
        marked=True,
    )
    return replace(run, outbox=(*run.outbox, again))


def pending(run: Run) -> bool:
    """Return whether any post is not settled."""
    return any(post.outcome == "pending" for post in run.outbox)


def post_deadlines(run: Run) -> list[float]:
    """Return the points on the watched axis at which an attempt or a ping is due or a post expires."""
    if busy(run):
        return []
    waiting = [post for post in run.outbox if post.outcome == "pending"]
    return [min(post.due_watched_s, post.asked_watched_s + EXPIRES_S) for post in waiting]
