"""A log replaced while it is followed: some state continues, some restarts, and a loss is reported."""

import msgspec
import pytest

from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.console.scanner_state import OpenSpec
from atvm_pipeline.core.events import LogIdentity, LogRead, LogReplaced
from atvm_pipeline.core.reason_parts import gap_text
from atvm_pipeline.core.reducer import REPLACED_MAX
from atvm_pipeline.core.snapshot import snapshot
from tests.support.run_builder import BEGIN, Story, counts

GREEN = counts(4)
MIDWAY = ScannerState(
    offset=100, tail=b"half a li", child="open", spec=OpenSpec(name="a.cy.ts", position=1, total=2)
)


def in_a_spec() -> Story:
    story = Story().started()
    return story.feed(LogRead(at=BEGIN, end=100, scanner=MIDWAY))


def replaced(story: Story, unread_bytes: int | None, *, begin: int = 100, generation: int = 1) -> Story:
    identity = LogIdentity(device=1, inode=7)
    gap = LogReplaced(
        at=BEGIN,
        generation=generation,
        why="replaced",
        unread_bytes=unread_bytes,
        begin=begin,
        identity=identity,
    )
    return story.feed(gap)


def test_a_rotation_without_a_loss_cuts_neither_a_line_nor_a_spec() -> None:
    log = replaced(in_a_spec(), 0).run.log

    assert (log.generation, log.begin, log.end, log.scanner) == (1, 100, 100, MIDWAY)
    assert log.identity == LogIdentity(device=1, inode=7)


@pytest.mark.parametrize("unread_bytes", [None, 17])
def test_after_a_loss_nothing_is_put_together_across_it(unread_bytes: int | None) -> None:
    log = replaced(in_a_spec(), unread_bytes).run.log

    assert (log.begin, log.end, log.scanner) == (100, 100, ScannerState(offset=100))


def test_a_rotation_in_a_journal_of_the_first_release_starts_again() -> None:
    """The first release counted each file's bytes from 0 and restarted its scanner."""
    log = replaced(in_a_spec(), 0, begin=0).run.log

    assert (log.begin, log.end, log.scanner) == (0, 0, ScannerState())


def test_a_rotation_without_a_loss_reports_nothing() -> None:
    view = snapshot(replaced(in_a_spec(), 0).run)

    assert view.notes == ()
    assert view.attention is None


@pytest.mark.parametrize(
    ("unread_bytes", "lost"),
    [(None, "some lines"), (17, "17 bytes")],
    ids=["unknown", "known"],
)
def test_a_loss_is_reported_in_state_attention_and_every_message(unread_bytes: int | None, lost: str) -> None:
    story = replaced(in_a_spec(), unread_bytes)
    text = f"The log was replaced while being followed; {lost} may be missing."

    assert snapshot(story.run).notes == (text,)
    assert snapshot(story.run).attention == text

    story.offset = 100
    story.generation = 1
    story.child(("redhat9.6.cy.ts", GREEN), label="e2e-redhat9.6-fc").tick(11)
    said = [msgspec.json.decode(post.payload)["text"] for post in story.posts]

    assert [f"Note: {text}" in post for post in said] == [True]


def test_a_loss_is_reported_to_the_alert_channel_once() -> None:
    story = Story(alerts=True).started().feed(LogRead(at=BEGIN, end=100, scanner=MIDWAY))
    replaced(replaced(story, None), None, generation=2)
    alerts = [post for post in story.run.outbox if post.kind == "alert"]

    assert len(alerts) == 1
    assert "may be missing" in alerts[0].payload


def test_of_many_replacements_the_losses_are_remembered_first() -> None:
    story = replaced(in_a_spec(), None)
    for generation in range(2, 60):
        replaced(story, 0, generation=generation)
    kept = story.run.log.replaced

    assert len(kept) == REPLACED_MAX
    assert kept[0].unread_bytes is None
    assert kept[-1].generation == 59


def test_of_too_many_losses_the_oldest_goes_first() -> None:
    story = in_a_spec()
    for generation in range(1, REPLACED_MAX + 2):
        replaced(story, None, generation=generation)

    assert [gap.generation for gap in story.run.log.replaced] == list(range(2, REPLACED_MAX + 2))


def test_evidence_after_a_rotation_states_where_the_last_file_starts() -> None:
    story = replaced(in_a_spec(), 0)
    story.offset = 100
    story.generation = 1
    story.child(("redhat9.6.cy.ts", counts(3, 1)), label="e2e-redhat9.6-fc").tick(11)
    [evidence, *_] = snapshot(story.run).subruns[0].reason["evidence"]

    assert evidence["file_begin"] == 100
    assert evidence["offset"] > 100


def test_each_kind_of_loss_has_its_sentence() -> None:
    texts = {
        gap_text(LogReplaced(at=BEGIN, generation=1, why=why)) for why in ("truncated", "replaced", "deleted")
    }

    assert len(texts) == 3
    assert all(text.startswith("The log was ") for text in texts)
