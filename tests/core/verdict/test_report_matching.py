"""Each suite of a report belongs to at most one spec; suites without a spec are named."""

from datetime import UTC, datetime, timedelta

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.report import FailedCase, Report, ReportedSpec
from atvm_pipeline.core.verdict.report_matching import ownership
from tests.support.run_builder import BEGIN, Story, counts

GREEN, RED = counts(4), counts(3, 1)
SPEC, OTHER, CHECK = "redhat9.6.cy.ts", "regress/redhat9.6.cy.ts", "check-xml-files.ts"
E2E = "cypress/e2e/"


def of(spec: str, found: Counts = GREEN, *suites: str, **more: object) -> ReportedSpec:
    failed = (FailedCase(title="cuts over", error="boom"),) if found.failing else ()
    return ReportedSpec(spec=spec, counts=found, suites=suites, failed=failed, **more)  # type: ignore[arg-type]


def write(story: Story, path: str, *specs: ReportedSpec, problem: str = "", **more: object) -> Story:
    """Write a report now, or at `mtime`."""
    incomplete = any(spec.incomplete for spec in specs)
    found = None if "refusal" in more else Report(specs=specs, problem=problem, incomplete=incomplete)
    fields = {"at": story.at, "size": 1, "mtime": story.at, "report": found, **more}
    return story.feed(ArtifactWritten(path=f"cmcReporter/{path}", **fields))  # type: ignore[arg-type]


def results(story: Story, subrun: int = 1) -> dict[str, tuple[str, str | None]]:
    specs = story.view.subruns[subrun - 1].specs
    return {
        spec.spec: (spec.detail, spec.artifact and spec.artifact.removeprefix("cmcReporter/"))
        for spec in specs
    }


def notes(story: Story, subrun: int = 1) -> list[str]:
    return [note for note in story.view.subruns[subrun - 1].notes if note.startswith("Report ")]


def ended(story: Story) -> list[tuple[str, str]]:
    story.tick(11).end()
    return [story.ending, *story.subruns]


def child(*specs: tuple[str, Counts], **options: object) -> Story:
    return Story(hosts=(), **options).started().child(*specs)  # type: ignore[arg-type]


# --- the spec named by a suite ---


def test_of_two_specs_with_one_base_name_each_has_its_own_report() -> None:
    story = child((SPEC, GREEN), (OTHER, GREEN))
    write(story, "a.xml", of(E2E + SPEC, RED))
    write(story, "b.xml", of(E2E + OTHER))

    assert results(story) == {SPEC: ("failed", "a.xml"), OTHER: ("completed", "b.xml")}
    assert ended(story)[0] == ("FAILED", "tests-failed")


def test_the_failing_report_of_the_inner_directory_is_not_the_roots() -> None:
    story = child((SPEC, GREEN), (OTHER, GREEN))
    write(story, "a.xml", of(f"C:\\lab\\{E2E}regress\\redhat9.6.cy.ts", RED))

    assert results(story) == {SPEC: ("completed", None), OTHER: ("failed", "a.xml")}


def test_a_report_of_a_planned_spec_is_not_that_of_one_with_a_shorter_name() -> None:
    story = Story(hosts=()).started().begin_child(2, spec_names=(SPEC, OTHER)).spec(SPEC, GREEN, 1, 2)
    write(story, "b.xml", of(E2E + OTHER, RED))

    assert results(story)[SPEC] == ("completed", None)
    assert not story.view.failing
    assert any("b.xml is about cypress/e2e/regress/redhat9.6.cy.ts" in note for note in story.view.notes)

    story.spec(OTHER, GREEN, 2, 2)

    assert results(story)[OTHER] == ("failed", "b.xml")
    assert not story.view.notes


@pytest.mark.parametrize("failing", [True, False])
def test_a_suite_that_matches_two_specs_equally_belongs_to_none(failing: bool) -> None:
    story = child(("fc/a.cy.ts", GREEN), ("iscsi/a.cy.ts", GREEN), (CHECK, counts(1)))
    write(story, "x.xml", of("a.cy.ts", RED if failing else GREEN))
    [note] = notes(story)
    both = "Report cmcReporter/x.xml matches fc/a.cy.ts, iscsi/a.cy.ts equally and was not used"

    assert results(story)[CHECK] == ("completed", None)
    if not failing:
        assert note == f"{both}."
        assert ended(story) == [("COMPLETED", "all-passed")] * 2
        return
    assert note == f"{both}; it shows 1 failing test."
    assert results(story)["fc/a.cy.ts"] == results(story)["iscsi/a.cy.ts"] == ("no_report", "x.xml")
    assert ended(story) == [("FAILED", "results-missing")] * 2
    assert story.view.subruns[0].reason["text"].endswith(note)
    assert len(story.view.subruns[0].notes) == 1


def test_a_second_report_that_matches_the_same_specs_equally_is_named_too() -> None:
    story = child(("fc/a.cy.ts", GREEN), ("iscsi/a.cy.ts", GREEN))
    write(story, "x.xml", of("a.cy.ts", RED))
    write(story, "y.xml", of("a.cy.ts", GREEN))

    assert [note.partition(" matches fc/a.cy.ts, iscsi/a.cy.ts equally")[0] for note in notes(story)] == [
        "Report cmcReporter/x.xml",
        "Report cmcReporter/y.xml",
    ]
    assert ended(story) == [("FAILED", "results-missing")] * 2


def test_a_doubtful_report_changes_no_spec_that_failed_or_never_ran() -> None:
    story = child(("fc/a.cy.ts", RED), ("iscsi/a.cy.ts", counts()))
    write(story, "x.xml", of("a.cy.ts", RED))

    assert [detail for detail, _ in results(story).values()] == ["failed", "not_run"]


def test_time_chooses_between_equal_matches_in_two_sub_runs() -> None:
    story = child(("fc/a.cy.ts", GREEN)).tick(600).child(("iscsi/a.cy.ts", GREEN))
    write(story, "x.xml", of("a.cy.ts", RED))

    assert (results(story, 1), results(story, 2)) == (
        {"fc/a.cy.ts": ("completed", None)},
        {"iscsi/a.cy.ts": ("failed", "x.xml")},
    )


def test_offline_equal_matches_in_two_sub_runs_stay_in_doubt() -> None:
    story = Story(hosts=(), offline=True).child(("fc/a.cy.ts", GREEN)).child(("iscsi/a.cy.ts", GREEN))
    write(story, "x.xml", of("a.cy.ts", RED))

    assert results(story, 1) == {"fc/a.cy.ts": ("no_report", "x.xml")}
    assert results(story, 2) == {"iscsi/a.cy.ts": ("no_report", "x.xml")}


def test_a_test_case_of_a_helper_belongs_to_the_spec_around_it() -> None:
    story = child((SPEC, GREEN))
    write(story, "a.xml", of("cypress/support/shared.ts", RED, within=E2E + SPEC))

    assert results(story) == {SPEC: ("failed", "a.xml")}


# --- by the host, if no file is named ---


def test_without_a_file_the_suites_name_the_host_and_then_the_files_name() -> None:
    story = child((SPEC, GREEN), ("ubuntu24.04.cy.ts", GREEN), (CHECK, counts(1)))
    write(story, "e2e-redhat9.6-ubuntu24.04-fc.xml", of("", RED, "Mocha Tests", "ubuntu24.04"))
    write(story, "results-redhat9.6.xml", of("", GREEN, "moves volumes"))
    write(story, "check-xml-files.xml", of("", counts(0, 1)))

    assert results(story) == {
        SPEC: ("completed", "results-redhat9.6.xml"),
        "ubuntu24.04.cy.ts": ("failed", "e2e-redhat9.6-ubuntu24.04-fc.xml"),
        CHECK: ("failed", "check-xml-files.xml"),
    }


def test_without_a_file_several_specs_of_a_host_are_distinguished_by_their_names() -> None:
    specs = (("redhat9.6-a.cy.ts", GREEN), ("redhat9.6-b.cy.ts", GREEN))
    named = write(child(*specs), "redhat9.6.xml", of("", RED, "redhat9.6-b fails"))
    unnamed = write(child(*specs), "redhat9.6.xml", of("", RED, "redhat9.6"))

    assert [detail for detail, _ in results(named).values()] == ["completed", "failed"]
    assert [detail for detail, _ in results(unnamed).values()] == ["no_report", "no_report"]


def test_a_failing_report_that_names_no_spec_of_the_run_is_a_note() -> None:
    story = child((SPEC, GREEN))
    for number in range(4):
        write(story, f"{number}.xml", of(f"cypress/e2e/s{number}.cy.ts", RED), of("", RED), of("x.cy.ts"))
    write(story, "green.xml", of("cypress/e2e/other.cy.ts"))
    write(story, "theirs.xml", of("cypress/e2e/other.cy.ts", RED), rivals=("other-build",))

    assert ended(story) == [("COMPLETED", "all-passed")] * 2
    assert story.view.notes == tuple(
        f"Report cmcReporter/{number}.xml is about cypress/e2e/s{number}.cy.ts, no spec file, which the log does not show, "
        "and was not used; it shows 2 failing tests."
        for number in range(4)
    )
    assert not story.view.subruns[0].notes


def test_what_matches_two_live_runs_decides_for_neither_and_is_named_if_it_fails() -> None:
    story = child((SPEC, GREEN))
    write(story, "a.xml", of(E2E + SPEC, RED), rivals=("other-build",))
    write(story, "b.xml", of(E2E + SPEC), rivals=("other-build",))

    assert results(story) == {SPEC: ("completed", None)}
    assert notes(story) == [
        "Report cmcReporter/a.xml also matches the running other-build and was not used; it shows 1 failing test."
    ]


# --- time ---


def test_every_group_has_the_report_of_its_own_check() -> None:
    story = child((SPEC, GREEN), (CHECK, counts(1)))
    write(story, "check.xml", of(E2E + CHECK, counts(1))).tick(600)
    story.child(("ubuntu24.04.cy.ts", GREEN), (CHECK, counts(1)))
    write(story, "check.xml", of(E2E + CHECK, counts(0, 1)))

    assert results(story, 1)[CHECK] == ("completed", "check.xml")
    assert results(story, 2)[CHECK] == ("failed", "check.xml")
    assert ended(story) == [
        ("FAILED", "tests-failed"),
        ("COMPLETED", "all-passed"),
        ("FAILED", "tests-failed"),
    ]


def test_a_group_that_was_repeated_is_not_failed_by_its_first_attempt() -> None:
    story = child((SPEC, RED))
    write(story, "a.xml", of(E2E + SPEC, RED)).tick(600)
    story.child((SPEC, GREEN))
    write(story, "a.xml", of(E2E + SPEC))

    assert ended(story)[1:] == [("FAILED", "tests-failed"), ("COMPLETED", "all-passed")]


def test_each_group_gets_its_own_suites_from_a_merged_report() -> None:
    story = child((CHECK, counts(1)))
    first = of(E2E + CHECK, counts(0, 1), started_at=BEGIN - timedelta(seconds=1))
    story.tick(600).child((CHECK, counts(1)))
    write(story, "merged.xml", first, of(E2E + CHECK, counts(1), started_at=story.at - timedelta(seconds=5)))

    owned = ownership(story.run).owned
    assert {key: [own.suite.reported.counts.failing for own in found] for key, found in owned.items()} == {
        (1, 0): [1],
        (2, 0): [0],
    }
    assert results(story, 2)[CHECK] == ("completed", "merged.xml")


def test_a_report_that_grows_repeats_no_suite() -> None:
    story = child((CHECK, counts(1)))
    write(story, "all.xml", of(E2E + CHECK, counts(1))).tick(600)
    story.child((SPEC, GREEN), (CHECK, counts(1)))
    write(story, "all.xml", of(E2E + CHECK, counts(1)), of(E2E + SPEC))

    owned = ownership(story.run).owned
    assert [len(owned[key]) for key in sorted(owned)] == [1, 1]
    assert (1, 0) in owned


def test_a_failure_without_a_time_is_never_taken_for_a_repeat() -> None:
    story = child((CHECK, counts(1)))
    write(story, "all.xml", of(E2E + CHECK, counts(0, 1))).tick(600)
    story.child((SPEC, GREEN), (CHECK, counts(1)))
    write(story, "all.xml", of(E2E + CHECK, counts(0, 1)), of(E2E + SPEC))

    assert results(story, 2)[CHECK] == ("failed", "all.xml")


def test_a_report_long_before_the_log_shows_its_spec_counts() -> None:
    """The runner buffers its output."""
    story = Story(hosts=()).started()
    write(story, "a.xml", of(E2E + SPEC, RED)).tick(600)
    story.child((SPEC, GREEN))

    assert results(story) == {SPEC: ("failed", "a.xml")}


def test_a_failing_report_after_the_verdict_fails_the_run() -> None:
    story = child((SPEC, GREEN)).tick(60)
    assert story.subruns == [("COMPLETED", "all-passed")]
    write(story, "a.xml", of(E2E + SPEC, RED)).end()

    assert story.subruns == [("COMPLETED", "all-passed")]
    assert story.ending == ("FAILED", "tests-failed")
    assert "cmcReporter/a.xml" in story.view.reason["text"]


def test_a_green_report_that_may_be_of_the_group_before_proves_nothing() -> None:
    story = child((CHECK, counts(1))).tick(1)
    story.log(f.ChildStarted(offset=0), f.SpecStarted(offset=0, spec=CHECK, position=1, total=1))
    since = story.run.subruns[1].children[0].specs[0].since
    assert since == BEGIN
    write(story, "check.xml", of(E2E + CHECK, counts(1)), mtime=BEGIN - timedelta(seconds=1))

    assert results(story, 2)[CHECK] == ("no_report", None)


def test_an_overwritten_version_that_failed_still_decides() -> None:
    story = child((SPEC, GREEN))
    write(story, "a.xml", of(E2E + SPEC, RED)).tick(1)
    write(story, "a.xml", of(E2E + SPEC))
    [spec] = story.view.subruns[0].specs

    assert spec.detail == "failed"
    assert spec.conflict == (
        "redhat9.6.cy.ts: the log shows 4 passing, cmcReporter/a.xml (since overwritten) shows 3 passing, 1 failing; "
        "the report counts"
    )


def test_an_overwritten_version_without_a_failure_is_not_worth_a_word() -> None:
    story = child((SPEC, GREEN))
    write(story, "a.xml", of(E2E + SPEC, counts(2))).tick(1)
    write(story, "a.xml", of(E2E + SPEC))

    assert story.view.subruns[0].specs[0].conflict is None


def test_offline_order_is_that_of_the_suites_where_they_state_it() -> None:
    """The modification time of a copied file is the time of the copy."""
    late, early = BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=1)
    for dated, expected in ((True, ("failed", "completed")), (False, ("failed", "failed"))):
        story = Story(hosts=(), offline=True).child((SPEC, RED)).child((SPEC, GREEN))
        write(story, "b.xml", of(E2E + SPEC, GREEN, started_at=late if dated else None), mtime=early)
        write(story, "a.xml", of(E2E + SPEC, RED, started_at=early if dated else None), mtime=late)

        assert (results(story, 1)[SPEC][0], results(story, 2)[SPEC][0]) == expected


def test_a_grouped_report_is_named_with_its_own_group_only() -> None:
    story = Story(hosts=()).started()
    for host in ("redhat9.6", "ubuntu24.04"):
        story.log(f.ChildLaunched(offset=0, label=f"e2e-{host}-fc")).begin_child(2)
        story.spec(f"{host}.cy.ts", GREEN, 1, 2)
        write(story, f"e2e-{host}-fc.xml", of(f"{E2E}{host}.cy.ts"))
        story.spec(CHECK, counts(1), 2, 2)
        write(story, f"e2e-{host}-fc.xml", of(E2E + CHECK, counts(1)))
        story.summary((f"{host}.cy.ts", GREEN), (CHECK, counts(1)))

    grouped = [[note for note in subrun.notes if "grouped" in note] for subrun in story.view.subruns]
    assert [len(found) for found in grouped] == [1, 1]
    assert "e2e-redhat9.6-fc.xml" in grouped[0][0]
    assert "e2e-ubuntu24.04-fc.xml" in grouped[1][0]


def test_the_times_of_files_reach_to_the_ends_of_the_calendar() -> None:
    story = child((SPEC, GREEN)).tick(60).child((SPEC, GREEN))
    for number, year in enumerate((1, 9999)):
        write(story, f"{number}.xml", of(E2E + SPEC), mtime=datetime(year, 12, 31, 23, 59, 59, 999999, UTC))

    assert sorted(ownership(story.run).owned) == [(1, 0), (2, 0)]
