"""Delivery as a state machine: one attempt at a time, one marked repeat, nothing after a cancel."""

from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from atvm_pipeline.core.effects import EndWatching
from atvm_pipeline.core.events import (
    DeliverySettled,
    ResendRequested,
    ServerPinged,
    WatcherStarted,
    WatcherStopped,
)
from atvm_pipeline.core.messages import outbox
from atvm_pipeline.core.messages.outbox import EXPIRES_S, LAST_DELAY_S
from atvm_pipeline.core.reducer import is_finished, next_deadline
from tests.support.run_builder import BEGIN, Story, counts

FIRST = ("redhat9.6.cy.ts", counts(4))
SECOND = ("ubuntu24.04.cy.ts", counts(4))


def told(**options: object) -> Story:
    """Return a run with one finished group whose post was started."""
    story = Story(**options).started().child(FIRST, label="e2e-redhat9.6-fc").tick(10)  # type: ignore[arg-type]
    assert len(story.posts) == 1
    return story


def text(story: Story, index: int) -> str:
    return str(msgspec.json.decode(story.posts[index].payload)["text"])


def test_a_post_is_started_once_and_sent_once() -> None:
    story = told().settle("sent").tick(60)

    assert len(story.posts) == 1
    assert story.view.subruns[0].post is not None
    assert story.view.subruns[0].post.outcome == "sent"


def test_only_one_attempt_is_in_flight_at_a_time() -> None:
    story = told().child(SECOND, label="e2e-ubuntu24.04-fc").tick(10)
    assert len(story.posts) == 1
    story.settle("sent")

    assert [post.key for post in story.posts] == ["r1/001", "r1/002"]


def test_nothing_is_due_while_an_attempt_is_under_way() -> None:
    assert outbox.post_deadlines(told().run) == []


def test_a_post_that_did_not_arrive_is_tried_again_later_and_unmarked() -> None:
    story = told().settle("not-arrived").tick(4)
    assert len(story.posts) == 1
    assert next_deadline(story.run) == pytest.approx(15.0)
    story.tick(1)

    assert [post.attempt for post in story.posts] == [1, 2]
    assert "duplicate" not in text(story, 1)


def test_the_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    story = told()
    pauses = []
    for _ in range(10):
        before = story.now_s
        story.settle("not-arrived")
        deadline = min(post.due_watched_s for post in story.run.outbox)
        pauses.append(deadline - before)
        story.tick(deadline - story.now_s)

    assert pauses[:4] == [5.0, 10.0, 20.0, 40.0]
    assert pauses[-1] == LAST_DELAY_S


@pytest.mark.parametrize(("asked", "pause"), [(30.0, 30.0), (1.0, 5.0), (99999.0, 3600.0)])
def test_a_servers_own_wish_comes_first_within_bounds(asked: float, pause: float) -> None:
    story = told().settle("not-arrived", retry_after_s=asked)

    assert story.run.outbox[0].due_watched_s == pytest.approx(story.now_s + pause)


def test_an_uncertain_post_is_repeated_once_and_marked() -> None:
    story = told().settle("uncertain").tick(29)
    assert len(story.posts) == 1
    story.tick(1)
    assert "Possible duplicate" in text(story, 1)
    assert story.run.outbox[0].delivery_id in text(story, 1)
    story.settle("uncertain").tick(9999)

    assert len(story.posts) == 2
    assert story.run.outbox[0].outcome == "uncertain"


def test_a_marked_repeat_that_did_not_arrive_stays_marked() -> None:
    story = told().settle("uncertain").tick(30).settle("not-arrived").tick(10)

    assert len(story.posts) == 3
    assert "Possible duplicate" in text(story, 2)
    assert story.settle("sent").run.outbox[0].outcome == "sent"


def test_hold_never_repeats() -> None:
    story = told(post_uncertain="hold").settle("uncertain").tick(9999)

    assert len(story.posts) == 1
    assert story.run.outbox[0].outcome == "uncertain"


def test_a_rejected_post_is_final_and_requests_attention() -> None:
    story = told(alerts=True).settle("rejected", status=404)

    assert story.run.outbox[0].outcome == "rejected"
    assert "404" in str(story.view.attention)
    assert story.posts[-1].kind == "alert"
    story.settle("rejected", status=404)
    assert len([post for post in story.run.outbox if post.kind == "alert"]) == 1


def test_a_certificate_error_requests_attention_at_once_until_a_post_arrives() -> None:
    story = told().settle("not-arrived", certificate=True)
    assert "certificate" in str(story.view.attention)
    story.tick(5).settle("not-arrived", certificate=True)
    assert len(story.run.notices) == 1
    story.tick(10).settle("sent")

    assert story.view.attention is None


def test_a_rejection_without_a_status_is_reported_too() -> None:
    assert "rejected" in str(told().settle("rejected").view.attention)


@pytest.mark.parametrize(("first", "outcome"), [("not-arrived", "expired"), ("uncertain", "uncertain")])
def test_what_cannot_arrive_for_three_days_is_given_up(first: str, outcome: str) -> None:
    story = told().settle(first).tick(30).settle("not-arrived").tick(EXPIRES_S)
    ended = story.run.outbox[0].outcome
    assert ended == outcome
    story.tick(9999)

    assert len(story.posts) == 2


def test_a_webhook_that_is_away_for_days_is_requested_72_hours_and_then_a_person_is() -> None:
    """In simulated time: no two attempts overlap, none comes earlier than specified, and the drop is reported."""
    story = told(alerts=True)
    begun = [story.now_s]
    while story.run.outbox[0].outcome == "pending":
        while any(post.in_flight for post in story.run.outbox):
            story.settle("not-arrived")
        deadline = next_deadline(story.run)
        assert deadline is not None
        assert deadline > story.now_s
        before = len(story.posts)
        story.tick(deadline - story.now_s)
        begun += [story.now_s] * (len([p for p in story.posts[before:] if p.key == "r1/001"]))
    pauses = [later - earlier for earlier, later in pairwise(begun)]

    assert story.run.outbox[0].outcome == "expired"
    assert story.now_s - begun[0] == pytest.approx(EXPIRES_S)
    assert max(pauses) == LAST_DELAY_S
    assert pauses == sorted(pauses)
    # The waits are 5, 10, 20 ... 640 s, then 15 minutes each.
    assert len(begun) == pytest.approx(8 + (EXPIRES_S - 1275) / LAST_DELAY_S, abs=2)
    assert "72 hours" in str(story.view.attention)
    (alert,) = [post for post in story.run.outbox if post.kind == "alert" and "72 hours" in post.payload]
    assert alert.outcome == "pending"
    assert not is_finished(story.run)


def test_an_alert_that_cannot_be_delivered_for_three_days_is_given_up_without_another() -> None:
    story = Story(alerts=True).started().begin_child(2).tick(43200)
    assert [post.kind for post in story.run.outbox] == ["alert"]
    story.settle("not-arrived").tick(EXPIRES_S)

    assert [(post.kind, post.outcome) for post in story.run.outbox] == [("alert", "expired")]
    assert is_finished(story.run)


def test_what_may_have_arrived_and_is_given_up_after_three_days_is_reported_too() -> None:
    story = told().settle("uncertain").tick(30).settle("not-arrived").tick(EXPIRES_S)

    assert story.run.outbox[0].outcome == "uncertain"
    assert "may not have arrived" in str(story.view.attention)


def test_an_outcome_of_another_attempt_changes_nothing() -> None:
    story = told()
    story.feed(DeliverySettled(at=BEGIN, key="r1/001", attempt=2, outcome="sent"))
    story.feed(DeliverySettled(at=BEGIN, key="r1/009", attempt=1, outcome="sent"))

    assert story.run.outbox[0].outcome == "pending"
    assert story.run.ignored == 2


def test_a_cancel_drops_what_has_not_started_and_lets_what_is_in_flight_settle() -> None:
    story = told().child(SECOND, label="e2e-ubuntu24.04-fc").tick(10).cancel()
    outcomes = [post.outcome for post in story.run.outbox]
    assert outcomes == ["pending", "dropped"]
    assert not is_finished(story.run)
    story.settle("sent")

    assert [post.outcome for post in story.run.outbox] == ["sent", "dropped"]
    assert isinstance(story.effects[-1], EndWatching)


@pytest.mark.parametrize(("outcome", "end"), [("not-arrived", "dropped"), ("uncertain", "uncertain")])
def test_after_a_cancel_nothing_is_repeated(outcome: str, end: str) -> None:
    story = told().cancel().settle(outcome).tick(9999)

    assert story.run.outbox[0].outcome == end
    assert len(story.posts) == 1


def test_a_cancel_keeps_what_may_have_arrived_uncertain() -> None:
    waiting = told().settle("uncertain").cancel()
    repeated = told().settle("uncertain").tick(30).cancel().settle("not-arrived")

    assert waiting.run.outbox[0].outcome == "uncertain"
    assert repeated.run.outbox[0].outcome == "uncertain"


def test_a_group_that_ended_before_a_cancel_keeps_its_verdict_without_a_post() -> None:
    story = Story().started().child(FIRST, label="e2e-redhat9.6-fc").tick(3).cancel()

    assert story.subruns == [("COMPLETED", "all-passed")]
    assert story.posts == []
    assert story.view.subruns[0].post is None


def test_a_resend_is_marked_and_never_repeated_by_itself() -> None:
    story = told().settle("sent").feed(ResendRequested(at=BEGIN, key="r1/001"))
    assert "Possible duplicate" in text(story, 1)
    story.settle("uncertain").tick(9999)

    assert len(story.posts) == 2
    assert story.view.subruns[0].post is not None
    assert story.view.subruns[0].post.outcome == "uncertain"


def test_a_resend_of_an_unknown_message_changes_nothing() -> None:
    story = told().feed(ResendRequested(at=BEGIN, key="r1/007"))

    assert len(story.run.outbox) == 1
    assert story.run.ignored == 1


def test_a_resend_of_what_waits_is_tried_at_once_and_marked() -> None:
    story = told().settle("not-arrived").feed(ResendRequested(at=BEGIN, key="r1/001"))

    assert len(story.posts) == 2
    assert len(story.run.outbox) == 1
    assert text(story, 1).startswith(":warning: **Sent again by hand**")


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (["sent"], "it arrived before and is repeated by hand."),
        (["rejected"], "no earlier attempt arrived."),
        (["uncertain", "uncertain"], "an earlier attempt may have arrived."),
        (["probably-not-arrived", "rejected"], "an earlier attempt may have arrived."),
    ],
)
def test_the_mark_of_a_resend_states_whether_an_earlier_attempt_arrived(
    outcomes: list[str], words: str
) -> None:
    story = told()
    for outcome in outcomes:
        story.settle(outcome).tick(31)
        for post in story.run.outbox:
            if post.pinging:
                story.feed(ServerPinged(at=BEGIN, key=post.key, ping=post.pings, up=True))
    story.feed(ResendRequested(at=BEGIN, key="r1/001"))

    assert text(story, -1).splitlines()[0].endswith(words)


def test_a_second_resend_counts_the_attempts_of_the_first() -> None:
    story = told().settle("rejected")
    for outcome in ("uncertain", "sent", "sent"):
        story.feed(ResendRequested(at=BEGIN, key="r1/001")).settle(outcome)  # type: ignore[arg-type]

    marks = [text(story, at).splitlines()[0].rpartition(": ")[2] for at in (1, 2, 3)]
    assert marks == [
        "no earlier attempt arrived.",
        "an earlier attempt may have arrived.",
        "it arrived before and is repeated by hand.",
    ]


def next_attempt(story: Story) -> object:
    post = story.view.subruns[0].post
    assert post is not None
    return post.next_attempt_at


def test_the_state_names_the_time_of_the_next_attempt_of_a_waiting_message() -> None:
    story = told()
    assert next_attempt(story) is msgspec.UNSET
    story.settle("not-arrived")
    assert next_attempt(story) == story.at + timedelta(seconds=5)
    story.tick(3)
    assert next_attempt(story) == story.at + timedelta(seconds=2)
    story.tick(2).settle("sent")
    assert next_attempt(story) is msgspec.UNSET


def test_a_ping_in_progress_is_no_wait_for_a_next_attempt() -> None:
    story = told().settle("probably-not-arrived").tick(5)

    assert [post.pinging for post in story.run.outbox] == [True]
    assert next_attempt(story) is msgspec.UNSET


@pytest.mark.parametrize("due", [1e300, 1e12])
def test_a_next_attempt_beyond_the_calendar_has_no_time(due: float) -> None:
    story = told().settle("not-arrived")
    [post] = story.run.outbox
    story.run = replace(story.run, outbox=(replace(post, due_watched_s=due),))

    assert next_attempt(story) is msgspec.UNSET


def test_repeats_by_hand_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "RESENDS_MAX", 1)
    story = told().settle("sent")
    for _ in range(3):
        story.feed(ResendRequested(at=BEGIN, key="r1/001"))
        if any(post.in_flight for post in story.run.outbox):
            story.settle("sent")

    assert len(story.run.outbox) == 2


def test_a_resend_after_a_cancel_is_sent() -> None:
    story = told().settle("sent").cancel().feed(ResendRequested(at=BEGIN, key="r1/001"))

    assert len(story.posts) == 2


def test_no_attempt_starts_after_a_stop_until_another_watcher_has_started() -> None:
    story = told().settle("not-arrived").feed(WatcherStopped(at=BEGIN, why="SIGTERM")).tick(60)
    assert len(story.posts) == 1
    story.feed(WatcherStarted(at=BEGIN, pid=1, resumed=True))

    assert len(story.posts) == 2


def test_phases_that_are_not_posted_are_not() -> None:
    story = Story(post_phases=()).started().child(FIRST, label="e2e-redhat9.6-fc").tick(10)

    assert story.subruns == [("COMPLETED", "all-passed")]
    assert story.posts == []


def test_a_hang_between_groups_is_reported_at_the_end_where_it_is_requested() -> None:
    story = Story(post_phases=("HUNG",)).started().child(FIRST, label="e2e-redhat9.6-fc").tick(43200)

    assert story.ending == ("HUNG", "stalled")
    assert story.view.post is not None


@pytest.mark.parametrize("end", ["vanish", "hang", "never"])
def test_the_alert_channel_is_informed_of_ends_that_are_not_posted(end: str) -> None:
    story = Story(alerts=True)
    if end == "never":
        story.tick(3600)
    else:
        story.started().begin_child(2)
        (story.vanish().tick(20) if end == "vanish" else story.tick(43200))

    alerts = [post for post in story.posts if post.kind == "alert"]
    assert len(alerts) == 1
    assert story.ending[0] in text(story, 0)


def test_a_cancelled_run_is_reported_nowhere() -> None:
    story = Story(alerts=True).started().begin_child(2).cancel()

    assert story.posts == []


def test_a_cancel_before_the_fate_of_a_crashed_attempt_is_known_starts_nothing_more() -> None:
    story = told().child(SECOND, label="e2e-ubuntu24.04-fc").tick(10).cancel().settle("uncertain")

    assert [post.outcome for post in story.run.outbox] == ["uncertain", "dropped"]
    assert len(story.posts) == 1
