"""Outcomes of delivery attempts: waits, pings, marked repeats, and notices about late or lost messages."""

from collections.abc import Callable

import pytest

from atvm_pipeline.core.events import (
    DeliverySettled,
    ResendRequested,
    ServerPinged,
    WatcherStarted,
    WatcherStopped,
)
from atvm_pipeline.core.messages import undelivered
from atvm_pipeline.core.messages.attempts import REPEAT_DELAYS_S, REPEATS_MAX, UNCERTAIN_DELAY_S
from atvm_pipeline.core.messages.outbox import EXPIRES_S, LAST_DELAY_S
from atvm_pipeline.core.reducer import is_finished, next_deadline
from atvm_pipeline.core.state import Post
from tests.core.messages.test_outbox import SECOND, text, told
from tests.support.run_builder import BEGIN, Story, counts

AWAY = "probably-not-arrived"


def first(story: Story) -> Post:
    return story.run.outbox[0]


def repeated(times: int) -> Story:
    """Let the server answer every ping, but reply 502 to the first `times` marked repeats."""
    story = told().settle(AWAY, status=502)
    for wait_s in REPEAT_DELAYS_S[:times]:
        story.tick(wait_s).ping().settle(AWAY, status=502)
    return story


def test_a_post_that_got_a_gateway_error_is_repeated_marked_after_a_ping_that_found_the_server_back() -> None:
    story = told().settle(AWAY, status=503).tick(4.9)
    assert (len(story.posts), len(story.pings)) == (1, 0)
    story.tick(0.1)
    assert (len(story.posts), len(story.pings)) == (1, 1)
    story.ping(up=True, status=200)

    assert "Possible duplicate" in text(story, 1)
    assert first(story).delivery_id in text(story, 1)
    assert first(story.settle()).outcome == "sent"
    assert story.view.attention is None


def test_a_ping_that_finds_the_server_away_sends_nothing_and_counts_no_repeat() -> None:
    story = told().settle(AWAY).tick(5)
    waits = []
    for _ in range(10):
        story.ping(up=False, status=503)
        waits.append(first(story).due_watched_s - story.now_s)
        story.tick(waits[-1])

    assert waits[:4] == [5.0, 10.0, 20.0, 40.0]
    assert waits[-1] == LAST_DELAY_S
    assert (first(story).attempts, first(story).repeats) == (1, 0)
    assert first(story.ping().settle()).outcome == "sent"
    assert first(story).repeats == 1


@pytest.mark.parametrize(("asked", "pause"), [(30.0, 30.0), (1.0, 5.0), (99999.0, 3600.0)])
def test_a_gateways_own_wish_is_honoured_within_bounds(asked: float, pause: float) -> None:
    after_the_post = told().settle(AWAY, retry_after_s=asked)
    after_a_ping = told().settle(AWAY).tick(5).ping(up=False, retry_after_s=asked)

    for story in (after_the_post, after_a_ping):
        assert first(story).due_watched_s == pytest.approx(story.now_s + pause)


def test_the_waits_between_marked_repeats_grow_and_the_sixth_is_the_last() -> None:
    story = told().settle(AWAY)
    waits = []
    while first(story).outcome == "pending":
        waits.append(first(story).due_watched_s - story.now_s)
        story.tick(waits[-1]).ping().settle(AWAY)

    assert waits == list(REPEAT_DELAYS_S)
    assert first(story).outcome == "uncertain"
    assert len([post for post in story.posts if post.key == "r1/001"]) == 1 + REPEATS_MAX
    assert sum(waits) > 24 * 3600


@pytest.mark.parametrize("back_after_s", [20.0, 3600.0, 24 * 3600.0])
def test_a_server_that_is_back_within_a_day_gets_the_message_even_if_its_ping_is_wrong(
    back_after_s: float,
) -> None:
    story = told().settle(AWAY)
    begin = story.now_s
    while first(story).outcome == "pending":
        story.tick(first(story).due_watched_s - story.now_s).ping()
        story.settle("sent" if story.now_s - begin >= back_after_s else AWAY)

    assert first(story).outcome == "sent"
    assert first(story).repeats <= REPEATS_MAX


def test_a_server_whose_ping_is_truthful_gets_the_message_within_72_hours() -> None:
    story = told().settle(AWAY)
    begin = story.now_s
    while first(story).outcome == "pending":
        story.tick(first(story).due_watched_s - story.now_s)
        back = story.now_s - begin >= EXPIRES_S - 2 * LAST_DELAY_S
        story.ping(up=back)
        if back:
            story.settle()

    assert (first(story).outcome, first(story).repeats) == ("sent", 1)


def test_a_server_that_stays_away_for_72_hours_leaves_the_message_uncertain() -> None:
    story = told().settle(AWAY).tick(5).ping(up=False).tick(EXPIRES_S)

    assert first(story).outcome == "uncertain"
    assert "may not have arrived" in str(story.view.attention)


def test_a_message_that_expires_while_a_ping_is_under_way_takes_no_answer_any_more() -> None:
    story = told().settle(AWAY).tick(5).tick(EXPIRES_S)
    ping = story.pings[0]
    story.feed(ServerPinged(at=BEGIN, key=ping.key, ping=ping.ping, up=True))

    assert first(story).outcome == "uncertain"
    assert len(story.posts) == 1
    assert story.run.ignored == 1


def test_hold_repeats_nothing_that_a_gateway_may_have_passed_on() -> None:
    story = told(post_uncertain="hold").settle(AWAY).tick(9999)

    assert first(story).outcome == "uncertain"
    assert (len(story.posts), len(story.pings)) == (1, 0)


def test_a_repeat_that_certainly_did_not_arrive_is_not_counted() -> None:
    story = told().settle(AWAY).tick(5).ping().settle("not-arrived")
    assert first(story).repeats == 0
    story.tick(10)

    assert len(story.pings) == 2
    assert first(story.ping().settle()).outcome == "sent"


def test_an_uncertain_repeat_after_a_gateway_is_repeated_once_after_half_a_minute() -> None:
    story = told().settle(AWAY).tick(5).ping().settle("uncertain")
    assert first(story).due_watched_s == story.now_s + UNCERTAIN_DELAY_S
    story.tick(UNCERTAIN_DELAY_S).ping().settle("uncertain")

    assert first(story).outcome == "uncertain"
    assert len(story.posts) == 3


def test_a_gateway_after_an_uncertain_attempt_leaves_six_marked_repeats_in_all() -> None:
    story = told().settle("uncertain").tick(UNCERTAIN_DELAY_S)
    while first(story).outcome == "pending":
        story.settle(AWAY)
        if first(story).outcome == "pending":
            story.tick(first(story).due_watched_s - story.now_s).ping()

    assert len(story.posts) == 1 + REPEATS_MAX


def test_the_sixth_marked_repeat_is_the_last_also_if_its_end_is_not_known() -> None:
    story = repeated(5).tick(REPEAT_DELAYS_S[5]).ping().settle("uncertain")

    assert first(story).outcome == "uncertain"


@pytest.mark.parametrize(("outcome", "end"), [("sent", "sent"), ("uncertain", "uncertain")])
def test_a_journal_whose_repeat_came_before_todays_wait_ends_as_it_ended(outcome: str, end: str) -> None:
    story = told().settle("uncertain").tick(7)
    story.feed(DeliverySettled(at=story.at, key="r1/001", attempt=2, outcome=outcome))  # type: ignore[arg-type]
    story.tick(9999)

    assert (first(story).outcome, first(story).attempts, first(story).repeats) == (end, 2, 1)
    assert (len(story.posts), story.run.ignored) == (1, 0)


def test_an_outcome_of_a_later_attempt_than_the_next_changes_nothing() -> None:
    story = told().settle("uncertain").tick(7)
    story.feed(DeliverySettled(at=story.at, key="r1/001", attempt=3, outcome="sent"))

    assert (first(story).outcome, story.run.ignored) == ("pending", 1)


def test_an_attempt_that_a_crash_cut_off_is_repeated_at_once() -> None:
    story = told().settle("uncertain", crashed=True)

    assert len(story.posts) == 2
    assert "Possible duplicate" in text(story, 1)


def test_a_ping_that_a_crash_cut_off_is_repeated_and_nothing_is_lost_or_doubled() -> None:
    story = told().settle(AWAY).tick(5)
    story.feed(WatcherStarted(at=BEGIN, pid=2, resumed=True))
    assert [ping.ping for ping in story.pings] == [1, 2]
    late = ServerPinged(at=BEGIN, key="r1/001", ping=1, up=True)
    story.feed(late).ping()
    assert len(story.posts) == 2

    assert first(story.settle()).outcome == "sent"


def test_a_watcher_that_stops_starts_nothing_after_a_ping_and_the_next_one_asks_again() -> None:
    story = told().settle(AWAY).tick(5).feed(WatcherStopped(at=BEGIN, why="SIGTERM")).ping()
    assert len(story.posts) == 1
    story.feed(WatcherStarted(at=BEGIN, pid=2, resumed=True))

    assert len(story.pings) == 2


@pytest.mark.parametrize(
    "at", [lambda s: s, lambda s: s.tick(5), lambda s: s.tick(5).ping(up=False)], ids=["wait", "ping", "away"]
)
def test_a_cancel_leaves_what_got_a_gateway_error_uncertain_and_sends_nothing_more(
    at: Callable[[Story], Story],
) -> None:
    story = at(told().settle(AWAY)).cancel().tick(9999)

    assert first(story).outcome == "uncertain"
    assert len(story.posts) == 1
    assert is_finished(story.run)


@pytest.mark.parametrize(("outcome", "end"), [(AWAY, "uncertain"), ("not-arrived", "uncertain")])
def test_after_a_cancel_a_repeat_that_fails_is_the_last(outcome: str, end: str) -> None:
    story = told().settle(AWAY).tick(5).ping().cancel().settle(outcome)

    assert first(story).outcome == end


def test_one_ping_speaks_for_every_message_that_waits_for_the_server() -> None:
    story = told().settle(AWAY).child(SECOND, label="e2e-ubuntu24.04-fc").tick(10)
    # While the first message's ping is in flight, the second message gets its first attempt; then both wait.
    story.ping(up=False).settle(AWAY).tick(5).ping(up=False)
    story.tick(600)
    asked = len(story.pings)
    assert all(post.due_watched_s <= story.now_s for post in story.run.outbox)
    story.ping(up=False)

    assert len(story.pings) == asked
    assert {post.due_watched_s > story.now_s for post in story.run.outbox} == {True}


def test_a_person_who_resends_a_waiting_message_waits_for_no_ping() -> None:
    story = told().settle(AWAY).tick(5).feed(ResendRequested(at=BEGIN, key="r1/001"))

    assert len(story.posts) == 2
    assert first(story.settle()).outcome == "sent"


def test_an_answer_to_a_ping_that_is_not_awaited_changes_nothing() -> None:
    story = told().feed(ServerPinged(at=BEGIN, key="r1/001", ping=1, up=True))

    assert story.run.ignored == 1
    assert len(story.posts) == 1


def test_a_certificate_that_a_ping_does_not_accept_requests_attention_at_once_until_the_message_is_sent() -> (
    None
):
    story = told(alerts=True).settle(AWAY, detail="a proxy answered").tick(5)
    story.ping(up=False, certificate=True, detail="name its authority")
    assert "certificate was not accepted (name its authority)" in str(story.view.attention)
    assert [post.key for post in story.run.outbox][-1] == "r1/alert/attention-certificate"
    story.settle("not-arrived").tick(5).ping().settle()

    assert story.view.attention is None


def test_an_alert_whose_ping_finds_a_bad_certificate_requests_no_attention_of_its_own() -> None:
    story = Story(alerts=True).started().begin_child(2).tick(43200).settle(AWAY).tick(5)
    before = story.view.attentions
    story.ping(up=False, certificate=True, detail="name its authority")

    assert story.view.attentions == before


@pytest.mark.parametrize("outcome", ["not-arrived", AWAY])
def test_a_message_that_is_late_by_ten_minutes_calls_for_attention_until_it_is_sent(outcome: str) -> None:
    story = told(alerts=True).settle(outcome, detail="no connection to the server or proxy")
    while next_deadline(story.run) != pytest.approx(10 + undelivered.LATE_S):
        deadline = next_deadline(story.run)
        assert deadline is not None
        story.tick(deadline - story.now_s)
        if story.run.outbox[0].pinging:
            story.ping(up=False)
        elif story.run.outbox[0].in_flight:
            story.settle(outcome, detail="no connection to the server or proxy")
        assert story.view.attention is None
    story.tick(10 + undelivered.LATE_S - story.now_s)

    assert "10 minutes (no connection" in str(story.view.attention)
    assert [post.key for post in story.run.outbox][-1] == "r1/alert/attention-message-late"


def test_several_late_messages_are_one_notice_that_goes_when_all_are_sent() -> None:
    story = told().settle("not-arrived", detail="x").child(SECOND, label="e2e-ubuntu24.04-fc").tick(10)
    story.settle("not-arrived").settle("not-arrived").tick(700)
    assert "2 messages (sub-run 1, sub-run 2) have not been delivered" in str(story.view.attention)
    story.settle().settle()

    assert story.view.attention is None


@pytest.mark.parametrize(
    ("settle", "words"),
    [
        (
            lambda s: s.settle("rejected", status=404),
            "was rejected by the webhook and not delivered (status 404).",
        ),
        (lambda s: s.settle("uncertain").tick(30).settle("uncertain"), "may not have arrived"),
        (lambda s: s.settle("not-arrived").tick(EXPIRES_S), "not delivered within 72 hours"),
    ],
    ids=["rejected", "uncertain", "expired"],
)
def test_every_end_but_sent_and_dropped_calls_for_attention_and_an_alert(
    settle: Callable[[Story], Story], words: str
) -> None:
    story = settle(told(alerts=True))

    assert words in str(story.view.attention)
    (alert,) = [post for post in story.run.outbox if "/alert/attention-message-" in post.key]
    assert words in alert.payload


def test_notices_stand_side_by_side_in_the_order_of_their_coming() -> None:
    story = told().settle("rejected", status=404).child(SECOND, label="e2e-ubuntu24.04-fc").tick(10)
    story.settle("uncertain").tick(30).settle("uncertain")

    assert "sub-run 1 was rejected" in str(story.view.attention)
    assert isinstance(story.view.attentions, tuple)
    assert [notice.split(" was ")[0] for notice in story.view.attentions] == [
        "The message of sub-run 1",
        "The message of sub-run 2",
    ]


def test_a_notice_that_changes_keeps_its_place() -> None:
    story = told().settle("rejected", status=404).child(SECOND, label="e2e-ubuntu24.04-fc").tick(10)
    story.settle("rejected", status=403)

    assert story.view.attention == (
        "2 messages (sub-run 1, sub-run 2) were rejected by the webhook and not delivered (status 404)."
    )


def test_a_repeat_by_hand_that_is_sent_takes_the_notice_back() -> None:
    story = told().settle("rejected", status=404).feed(ResendRequested(at=BEGIN, key="r1/001")).settle()

    assert story.view.attention is None


def test_a_message_of_the_complete_run_is_named_as_such_and_more_than_five_are_counted() -> None:
    whole = Story(post_phases=("HUNG",)).started().child(("a.cy.ts", counts(1)), label="e2e-redhat9.6-fc")
    assert "The message of the run was" in str(whole.tick(43200).settle("rejected").view.attention)
    story = Story()
    story.started()
    for number in range(7):
        story.child((f"redhat9.6-{number}.cy.ts", counts(1)), label="e2e-redhat9.6-fc").tick(10)
        story.settle("rejected")

    assert "7 messages (sub-run 1, sub-run 2, sub-run 3, sub-run 4, sub-run 5 and 2 more)" in str(
        story.view.attention
    )


def test_an_alert_that_was_rejected_calls_for_attention_but_for_no_alert() -> None:
    story = Story(alerts=True).started().begin_child(2).tick(43200).settle("rejected", status=404)

    assert "An alert was rejected" in str(story.view.attention)
    assert len(story.run.outbox) == 1
