"""The present state of a run in one line: for `systemctl status`, and for the log of a watcher that resumes."""

from atvm_pipeline.core.local_time import local_clock
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.snapshot import PostView, Snapshot
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.system import clock


def present_state(snapshot: Snapshot) -> str:
    """Return phase, counts, reason of an ended run, attention and waiting messages."""
    ledger = snapshot.ledger
    passed = (
        f"{ledger.passed} of {plural(ledger.planned, 'spec')} passed" if ledger.planned else "no spec ran yet"
    )
    parts = [f"{passed}, {plural(len(snapshot.subruns), 'sub-run')}"]
    parts += ["failing"] if snapshot.failing else []
    parts += [snapshot.reason["text"].removesuffix(".")] if snapshot.phase in TERMINAL_PHASES else []
    parts += [f"attention: {snapshot.attention.removesuffix('.')}"] if snapshot.attention else []
    parts += _waiting([post for post in _posts(snapshot) if post.outcome == "pending"])
    return f"{snapshot.phase}: {'; '.join(parts)}"


def _posts(snapshot: Snapshot) -> list[PostView]:
    posts = [*(subrun.post for subrun in snapshot.subruns), snapshot.post, *snapshot.alerts]
    return [post for post in posts if post is not None]


def _waiting(posts: list[PostView]) -> list[str]:
    """Return how many messages wait, why, and until when, as at most one part of the line."""
    if not posts:
        return []
    why = next((f": {post.detail}" for post in posts if post.detail), "")
    due = min((post.next_attempt_at for post in posts if post.next_attempt_at), default=None)
    when = f", next attempt at {local_clock(due, clock.now(), clock.utc_offset_s())}" if due else ""
    return [f"{plural(len(posts), 'message')} not delivered yet{why}{when}"]
