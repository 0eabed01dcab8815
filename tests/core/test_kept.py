"""Runs larger than the limits: omitted parts are reported and never count as passed."""

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core import facts as f, reason_parts, reducer
from atvm_pipeline.core.codec import encode_event, encode_state
from atvm_pipeline.core.events import ArtifactWritten, WatcherStopped
from atvm_pipeline.core.junit.report import Report, ReportedSpec
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.core.subruns import summary_facts
from atvm_pipeline.core.text import escape_json
from atvm_pipeline.core.verdict import subrun_context
from tests.support.run_builder import BEGIN, Story, counts

GREEN = counts(4)


def test_reports_that_were_dropped_for_newer_ones_are_counted_in_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reducer, "ARTIFACTS_MAX", 3)
    monkeypatch.setattr(reason_parts, "ARTIFACTS_MAX", 3)
    story = Story().started()
    for number in range(5):
        story.report(f"s{number}.cy.ts", GREEN)

    assert len(story.run.artifacts) == 3
    assert story.view.notes == ("Dropped 2 older reports (limit 3).",)


def test_evidence_of_a_failure_is_dropped_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reducer, "ARTIFACTS_MAX", 3)
    story = Story(hosts=()).started().child(("s0.cy.ts", GREEN))
    story.report("s0.cy.ts", counts(3, 1), path="cmcReporter/red.xml")
    story.feed(ArtifactWritten(at=story.at, path="cmcReporter/x.xml", size=1, mtime=BEGIN, refusal="empty"))
    damaged = Report(specs=(ReportedSpec(spec="other.cy.ts"),), problem="line 1: cut")
    story.feed(ArtifactWritten(at=story.at, path="cmcReporter/y.xml", size=1, mtime=BEGIN, report=damaged))
    for number in range(5):
        story.report("s0.cy.ts", GREEN, path=f"cmcReporter/{number}.xml")
    kept = [artifact.path for artifact in story.run.artifacts]
    story.report("s0.cy.ts", counts(3, 1), path="cmcReporter/newest.xml").end()

    assert kept == ["cmcReporter/red.xml", "cmcReporter/x.xml", "cmcReporter/y.xml"]
    assert [artifact.path for artifact in story.run.artifacts][-1] == "cmcReporter/newest.xml"
    assert story.ending == ("FAILED", "tests-failed")


def test_a_child_with_more_specs_than_are_kept_reports_it_and_cannot_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summary_facts, "SPECS_MAX", 2)
    story = Story(hosts=()).started().child(*((f"s{n}.cy.ts", GREEN) for n in range(5))).end(0)

    assert len(story.run.subruns[0].children[0].specs) == 2
    assert story.ending == ("FAILED", "results-missing")
    assert "beyond the" in story.view.subruns[0].reason["text"]


def test_specs_that_are_not_kept_cannot_pass_where_nothing_states_how_many_there_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A parallel machine's share is the specs that it started, so the sum would balance without the omitted ones."""
    monkeypatch.setattr(summary_facts, "SPECS_MAX", 2)
    story = Story(hosts=()).started().log(f.ChildStarted(offset=0))
    story.log(f.ChildDescribed(offset=0, cypress="12.17.4", specs_found=9, parallel=True))
    for number in range(3):
        spec = f"s{number}.cy.ts"
        story.log(f.SpecStarted(offset=0, spec=spec, position=number + 1, total=9))
        story.log(f.SpecReported(offset=0, spec=spec, counts=counts(1, number // 2)))
    story.log(f.RunFinished(offset=0), f.RunRecorded(offset=0, url="https://example.test/1")).end(0)

    assert story.ending[0] == "FAILED"


def test_conflicts_beyond_those_that_are_noted_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subrun_context, "CONFLICTS_SHOWN", 2)
    specs = [(f"s{n}.cy.ts", GREEN) for n in range(5)]
    story = Story(hosts=()).started().child(*specs)
    for name, _ in specs:
        story.report(name, counts(3, 1), path=f"cmcReporter/{name}.xml")
    story.tick(11)
    notes = story.view.subruns[0].notes

    assert sum(note.startswith("Sources differ: ") for note in notes) == 2
    assert "Sources differ for 3 more specs." in notes


# --- content of the files ---

OBEYED = (
    "\x7f\x80\x9b\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069\ufeff\ufff9\ufffb"
)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(OBEYED)))
@settings(max_examples=300, deadline=None)
def test_a_file_prints_the_same_and_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    event = WatcherStopped(seq=2, at=BEGIN, why=text)
    line = encode_event(event)
    state = encode_state(state_file(Story(build=text or None, notes=(text,)).run))

    assert not set(line.decode() + state.decode()) & set(OBEYED)
    assert msgspec.json.decode(line)["why"] == text


def test_plain_text_is_left_as_it_is() -> None:
    assert escape_json("größer ✖ 日本 😀".encode()) == "größer ✖ 日本 😀".encode()
    assert escape_json(b"plain") == b"plain"
    assert escape_json(b"\x7f") == b"\\u007f"
