"""Reports that are unusable, or usable only in part: the part that counts, and the places that name them."""

import msgspec
import pytest

from atvm_pipeline.core import facts as f
from tests.core.verdict.test_report_matching import (
    CHECK,
    E2E,
    GREEN,
    RED,
    SPEC,
    child,
    notes,
    of,
    results,
    write,
)
from tests.support.run_builder import Story, counts


def test_a_cut_report_fails_a_spec_and_never_passes_one() -> None:
    cut = "line 12: not well-formed XML (unclosed token)"
    red = write(child((SPEC, GREEN)), "a.xml", of(E2E + SPEC, RED, incomplete=True), problem=cut)
    green = write(child((SPEC, GREEN)), "a.xml", of(E2E + SPEC, incomplete=True), problem=cut)
    unread = (
        Story(hosts=()).started().begin_child(1).log(f.SpecStarted(offset=0, spec=SPEC, position=1, total=1))
    )
    write(unread, "a.xml", of(E2E + SPEC, incomplete=True), problem=cut)
    said = [f"Report cmcReporter/a.xml is only partly readable: {cut}; only its failing tests count."]

    assert results(red) == {SPEC: ("failed", "a.xml")}
    assert results(green) == {SPEC: ("completed", None)}
    assert results(unread) == {SPEC: ("no_report", None)}
    assert notes(red) == notes(green) == notes(unread) == said
    assert "only partly readable" in str(red.view.subruns[0].specs[0].conflict)
    assert green.view.subruns[0].specs[0].conflict is None


def test_a_cut_report_next_to_a_failing_log_contradicts_nothing() -> None:
    story = child((SPEC, counts(2, 2)))
    write(story, "a.xml", of(E2E + SPEC, RED, incomplete=True), problem="line 1: cut")

    assert story.view.subruns[0].specs[0].conflict is None


def test_of_two_failing_reports_the_complete_one_is_named() -> None:
    story = child((SPEC, GREEN))
    write(story, "a.xml", of(E2E + SPEC, RED))
    write(story, "b.xml", of(E2E + SPEC, counts(0, 1), incomplete=True), problem="line 1: cut")

    assert results(story) == {SPEC: ("failed", "a.xml")}


def test_a_damaged_report_that_was_read_is_named() -> None:
    story = write(
        child((SPEC, GREEN)), "a.xml", of(E2E + SPEC), problem="line 3: not well-formed XML (invalid token)"
    )

    assert results(story) == {SPEC: ("completed", "a.xml")}
    assert notes(story) == [
        "Report cmcReporter/a.xml is damaged: line 3: not well-formed XML (invalid token); all results could be read."
    ]


def test_an_unreadable_report_is_named_where_its_host_or_its_time_belongs() -> None:
    story = child((SPEC, GREEN), (CHECK, counts(1)))
    write(story, "redhat9.6.xml", refusal="empty").tick(5)
    story.child(("ubuntu24.04.cy.ts", GREEN), (CHECK, counts(1)))
    write(story, "x.xml", refusal="line 1: not well-formed XML (invalid token)")
    write(story, "check-xml-files.xml", refusal="empty")
    write(story, "redhat9.6-late.xml", refusal="empty")

    assert notes(story, 1) == [
        "Report cmcReporter/redhat9.6.xml cannot be used: empty.",
        "Report cmcReporter/redhat9.6-late.xml cannot be used: empty.",
    ]
    assert notes(story, 2) == [
        "Report cmcReporter/x.xml cannot be used: line 1: not well-formed XML (invalid token).",
        "Report cmcReporter/check-xml-files.xml cannot be used: empty.",
    ]


def test_a_report_that_only_declares_a_failure_is_named_with_its_host() -> None:
    story = child((SPEC, GREEN), (CHECK, counts(1)))
    write(story, "redhat9.6.xml", problem="<testsuites> declares 1 failing, its suites 0")
    write(story, "zero.xml")

    assert [note.split()[1] for note in notes(story)] == ["cmcReporter/redhat9.6.xml"]


def test_what_is_unreadable_after_a_verdict_is_a_note_of_the_run() -> None:
    story = child((SPEC, GREEN)).tick(60)
    assert story.subruns == [("COMPLETED", "all-passed")]
    write(story, "redhat9.6.xml", of(E2E + SPEC, incomplete=True), problem="line 9: cut")
    write(story, "x.xml", refusal="empty")
    story.end()

    assert not story.view.subruns[0].notes
    assert len(story.view.notes) == 2
    assert story.ending == ("COMPLETED", "all-passed")


def test_an_unreadable_report_without_any_group_is_a_note_of_the_run() -> None:
    story = write(Story(hosts=()).started(), "x.xml", refusal="empty")
    damaged = write(Story(hosts=()).started(), "x.xml", of("a.cy.ts", incomplete=True), problem="line 1: cut")

    assert story.view.notes == ("Report cmcReporter/x.xml cannot be used: empty.",)
    assert len(damaged.view.notes) == 1


@pytest.mark.parametrize(("path", "where"), [("redhat9.6.xml", 1), ("check-xml-files.xml", 0), ("x.xml", 0)])
def test_offline_an_unreadable_report_is_named_by_its_host_else_with_the_run(path: str, where: int) -> None:
    story = Story(hosts=(), offline=True)
    for spec in (SPEC, "ubuntu24.04.cy.ts"):
        story.child((spec, GREEN), (CHECK, counts(1)))
    write(story, path, refusal="empty")

    found = [story.view.notes, *(subrun.notes for subrun in story.view.subruns)]
    assert [len(said) for said in found] == [int(at == where) for at in range(3)]


def test_a_report_that_was_only_unfinished_is_forgotten_once_it_is_complete() -> None:
    story = child((SPEC, GREEN))
    write(story, "a.xml", of(E2E + SPEC, incomplete=True), problem="line 1: cut", unfinished=True)
    write(story, "b.xml", refusal="empty", unfinished=True)
    assert len(notes(story)) == 2
    write(story, "a.xml", of(E2E + SPEC))
    write(story, "b.xml", of(E2E + SPEC))

    assert notes(story) == []


def test_a_damaged_version_that_was_overwritten_stays_named() -> None:
    story = child((SPEC, GREEN), (CHECK, counts(1)))
    write(story, "group.xml", refusal="line 2: not well-formed XML (mismatched tag)")
    write(story, "group.xml", of(E2E + CHECK, counts(1)))

    assert notes(story) == [
        "Report cmcReporter/group.xml (since overwritten) cannot be used: line 2: not well-formed XML (mismatched tag)."
    ]


def test_a_damaged_report_of_another_living_run_is_not_ours_to_name() -> None:
    story = child((SPEC, GREEN))
    write(story, "a.xml", of("other.cy.ts", incomplete=True), problem="line 1: cut", rivals=("other-build",))
    write(story, "b.xml", of(E2E + SPEC, incomplete=True), problem="line 1: cut", rivals=("other-build",))
    write(story, "s.xml", refusal="empty", stale=True)

    assert [note.split()[1] for note in (*story.view.notes, *notes(story))] == ["cmcReporter/b.xml"]


def test_a_damaged_report_in_doubt_is_named_with_all_its_candidates() -> None:
    story = child(("fc/a.cy.ts", GREEN), ("iscsi/a.cy.ts", GREEN))
    write(story, "x.xml", of("a.cy.ts", incomplete=True), problem="line 1: cut")

    assert len(notes(story)) == 2


def test_notes_are_bounded_and_one_line() -> None:
    story = child((SPEC, GREEN))
    for number in range(15):
        write(story, f"{number:02}\x1b[31m{'x' * 500}\n.xml", refusal="\x1b]0;" + "y" * 5000)
    said = story.view.subruns[0].notes

    assert len(said) == 11
    assert said[-1] == "5 more notes about reports not shown."
    assert all(len(note) < 500 and "\x1b" not in note and "\n" not in note for note in said)


# --- messages ---


def text_of(story: Story) -> str:
    return str(msgspec.json.decode(story.posts[-1].payload)["text"])


def test_a_message_names_unusable_reports_above_everything_else() -> None:
    story = Story(hosts=(), notes=tuple(f"request {number}" for number in range(9))).started()
    story.begin_child(40)
    for number in range(40):
        story.spec(f"host{number}.cy.ts", RED, number + 1, 40)
        write(story, f"{number}.xml", of(f"{E2E}host{number}.cy.ts", counts(1, 3)))
    story.summary()
    for number in range(5):
        write(story, f"broken{number}.xml", refusal="line 7: not well-formed XML (unclosed token)")
    story.tick(11)
    lines = text_of(story).splitlines()

    assert [line for line in lines[5:9] if "broken" in line] == lines[5:9]
    assert "line 7: not well-formed XML (unclosed token)" in lines[5]


def test_a_message_states_how_many_notes_it_leaves_out() -> None:
    story = (
        Story(hosts=(), notes=tuple(f"request {number}" for number in range(9)))
        .started()
        .child((SPEC, GREEN))
    )
    write(story, "x.xml", refusal="empty").tick(11)

    assert text_of(story).endswith("Note: request 4\nNote: and 4 more")


@pytest.mark.parametrize("categorized", [True, False])
def test_a_note_of_the_run_is_in_the_message_that_speaks_of_the_run(categorized: bool) -> None:
    story = child((SPEC, GREEN), categorized=categorized)
    write(story, "x.xml", of("other.cy.ts", RED)).tick(11)
    if categorized:
        story.settle()
    story.end(3)

    assert "Report cmcReporter/x.xml is about other.cy.ts" in text_of(story)
    assert ("the complete run" in text_of(story)) == categorized
