"""A run that was archived without a verdict: its messages are delivered, and nothing else of it changes."""

from datetime import timedelta

from atvm_pipeline.core.effects import EndWatching
from atvm_pipeline.core.events import WatcherStarted, WatcherStopped
from atvm_pipeline.core.messages.outbox import EXPIRES_S
from atvm_pipeline.core.reducer import is_finished, next_deadline, phase_of, replay
from tests.support.run_builder import BEGIN, Story, counts

GREEN = counts(4)


def archived() -> Story:
    """Return an archived run whose first group has ended and whose second one runs; the message was refused once."""
    story = Story().started().child(("redhat9.6.cy.ts", GREEN), label="e2e-redhat9.6-fc").tick(11)
    story.settle("not-arrived").begin_child(1)
    return story.feed(WatcherStarted(at=BEGIN, pid=7, resumed=True, archived=True))


def test_a_message_is_delivered_and_that_ends_the_sender() -> None:
    story = archived().tick(5).settle("sent")

    assert story.texts("subrun")
    assert [post.outcome for post in story.run.outbox] == ["sent"]
    assert is_finished(story.run)
    assert isinstance(story.effects[-1], EndWatching)


def test_no_limit_returns_a_verdict_however_long_the_delivery_takes() -> None:
    story = archived()
    before = (story.run.subruns, phase_of(story.run))
    while not is_finished(story.run):
        story.tick(3600)
        if story.run.outbox[0].in_flight:
            story.settle("not-arrived")

    assert (story.run.subruns, phase_of(story.run)) == before
    assert story.run.verdict is None
    assert [post.outcome for post in story.run.outbox] == ["expired"]
    assert story.run.watched_s >= EXPIRES_S


def test_only_the_deadlines_of_its_messages_are_left() -> None:
    story = archived()
    deadline = next_deadline(story.run)

    assert deadline == story.run.outbox[0].due_watched_s
    assert next_deadline(story.tick(5).settle("sent").run) is None


def test_what_comes_later_decides_nothing() -> None:
    story = archived().exit(0).cancel().tick(60)

    assert story.run.verdict is None
    assert story.run.cancel is None
    assert [subrun.result is not None for subrun in story.run.subruns] == [True, False]
    assert story.run.outbox[0].outcome == "pending"


def test_it_stays_archived_for_the_next_sender() -> None:
    story = archived().feed(WatcherStopped(at=BEGIN, why="SIGTERM"))
    story.feed(WatcherStarted(at=BEGIN + timedelta(days=1), pid=8, resumed=True)).tick(EXPIRES_S)

    assert story.run.archived
    assert story.run.verdict is None
    assert replay(story.events) == story.run
