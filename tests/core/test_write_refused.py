"""A disk that refused the watcher's writes is a note of the run and asks the operator to check it."""

from datetime import timedelta

from atvm_pipeline.core.events import WriteRefused
from atvm_pipeline.core.state import WRITES_REFUSED_MAX
from tests.support.run_builder import BEGIN, Story, counts

PATH = "/var/lib/atvm/journal.jsonl"


def refused(since_s: float, until_s: float, path: str = PATH) -> WriteRefused:
    return WriteRefused(
        at=BEGIN + timedelta(seconds=until_s),
        since=BEGIN + timedelta(seconds=since_s),
        path=path,
        error="no space left on device",
    )


def test_a_full_disk_is_in_attention_notes_and_message() -> None:
    story = Story().started().feed(refused(10, 70))
    words = f"The watcher could not write to {PATH} from 2026-11-23 10:00:10 +0000 to 10:01:10 (no space left on device)"

    assert story.view.attention == f"{words}; check the free space and the health of that disk."
    assert story.view.notes == (f"{words}.",)
    story.child(("redhat9.6.cy.ts", counts(0, 1)), label="e2e-redhat9.6-fc").tick(11)
    assert "The watcher could not write to" in story.texts("subrun")[0]


def test_the_same_time_counts_once_and_several_are_one_sentence() -> None:
    story = Story().started().feed(refused(10, 70)).feed(refused(10, 70))
    assert (len(story.run.writes_refused), story.run.ignored) == (1, 1)
    for number in range(10):
        story.feed(refused(100 * number + 100, 100 * number + 101))

    assert len(story.run.writes_refused) == WRITES_REFUSED_MAX
    (note,) = story.view.notes
    assert note.startswith(f"The watcher could not write to {PATH} several times between ")
    assert note.endswith("2026-11-23 10:00:10 +0000 and 10:16:41 (no space left on device).")
    assert len(story.run.notices) == 1
