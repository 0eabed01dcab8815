"""The outcome of a delivery attempt and its consequence: a repeat, a wait or the final outcome.

not-arrived           repeated unmarked, with growing waits, until the message expires
probably-not-arrived  a proxy answered 502 or 503: repeated marked, each time after a ping that found the server up
rejected              final
uncertain             repeated once, marked; final if that is uncertain again
"""

from typing import Literal, assert_never

from msgspec.structs import replace

from atvm_pipeline.core.events import DeliverySettled, PostSearched, ServerPinged
from atvm_pipeline.core.facts import Instant
from atvm_pipeline.core.state import Post, Run

from .outbox import (
    FIRST_DELAY_S,
    LAST_DELAY_S,
    RETRY_AFTER_MAX_S,
    attempted,
    clear_notice,
    may_have_arrived,
    notice,
    on_alert,
    put,
)

UNCERTAIN_DELAY_S = 30.0
"""Wait before the one repeat of an uncertain post: a slow server needs this time to show the first one."""
REPEAT_DELAYS_S = (5.0, 30.0, 300.0, 1800.0, 14400.0, 86400.0)
"""Waits before the 1st, 2nd ... marked repeat. Their sum is 28 hours, so that the last repeat reaches a server that is back
within a day, even if its ping permits every repeat."""
REPEATS_MAX = len(REPEAT_DELAYS_S)
"""Marked repeats of one post, whatever their cause."""

Final = Literal["sent", "rejected", "uncertain", "dropped"]


def settle_post(run: Run, event: DeliverySettled) -> Run:
    """Apply the outcome of one attempt. An outcome of any attempt but the one in flight changes nothing."""
    for at, old in enumerate(run.outbox):
        post = _begun_earlier(old, event)
        if post.key == event.key and post.in_flight and post.attempts == event.attempt:
            after = replace(
                post,
                in_flight=False,
                detail=event.detail,
                status=event.status,
                transport=event.transport or post.transport,
                post_id=event.post_id or post.post_id,
                root_id=event.root_id or post.root_id,
            )
            after = _settled(run, after, event)
            run = _certificate(put(run, at, after), post, event)
            return on_alert(run, after) if post.kind == "alert" else run
    return replace(run, ignored=run.ignored + 1)


def _begun_earlier(post: Post, event: DeliverySettled) -> Post:
    """Start the attempt that an earlier release had started when this one would wait: its journal has only the outcome.

    That release had shorter waits, and fewer alerts whose attempts come first.
    """
    waits = post.outcome == "pending" and not post.in_flight
    begun = waits and post.key == event.key and event.attempt == post.attempts + 1
    return attempted(post) if begun else post


def _settled(run: Run, post: Post, event: DeliverySettled) -> Post:
    match event.outcome:
        case "sent" | "rejected":
            return _final(post, event.outcome, event.at)
        case "uncertain":
            return _uncertain(run, replace(post, uncertain=post.uncertain + 1), event)
        case "probably-not-arrived":
            return _probably_not_arrived(run, replace(post, probable=post.probable + 1), event)
        case "not-arrived":
            return _not_arrived(run, post, event)
        case _:
            assert_never(event.outcome)


def _not_arrived(run: Run, post: Post, event: DeliverySettled) -> Post:
    if run.cancel is not None:
        return _final(post, "uncertain" if may_have_arrived(post) else "dropped", event.at)
    return replace(
        post,
        # It cannot have been seen, so it does not count as a repeat.
        repeats=max(0, post.repeats - 1),
        due_watched_s=run.watched_s + repeat_delay_s(post.attempts, event.retry_after_s),
    )


def _probably_not_arrived(run: Run, post: Post, event: DeliverySettled) -> Post:
    if not _may_repeat(run, post):
        return _final(post, "uncertain", event.at)
    wait_s = REPEAT_DELAYS_S[post.repeats]
    if event.retry_after_s is not None:
        wait_s = max(wait_s, min(RETRY_AFTER_MAX_S, event.retry_after_s))
    return replace(post, marked=True, ping_first=True, due_watched_s=run.watched_s + wait_s)


def _uncertain(run: Run, post: Post, event: DeliverySettled) -> Post:
    # A post that was marked from its first attempt (`resend`) is not repeated.
    by_hand = post.marked and post.uncertain == 1 and not post.probable
    if not _may_repeat(run, post) or post.uncertain > 1 or by_hand:
        return _final(post, "uncertain", event.at)
    wait_s = 0.0 if event.crashed else UNCERTAIN_DELAY_S
    return replace(post, marked=True, due_watched_s=run.watched_s + wait_s)


def _may_repeat(run: Run, post: Post) -> bool:
    return (
        run.request.settings.post_uncertain == "repeat-marked"
        and run.cancel is None
        and post.repeats < REPEATS_MAX
    )


def _final(post: Post, outcome: Final, at: Instant) -> Post:
    return replace(post, outcome=outcome, settled_at=at)


def on_ping(run: Run, event: ServerPinged) -> Run:
    """Apply the response to a ping: start the repeat, or wait and ping again."""
    for at, post in enumerate(run.outbox):
        if post.key == event.key and post.pinging and post.pings == event.ping:
            if not event.up:
                return _ping_certificate(_away(run, post, event), post, event)
            # A watcher that is stopping starts no attempt; the next one pings again.
            return put(run, at, replace(post, pinging=False) if run.stopping else attempted(post))
    return replace(run, ignored=run.ignored + 1)


def _away(run: Run, post: Post, event: ServerPinged) -> Run:
    """Ping again later; the other posts that wait for the same server need no ping of their own until then."""
    down = post.pings_down + 1
    due = run.watched_s + repeat_delay_s(down, event.retry_after_s)
    posts = []
    for other in run.outbox:
        if other.key == post.key:
            posts.append(replace(other, pinging=False, pings_down=down, due_watched_s=due))
        elif other.outcome == "pending" and other.ping_first and other.due_watched_s <= run.watched_s:
            posts.append(replace(other, due_watched_s=due))
        else:
            posts.append(other)
    return replace(run, outbox=tuple(posts))


def on_search(run: Run, event: PostSearched) -> Run:
    """Apply the result of a search for a message that may have arrived: it was sent, or one more listing lacks it."""
    for at, post in enumerate(run.outbox):
        waits = post.outcome == "pending" and not post.in_flight
        if post.key == event.key and waits and event.search == post.searches + 1:
            found = replace(post, searches=event.search, searched_watched_s=run.watched_s)
            if event.outcome == "found":
                sent = replace(found, post_id=event.post_id, detail=event.detail, status=event.status)
                return put(run, at, _final(sent, "sent", event.at))
            return put(run, at, replace(found, absent=post.absent + (event.outcome == "absent")))
    return replace(run, ignored=run.ignored + 1)


def repeat_delay_s(attempts: int, retry_after_s: float | None) -> float:
    """Return the seconds until the next attempt: doubling from 5 s to 15 min, or the server's Retry-After, up to 1 h."""
    doubled = min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempts - 1, 20))
    return doubled if retry_after_s is None else min(RETRY_AFTER_MAX_S, max(retry_after_s, FIRST_DELAY_S))


def _certificate(run: Run, post: Post, event: DeliverySettled) -> Run:
    if post.kind == "alert":
        # An alert about an undelivered alert would not arrive either.
        return run
    if event.certificate:
        return notice(
            run, "certificate", "The webhook's TLS certificate was not accepted; messages wait until it is."
        )
    return clear_notice(run, "certificate") if event.outcome == "sent" else run


def _ping_certificate(run: Run, post: Post, event: ServerPinged) -> Run:
    if not event.certificate or post.kind == "alert":
        return run
    text = f"The webhook's TLS certificate was not accepted ({event.detail}); messages wait until it is."
    return notice(run, "certificate", text)
