"""For any directories, specs and reports: no suite belongs to two specs, and no failing report is dropped."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.junit.report import Report, ReportedSpec, parse_report
from atvm_pipeline.core.spec_names import same_spec
from atvm_pipeline.core.verdict.report_matching import ownership
from tests.support.project import PROJECT
from tests.support.run_builder import BEGIN, Story, counts

GREEN, RED = counts(2), counts(1, 1)

folders = st.lists(st.sampled_from(["fc", "regress", "e2e"]), max_size=2)
files = st.sampled_from(["redhat9.6.cy.ts", "ubuntu24.04.cy.ts", "check-xml-files.ts"])
paths = st.builds(lambda folder, file: "/".join([*folder, file]), folders, files)
seconds = st.integers(-100, 4000).map(lambda number: BEGIN + timedelta(seconds=number))
suites = st.builds(
    ReportedSpec,
    spec=st.builds(
        lambda prefix, path: prefix + path, st.sampled_from(["", "cypress/e2e/", "C:\\e2e\\"]), paths
    ),
    within=st.just("") | paths,
    counts=st.sampled_from([GREEN, RED]),
    started_at=st.none() | seconds,
    incomplete=st.booleans(),
)
reports = st.tuples(st.sampled_from(["a.xml", "b.xml"]), st.lists(suites, min_size=1, max_size=3), seconds)
children = st.lists(st.lists(paths, min_size=1, max_size=3, unique=True), min_size=1, max_size=3)


def played(
    story: Story,
    specs: list[list[str]],
    written: list[tuple[str, list[ReportedSpec], object]],
    pause_s: float,
) -> Story:
    """Run green children and write reports between them."""
    story = story.started()
    for names in specs:
        for path, found, mtime in written[:: len(specs)]:
            incomplete = any(suite.incomplete for suite in found)
            read = Report(
                specs=tuple(found), incomplete=incomplete, problem="line 1: cut" if incomplete else ""
            )
            story.feed(ArtifactWritten(at=story.at, path=path, size=story.run.seq, mtime=mtime, report=read))  # type: ignore[arg-type]
        story.child(*((name, GREEN) for name in names)).tick(pause_s)
        written = written[1:]
    return story


@settings(max_examples=400, deadline=None)
@given(
    children, st.lists(reports, max_size=4), st.booleans(), st.booleans(), st.sampled_from([0.0, 1.0, 600.0])
)
def test_no_suite_has_two_specs_and_no_failing_one_is_dropped(
    specs: list[list[str]],
    written: list[tuple[str, list[ReportedSpec], object]],
    offline: bool,
    categorized: bool,
    pause_s: float,
) -> None:
    story = played(Story(hosts=(), offline=offline, categorized=categorized), specs, written, pause_s).end()
    found = ownership(story.run)

    owners = Counter(
        (own.suite.artifact.seq, id(own.suite.reported)) for owned in found.owned.values() for own in owned
    )
    assert set(owners.values()) <= {1}
    names = {name for child in specs for name in child}
    matching = [
        suite
        for artifact in story.run.artifacts
        for suite in (artifact.report.specs if artifact.report is not None else ())
        if suite.counts.failing and any(same_spec(suite.spec, name) for name in names)
    ]
    assert not matching or story.ending[0] != "COMPLETED"


FAILING = sorted(
    path
    for path in (PROJECT / "fixtures" / "false-greens").glob("*/cmcReporter/*.xml")
    if path.read_bytes().count(b"<failure") == 1 and path.read_bytes().count(b"<?xml") <= 1
)


def passed() -> Story:
    return Story(hosts=("redhat9.6",)).started().child(("redhat9.6.cy.ts", GREEN))


def ends_green_without_a_word(data: bytes, story: Story) -> bool:
    """Return whether the run is COMPLETED and no note names the report."""
    found = parse_report(data, final=True)
    report = found if isinstance(found, Report) else None
    refusal = None if isinstance(found, Report) else found.reason
    judged = Story(hosts=("redhat9.6",))
    judged.run = story.run
    judged.feed(
        ArtifactWritten(
            at=story.at, path="cmcReporter/a.xml", size=1, mtime=story.at, report=report, refusal=refusal
        )
    )
    judged.end()
    view = judged.view
    notes = [*view.notes, *(note for subrun in view.subruns for note in subrun.notes)]
    return judged.ending[0] == "COMPLETED" and not any("cmcReporter/a.xml" in note for note in notes)


def test_there_are_recorded_reports_with_one_failing_test() -> None:
    assert len(FAILING) >= 10


@pytest.mark.exhaustive
@pytest.mark.parametrize("path", FAILING, ids=lambda path: path.parent.parent.name)
def test_a_failing_report_cut_anywhere_is_red_or_named(path: Path) -> None:
    data, story = path.read_bytes(), passed()

    assert [end for end in range(len(data)) if ends_green_without_a_word(data[:end], story)] == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("path", FAILING, ids=lambda path: path.parent.parent.name)
def test_a_failing_report_with_any_byte_damaged_is_red_or_named(path: Path) -> None:
    data, story = path.read_bytes(), passed()
    silent = [
        (at, byte)
        for at in range(len(data))
        for byte in {data[at] ^ 1, (0, 0x20, 0xFF, ord("<"), ord('"'), ord("&"))[at % 6]}
        if ends_green_without_a_word(data[:at] + bytes([byte]) + data[at + 1 :], story)
    ]

    assert silent == []
