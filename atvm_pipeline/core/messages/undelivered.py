"""Messages that are late, and those that ended without being sent: the notices about them."""

from typing import Literal

from atvm_pipeline.core.state import Post, Run

from .outbox import EXPIRES_S, clear_notice, notice, request_alert

LATE_S = 600.0
"""A message that has not arrived after this time needs attention."""
MESSAGES_NAMED_MAX = 5
"""Messages listed in one notice."""
Lost = Literal["rejected", "uncertain", "expired"]
LOST_OUTCOMES: dict[Lost, str] = {
    "rejected": "rejected by the webhook and not delivered",
    "uncertain": "sent, but may not have arrived",
    "expired": f"not delivered within {round(EXPIRES_S / 3600)} hours and dropped",
}
"""Every final outcome of a message that may not have been seen, in words."""


def last_outcomes(run: Run) -> tuple[Post, ...]:
    """Return each message once: its last manual repeat, else the message itself."""
    last: dict[str, Post] = {}
    for post in run.outbox:
        last[post.key.partition("/resend-")[0]] = post
    return tuple(last.values())


def note_lost(run: Run) -> Run:
    """Keep one notice per outcome of `LOST_OUTCOMES`, as long as a message has it."""
    last = last_outcomes(run)
    for outcome in LOST_OUTCOMES:
        posts = [post for post in last if post.outcome == outcome]
        run = _noted(run, f"message-{outcome}", posts, _lost_text(posts, outcome) if posts else "")
    return run


def note_late(run: Run) -> Run:
    """Keep one notice while a message is undelivered after `LATE_S`."""
    late = [post for post in run.outbox if _tried(post) and run.watched_s >= post.asked_watched_s + LATE_S]
    if not late:
        return clear_notice(run, "message-late")
    was = "has" if len(late) == 1 else "have"
    why = f" ({late[0].detail})" if late[0].detail else ""
    text = f"{_subject(late)} {was} not been delivered after {round(LATE_S / 60)} minutes{why}; the watcher keeps trying."
    return _noted(run, "message-late", late, text)


def lateness_deadlines(run: Run) -> list[float]:
    """Return the points on the watched axis at which a message becomes late."""
    # An attempt in flight ends soon, and its outcome is a further event.
    waiting = [post for post in run.outbox if _tried(post) and not post.in_flight]
    moments = [post.asked_watched_s + LATE_S for post in waiting]
    return [at for at in moments if at > run.watched_s]


def _tried(post: Post) -> bool:
    return post.outcome == "pending" and post.attempts > 0 and post.kind != "alert"


def _noted(run: Run, code: str, posts: list[Post], text: str) -> Run:
    if not posts:
        return clear_notice(run, code)
    if any(post.kind != "alert" for post in posts):
        # An alert is requested once, and not for alerts alone: an alert about undelivered alerts would not arrive either.
        run = request_alert(run, f"attention-{code}", text)
    return notice(run, code, text, alert=False)


def _lost_text(posts: list[Post], outcome: Lost) -> str:
    was = "was" if len(posts) == 1 else "were"
    status = next((f" (status {post.status})" for post in posts if post.status is not None), "")
    return f"{_subject(posts)} {was} {LOST_OUTCOMES[outcome]}{status}."


def _subject(posts: list[Post]) -> str:
    if len(posts) == 1:
        return "An alert" if posts[0].kind == "alert" else f"The message of {_owner(posts[0])}"
    more = f" and {len(posts) - MESSAGES_NAMED_MAX} more" if len(posts) > MESSAGES_NAMED_MAX else ""
    return f"{len(posts)} messages ({', '.join(map(_owner, posts[:MESSAGES_NAMED_MAX]))}{more})"


def _owner(post: Post) -> str:
    if post.kind == "alert":
        return "an alert"
    return "the run" if post.subrun is None else f"sub-run {post.subrun}"
