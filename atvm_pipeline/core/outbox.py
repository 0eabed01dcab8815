"""The outbox: posts asked for, and the state machine of their delivery (contract §8).

pending -> sent | rejected | uncertain | expired | dropped.  Times are watched seconds.  At most one attempt is in
flight, so that a crash leaves at most one delivery uncertain.
"""

from typing import Literal, assert_never

from msgspec.structs import replace

from . import messages
from .events import DeliverySettled, Instant
from .state import Notice, Post, Run

FIRST_DELAY_S = 5.0
LAST_DELAY_S = 900.0
RETRY_AFTER_MAX_S = 3600.0
EXPIRES_S = 72 * 3600.0
"""How long a message that cannot arrive is kept alive."""
RESENDS_MAX = 100
"""Repeats by hand per run."""


def ask(
    run: Run, key: str, kind: Literal["subrun", "run", "alert"], payload: str, subrun: int | None = None
) -> Run:
    """Put a post into the outbox; one key is asked for once."""
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


def ask_alert(run: Run, code: str, text: str) -> Run:
    """Ask for one line to the alert channel, once per code, if there is such a channel."""
    if not run.request.settings.alerts:
        return run
    key = f"{run.request.run_id}/alert/{code}"
    return ask(run, key, "alert", messages.alert_payload(run, text, key))


def begin_due(run: Run) -> Run:
    """Begin the next attempt that is due, if none is in flight; expire what has waited too long."""
    run = _expire(run)
    if any(post.in_flight for post in run.outbox):
        return run
    for at, post in enumerate(run.outbox):
        if post.outcome == "pending" and post.due_watched_s <= run.watched_s:
            begun = replace(post, in_flight=True, attempts=post.attempts + 1)
            return _put(run, at, begun)
    return run


def _put(run: Run, at: int, post: Post) -> Run:
    return replace(run, outbox=(*run.outbox[:at], post, *run.outbox[at + 1 :]))


def _expire(run: Run) -> Run:
    for at, post in enumerate(run.outbox):
        if (
            post.outcome == "pending"
            and not post.in_flight
            and run.watched_s - post.asked_watched_s >= EXPIRES_S
        ):
            # An attempt that may have arrived is uncertain, not expired.
            outcome: Literal["uncertain", "expired"] = "uncertain" if post.uncertain else "expired"
            run = _put(run, at, replace(post, outcome=outcome, settled_at=run.at))
            if post.kind != "alert":
                hours = round(EXPIRES_S / 3600)
                run = notice(
                    run,
                    "message-expired",
                    f"A message could not be delivered for {hours} hours and was given up.",
                )
    return run


def payload_to_send(post: Post) -> str:
    """The body of the attempt in flight, marked if an earlier one may have arrived."""
    return messages.marked(post.payload) if post.marked else post.payload


def settle(run: Run, event: DeliverySettled) -> Run:
    """Fold the outcome of one attempt.  An outcome of another attempt than the one in flight changes nothing."""
    for at, post in enumerate(run.outbox):
        if post.key == event.key and post.in_flight and post.attempts == event.attempt:
            after = replace(post, in_flight=False, detail=event.detail, status=event.status)
            return _notices(_put(run, at, _settled(run, after, event)), post, event)
    return replace(run, ignored=run.ignored + 1)


def _settled(run: Run, post: Post, event: DeliverySettled) -> Post:
    match event.outcome:
        case "sent" | "rejected":
            return _final(post, event.outcome, event.at)
        case "uncertain":
            return _uncertain(run, replace(post, uncertain=post.uncertain + 1), event)
        case "not-arrived":
            if run.cancel is not None:
                return _final(post, "uncertain" if post.uncertain else "dropped", event.at)
            return replace(post, due_watched_s=run.watched_s + _delay_s(post.attempts, event.retry_after_s))
        case _:
            assert_never(event.outcome)


def _uncertain(run: Run, post: Post, event: DeliverySettled) -> Post:
    repeat = run.request.settings.post_uncertain == "repeat-marked"
    # A repeat that was marked from the start (`resend`) is repeated no further; nor is anything after a cancel.
    if not repeat or post.marked or run.cancel is not None:
        return _final(post, "uncertain", event.at)
    return replace(post, marked=True, due_watched_s=run.watched_s + _delay_s(1, None))


def _final(post: Post, outcome: Literal["sent", "rejected", "uncertain", "dropped"], at: Instant) -> Post:
    return replace(post, outcome=outcome, settled_at=at)


def _delay_s(attempts: int, retry_after_s: float | None) -> float:
    """Seconds until the next attempt: doubling from 5 s to 15 min; a server's own wish, up to 1 h, comes first."""
    doubled = min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempts - 1, 20))
    return doubled if retry_after_s is None else min(RETRY_AFTER_MAX_S, max(retry_after_s, FIRST_DELAY_S))


def _notices(run: Run, post: Post, event: DeliverySettled) -> Run:
    if post.kind == "alert":
        # An alert about an undelivered alert would go nowhere, and for ever.
        return run
    if event.certificate:
        return notice(
            run, "certificate", "The webhook's TLS certificate was not accepted; messages wait until it is."
        )
    if event.outcome == "rejected":
        status = f" with status {event.status}" if event.status is not None else ""
        return notice(
            run, "webhook-rejected", f"The webhook rejected a message{status}; it was not delivered."
        )
    if event.outcome == "sent":
        return clear_notice(run, "certificate")
    return run


def notice(run: Run, code: str, text: str) -> Run:
    """Say that a person should look; the same code replaces its sentence and alerts once."""
    kept = tuple(item for item in run.notices if item.code != code)
    if len(kept) < len(run.notices):
        return replace(run, notices=(*kept, Notice(code=code, text=text)))
    run = replace(run, notices=(*kept, Notice(code=code, text=text)))
    return ask_alert(run, f"attention-{code}", f"attention: {text}")


def clear_notice(run: Run, code: str) -> Run:
    """Take a sentence back that no longer holds."""
    kept = tuple(item for item in run.notices if item.code != code)
    return run if len(kept) == len(run.notices) else replace(run, notices=kept)


def drop_unbegun(run: Run) -> Run:
    """After a cancel: nothing more is sent; what is in flight settles by itself."""
    outbox = tuple(
        replace(post, outcome="uncertain" if post.uncertain else "dropped", settled_at=run.at)
        if post.outcome == "pending" and not post.in_flight
        else post
        for post in run.outbox
    )
    return run if outbox == run.outbox else replace(run, outbox=outbox)


def resend(run: Run, key: str) -> Run:
    """Ask for a post once more, marked; one that waits for its next attempt gets it now.  An unknown key changes nothing."""
    first = next((post for post in run.outbox if post.key == key), None)
    repeats = [post for post in run.outbox if post.key.startswith(f"{key}/resend-")]
    waiting = next(
        (at for at, post in enumerate(run.outbox) if post in (first, *repeats) and post.outcome == "pending"),
        None,
    )
    if waiting is not None:
        return _put(run, waiting, replace(run.outbox[waiting], marked=True, due_watched_s=run.watched_s))
    if first is None or len(repeats) >= RESENDS_MAX:
        return replace(run, ignored=run.ignored + 1)
    again = replace(
        first,
        key=f"{key}/resend-{len(repeats) + 1}",
        outcome="pending",
        asked_at=run.at,
        asked_watched_s=run.watched_s,
        due_watched_s=run.watched_s,
        attempts=0,
        uncertain=0,
        marked=True,
        settled_at=None,
        detail="",
        status=None,
    )
    return replace(run, outbox=(*run.outbox, again))


def pending(run: Run) -> bool:
    """Whether any post is not settled."""
    return any(post.outcome == "pending" for post in run.outbox)


def deadlines(run: Run) -> list[float]:
    """Points on the watched axis at which an attempt is due or a post expires."""
    if any(post.in_flight for post in run.outbox):
        return []
    waiting = [post for post in run.outbox if post.outcome == "pending"]
    return [min(post.due_watched_s, post.asked_watched_s + EXPIRES_S) for post in waiting]
