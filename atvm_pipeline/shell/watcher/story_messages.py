"""The lines of the watcher's log about messages and alerts. Pure, like `story.py`."""

from collections.abc import Callable
from datetime import timedelta
from itertools import zip_longest
from typing import NamedTuple

from atvm_pipeline.core.events import DeliverySettled, Event, ServerPinged
from atvm_pipeline.core.local_time import local_clock
from atvm_pipeline.core.messages.undelivered import LOST_OUTCOMES, last_outcomes
from atvm_pipeline.core.state import Post, Run
from atvm_pipeline.core.text import plural

LOST_SHOWN = 10
"""Lost messages that a watcher that resumes logs; the others are counted."""


class Naming(NamedTuple):
    """The names that the lines need and that the run itself does not know."""

    address: str
    """The name of the run in a command."""
    typed: Callable[..., str]
    """Returns a command that an operator can type, from a program of this project and its words."""


class Line(NamedTuple):
    """One line of the log."""

    text: str
    subject: str = ""
    """If given, the line repeats for this subject: it is logged the first time, and then at growing intervals."""
    cause: str = ""
    """A repetition with another cause counts as new."""


def message_lines(before: Run, event: Event, after: Run, naming: Naming) -> list[Line]:
    """Return the lines about the messages that one event changed."""
    if after.outbox is before.outbox:
        return []
    lines = []
    for old, new in zip_longest(before.outbox, after.outbox):
        if new is not None and new is not old:
            lines += _changed(old, new, event, after, naming)
    return lines


def lost_lines(run: Run, naming: Naming) -> list[Line]:
    """Return a line for each message that was lost before a watcher resumed, which may have ended before logging it."""
    lost = [post for post in last_outcomes(run) if post.outcome in LOST_OUTCOMES]
    lines = [Line(_final(post, naming)) for post in lost[:LOST_SHOWN]]
    more = len(lost) - len(lines)
    return [*lines, Line(f"{plural(more, 'more message')} not delivered")] if more else lines


def _changed(old: Post | None, new: Post, event: Event, run: Run, naming: Naming) -> list[Line]:
    attempts = old.attempts if old is not None else 0
    was_in_flight = old is not None and old.in_flight
    settled = was_in_flight and (not new.in_flight or new.attempts > attempts)
    lines = []
    if new.outcome != "pending":
        if old is None or old.outcome == "pending":
            lines.append(Line(_final(new, naming)))
    elif settled and isinstance(event, DeliverySettled):
        lines.append(_waits(run, new, event))
    elif old is not None and old.pinging and not new.pinging and not new.in_flight:
        detail = event.detail if isinstance(event, ServerPinged) else new.detail
        text = f"{owner(new)} waits for its server: {detail}; next check {_when(run, new)}"
        lines.append(Line(text, f"{new.key}/ping", detail))
    if new.in_flight and new.attempts > attempts and new.marked:
        lines.append(Line(f"repeating {owner(new)}, marked as a possible duplicate ({_attempt(new)})"))
    return lines


def owner(post: Post) -> str:
    """Return the name of a message in a sentence."""
    if post.kind == "alert":
        return f'alert "{post.key.partition("/alert/")[2]}"'
    if post.kind == "run":
        return "closing message"
    return f"message of sub-run {post.subrun}"


def _waits(run: Run, post: Post, event: DeliverySettled) -> Line:
    """Return the line about an attempt after which the message is tried again."""
    name, when = owner(post), _when(run, post)
    match event.outcome:
        case "uncertain":
            text = f"{name} may have arrived: {event.detail}; it is repeated {when}, marked as a possible duplicate"
        case "probably-not-arrived":
            text = f"{name} has probably not arrived: {event.detail}; next check of the server {when}, then a marked repeat"
        case _:
            text = f"{name} not arrived: {event.detail}; next attempt {when} ({_attempt(post)} failed)"
    return Line(text, post.key, f"{event.outcome} {event.detail}")


def _when(run: Run, post: Post) -> str:
    wait_s = post.due_watched_s - run.watched_s
    if post.in_flight or wait_s <= 0:
        return "now"
    return f"at {local_clock(run.at + timedelta(seconds=wait_s), run.at, run.utc_offset_s)}"


def _attempt(post: Post) -> str:
    return f"attempt {post.attempts}"


def _final(post: Post, naming: Naming) -> str:
    name = owner(post)
    status = f" (status {post.status})" if post.status is not None else ""
    why = f": {post.detail}" if post.detail else ""
    again = _resend(post, naming)
    match post.outcome:
        case "sent":
            attempt = f", {_attempt(post)}" if post.attempts > 1 else ""
            mark = ", marked as a possible duplicate" if post.marked else ""
            return f"{name} sent (delivery {post.delivery_id}{attempt}{mark})"
        case "rejected":
            check = naming.typed("atvm-pipeline", "doctor", "--post-test")
            fix = f"correct the webhook or its channel and check it with: {check}"
            return f"{name} rejected{status}{why}; {fix}{again}"
        case "uncertain":
            look = f"look for delivery {post.delivery_id} in the channel"
            return f"{name} may not have arrived{status}{why}; {look}{again}"
        case "expired":
            return f"{name} {LOST_OUTCOMES['expired']}{why}{again}"
        case _:
            return f"{name} dropped, because the run was cancelled"


def _resend(post: Post, naming: Naming) -> str:
    """Return the command that sends a message again; an alert cannot be repeated."""
    if post.kind == "alert":
        return ""
    number = [str(post.subrun)] if post.subrun is not None else []
    return f"; to send it again: {naming.typed('atvm-pipeline', 'resend', naming.address, *number)}"
