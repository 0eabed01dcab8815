"""The end of a notice is reported to the readers of its alert: once per alert, after the alert, and not without end."""

import pytest

from atvm_pipeline.core.messages.outbox import ALERTS_PER_NOTICE_MAX
from atvm_pipeline.core.state import Post
from tests.core.messages.test_outbox import told
from tests.support.run_builder import BROWSER, CYPRESS, RUNNER, Story

QUIET_S = 3600


def quiet(**settings: object) -> Story:
    """Return a run that has been silent for an hour, and whose alert about that is on its way."""
    story = Story(alerts=True, **settings).started().processes(RUNNER, CYPRESS, BROWSER).begin_child(2)
    return story.tick(QUIET_S)


def alerts(story: Story) -> list[str]:
    """Return the alerts without the run's id, in order, each with its outcome."""
    return [
        f"{post.key.partition('/alert/')[2]} {post.outcome}"
        for post in story.run.outbox
        if post.kind == "alert"
    ]


def last(story: Story) -> Post:
    return story.run.outbox[-1]


def test_progress_after_an_alert_about_a_silence_is_an_all_clear() -> None:
    story = quiet().settle().tick(60).noise()

    assert story.view.attention is None
    assert alerts(story) == ["attention-quiet sent", "clear-quiet pending"]
    assert (
        "**ALL CLEAR** `e2e-redhat9.6-ubuntu24.04-fc`: there is progress again (attention of 2026-11-23 11:"
        in story.texts("alert")[1]
    )
    story.settle().noise().tick(60).noise()
    assert alerts(story) == ["attention-quiet sent", "clear-quiet sent"]


def test_an_all_clear_waits_for_its_alert() -> None:
    """Otherwise a server that comes back could show the all-clear first."""
    story = quiet().settle("not-arrived").tick(1).noise()
    assert alerts(story) == ["attention-quiet pending"]
    story.tick(10)
    assert alerts(story) == ["attention-quiet pending"]
    story.settle()

    assert alerts(story) == ["attention-quiet sent", "clear-quiet pending"]


@pytest.mark.parametrize("outcome", ["rejected", "not-arrived"])
def test_an_alert_that_no_reader_has_seen_has_no_all_clear(outcome: str) -> None:
    story = quiet().settle(outcome).tick(1).noise()

    assert [alert.split(" ")[0] for alert in alerts(story)] == ["attention-quiet"]


def test_an_alert_that_arrives_while_its_cause_lasts_has_no_all_clear_yet() -> None:
    assert alerts(quiet().settle()) == ["attention-quiet sent"]


def test_without_an_alert_channel_there_is_no_all_clear() -> None:
    story = Story().started().begin_child(2).tick(QUIET_S).noise()

    assert (story.view.attention, story.run.outbox) == (None, ())


def test_a_silence_that_comes_again_alerts_again_up_to_a_limit_without_a_last_all_clear() -> None:
    story = quiet()
    for _ in range(ALERTS_PER_NOTICE_MAX + 2):
        while any(post.in_flight for post in story.run.outbox):
            story.settle()
        story.noise()
        while any(post.in_flight for post in story.run.outbox):
            story.settle()
        story.tick(QUIET_S)

    keys = [alert.split(" ")[0] for alert in alerts(story)]
    assert keys == [
        *("attention-quiet", "clear-quiet", "attention-quiet/2", "clear-quiet/2", "attention-quiet/3"),
        *("clear-quiet/3", "attention-quiet/4", "clear-quiet/4", "attention-quiet/5"),
    ]


def test_the_end_of_a_silent_run_is_an_all_clear_unless_it_has_an_alert_of_its_own() -> None:
    failed = quiet().settle().exit(1).processes().tick(20)
    hung = quiet().settle().tick(50_000)

    assert alerts(failed) == ["attention-quiet sent", "clear-quiet pending"]
    assert "**ALL CLEAR** `e2e-redhat9.6-ubuntu24.04-fc`: the run has ended" in failed.texts("alert")[1]
    assert alerts(hung) == ["attention-quiet sent", "end pending"]


def test_a_late_message_that_arrives_is_an_all_clear() -> None:
    story = told(alerts=True).settle("not-arrived").tick(700).settle().settle()

    assert [alert.split(" ")[0] for alert in alerts(story)] == [
        "attention-message-late",
        "clear-message-late",
    ]


def test_a_certificate_that_is_accepted_again_is_an_all_clear() -> None:
    story = told(alerts=True).settle("not-arrived", certificate=True).settle().tick(5).settle()

    assert "the webhook's TLS certificate is accepted again" in last(story).payload


def test_a_rejected_message_that_is_sent_by_hand_has_no_all_clear() -> None:
    """The person who repeats it sees the outcome."""
    from atvm_pipeline.core.events import ResendRequested

    story = told(alerts=True).settle("rejected", status=404).settle()
    story.feed(ResendRequested(at=story.at, key="r1/001")).settle()

    assert story.view.attention is None
    assert alerts(story) == ["attention-message-rejected sent"]


def test_a_cancelled_run_has_no_all_clear() -> None:
    assert alerts(quiet().settle().cancel().noise()) == ["attention-quiet sent"]
