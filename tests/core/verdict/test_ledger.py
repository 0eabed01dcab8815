"""Outcome of each spec and host: the worst source counts, differences are named, and sums always balance."""

from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.snapshot import Snapshot
from tests.support.run_builder import BEGIN, Story, counts

GREEN = counts(4)
RED = counts(3, 1)
SPEC = "redhat9.6.cy.ts"


def one(
    box: Counts | None = None, row: Counts | None = None, *, mark: str = "passed", skipped: bool = False
) -> Story:
    """Return a run of one child with one spec, reported by its box, its row, or both."""
    story = Story().started().begin_child(1).log(f.SpecStarted(offset=0, spec=SPEC, position=1, total=1))
    if box is not None:
        story.log(f.SpecReported(offset=0, spec=SPEC, counts=box, duration_s=60.0))
    story.log(f.RunFinished(offset=0))
    if row is not None:
        story.log(f.SpecSummarised(offset=0, spec=SPEC, mark=mark, counts=row, skipped=skipped))
    return story


@pytest.mark.parametrize(
    ("box", "row", "options", "detail"),
    [
        (GREEN, GREEN, {}, "completed"),
        (RED, RED, {"mark": "failed"}, "failed"),
        (None, None, {}, "no_report"),
        (None, GREEN, {}, "no_report"),
        (None, counts(), {"mark": "skipped", "skipped": True}, "skipped"),
        (counts(pending=3), counts(pending=3), {}, "pending"),
        (counts(2, pending=1), counts(2, pending=1), {}, "completed"),
        (counts(), counts(), {}, "not_run"),
        (counts(2, skipped=1), counts(2, skipped=1), {}, "skipped"),
        (counts(1, 1, skipped=2), counts(1, 1, skipped=2), {"mark": "failed"}, "failed"),
    ],
)
def test_a_spec_is_what_its_counts_state(
    box: Counts | None, row: Counts | None, options: dict[str, object], detail: str
) -> None:
    story = one(box, row, **options)  # type: ignore[arg-type]

    assert story.view.subruns[0].specs[0].detail == detail


def test_where_box_and_row_differ_the_worse_is_believed_and_the_difference_named() -> None:
    worse_row = one(GREEN, RED, mark="failed")
    worse_box = one(RED, GREEN)
    marked = one(GREEN, GREEN, mark="failed")

    for story in (worse_row, worse_box, marked):
        spec = story.view.subruns[0].specs[0]
        assert spec.detail == "failed"
        assert spec.conflict is not None
        assert any("Sources differ" in note for note in story.view.subruns[0].notes)
    assert "3 passing, 1 failing" in str(worse_row.view.subruns[0].specs[0].conflict)


def test_a_report_that_fits_is_a_second_source() -> None:
    story = one(GREEN, GREEN).report(SPEC, GREEN)
    spec = story.view.subruns[0].specs[0]

    assert spec.sources == ("log", "xml")
    assert spec.artifact == "cmcReporter/redhat9.6.xml"
    assert story.view.subruns[0].hosts[0].kernel == "5.14.0"


def test_a_report_that_reports_a_failure_is_believed_over_a_green_log() -> None:
    story = one(GREEN, GREEN).report(SPEC, RED, failed=("adds the host",)).tick(11).tick(10)
    spec = story.view.subruns[0].specs[0]

    assert (spec.detail, spec.sources) == ("failed", ("log", "xml"))
    assert spec.failures[0].title == "adds the host"
    assert "the report counts" in str(spec.conflict)
    assert story.subruns == [("FAILED", "tests-failed")]
    assert "the report counts" in story.view.subruns[0].reason["text"]


def test_a_green_report_does_not_heal_a_failing_log() -> None:
    story = one(RED, RED, mark="failed").report(SPEC, GREEN)
    spec = story.view.subruns[0].specs[0]

    assert (spec.detail, spec.sources, spec.artifact) == ("failed", ("log",), None)
    assert "the log counts" in str(spec.conflict)


def test_of_several_reports_the_newest_that_fits_is_taken() -> None:
    story = (
        one(GREEN, GREEN)
        .report(SPEC, GREEN, path="cmcReporter/a.xml")
        .report(SPEC, GREEN, path="cmcReporter/b.xml")
        .report(SPEC, counts(2), path="cmcReporter/c.xml")
    )

    spec = story.view.subruns[0].specs[0]
    assert (spec.detail, spec.artifact) == ("completed", "cmcReporter/b.xml")
    assert spec.conflict == (
        "redhat9.6.cy.ts: the log shows 4 passing, cmcReporter/b.xml shows 4 passing, cmcReporter/c.xml shows 2 passing; "
        "the log counts"
    )


def test_reports_that_contradict_each_other_decide_where_the_log_has_no_result() -> None:
    story = one().report(SPEC, GREEN, path="cmcReporter/a.xml").report(SPEC, RED, path="cmcReporter/b.xml")
    spec = story.view.subruns[0].specs[0]

    assert (spec.detail, spec.sources) == ("failed", ("xml",))
    assert spec.conflict == (
        "redhat9.6.cy.ts: cmcReporter/b.xml shows 3 passing, 1 failing, cmcReporter/a.xml shows 4 passing; "
        "cmcReporter/b.xml counts"
    )


@pytest.mark.parametrize("red_first", [True, False])
def test_a_failing_report_decides_next_to_a_green_one_and_both_are_named(red_first: bool) -> None:
    red, green = {"path": "cmcReporter/b.xml"}, {"path": "cmcReporter/a.xml"}
    story = one(GREEN, GREEN)
    for found, more in ((RED, red), (GREEN, green)) if red_first else ((GREEN, green), (RED, red)):
        story.report(SPEC, found, **more)  # type: ignore[arg-type]
    story.tick(11).tick(10)
    spec = story.view.subruns[0].specs[0]

    assert (spec.detail, spec.artifact) == ("failed", "cmcReporter/b.xml")
    assert story.subruns == [("FAILED", "tests-failed")]
    for text in (story.view.subruns[0].reason["text"], *story.view.subruns[0].notes):
        assert "cmcReporter/a.xml" in text
        assert "cmcReporter/b.xml" in text


@pytest.mark.parametrize("found", [counts(2), counts(2, pending=2), counts(2, skipped=2), counts(pending=4)])
def test_counts_that_differ_without_a_failure_are_a_note_and_change_no_phase(found: Counts) -> None:
    story = one(GREEN).summary((SPEC, GREEN)).report(SPEC, found).tick(11).tick(10)
    spec = story.view.subruns[0].specs[0]

    assert (spec.detail, spec.sources) == ("completed", ("log",))
    assert story.subruns == [("COMPLETED", "all-passed")]
    assert any("Sources differ" in note and spec.spec in note for note in story.view.subruns[0].notes)


def test_a_spec_without_a_box_takes_its_result_from_its_report() -> None:
    story = one().report(SPEC, RED)
    spec = story.view.subruns[0].specs[0]

    assert (spec.detail, spec.sources, spec.duration_s) == ("failed", ("xml",), 2.0)
    assert any("taken from the report" in note for note in story.view.subruns[0].notes)


@pytest.mark.parametrize(
    "more",
    [
        {"stale": True},
        {"rivals": ("other-run",)},
    ],
)
def test_a_report_that_is_not_this_runs_does_not_count(more: dict[str, object]) -> None:
    story = one(GREEN, GREEN).tick(2).report(SPEC, RED, **more).tick(20)  # type: ignore[arg-type]
    spec = story.view.subruns[0].specs[0]

    assert (spec.detail, spec.conflict) == ("completed", None)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_fresh_report_counts_whenever_it_was_written(hours: int) -> None:
    """If the runner buffers its output, a spec appears in the log long after its report."""
    mtime = BEGIN + timedelta(hours=hours)
    story = one(GREEN, GREEN).tick(2).report(SPEC, RED, mtime=mtime).tick(20)

    assert story.view.subruns[0].specs[0].detail == "failed"


def test_a_report_without_a_file_counts_by_the_host_in_its_name_or_its_suites() -> None:
    story = one(GREEN, GREEN).report("", GREEN, path="cmcReporter/results-redhat9.6.xml")
    foreign = one(GREEN, GREEN).report("", GREEN, path="cmcReporter/results-redhat9.60.xml")
    check = (
        Story()
        .started()
        .child(("check-xml-files.ts", counts(1)))
        .report("", counts(1), path="cmcReporter/x.xml")
    )

    assert story.view.subruns[0].specs[0].artifact == "cmcReporter/results-redhat9.6.xml"
    assert foreign.view.subruns[0].specs[0].artifact is None
    assert check.view.subruns[0].specs[0].artifact is None


def test_a_report_may_declare_fewer_tests_where_a_root_hook_failed() -> None:
    hook = Counts(tests=0, passing=0, failing=1)
    story = one(counts(0, 1, skipped=3), counts(0, 1, skipped=3), mark="failed").report(SPEC, hook)

    assert story.view.subruns[0].specs[0].sources == ("log", "xml")


def test_a_grouped_report_that_was_overwritten_is_reported_and_the_hosts_own_count() -> None:
    check = "check-xml-files.ts"
    story = Story().started().log(f.ChildLaunched(offset=0, label="e2e-redhat9.6-fc")).begin_child(2)
    story.spec(SPEC, GREEN, 1, 2).report(SPEC, GREEN, path="cmcReporter/e2e-redhat9.6-fc.xml").report(
        SPEC, GREEN
    )
    story.spec(check, counts(1), 2, 2).report(check, counts(1), path="cmcReporter/e2e-redhat9.6-fc.xml")
    story.summary((SPEC, GREEN), (check, counts(1))).tick(11)
    notes = story.view.subruns[0].notes

    assert any("contains only check-xml-files.ts" in note and "1 of 1" in note for note in notes)


@pytest.mark.parametrize(
    ("facts", "found", "planned", "source"),
    [
        ([(1, 3)], {}, 3, "running-line"),
        ([(1, 3), (2, 4)], {}, 4, "running-line"),
        ([(2, 5)], {}, 5, "running-line"),
        ([(1, 5), (3, 5)], {}, 5, "running-line"),
        ([(1, 5)], {"parallel": True}, 1, "began"),
        ([], {}, 3, "specs-found"),
        ([], {"parallel": True}, 0, "began"),
    ],
)
def test_planned_states_how_many_and_the_source(
    facts: list[tuple[int, int]], found: dict[str, object], planned: int, source: str
) -> None:
    story = Story(hosts=()).started().begin_child(3, **found)
    for position, total in facts:
        story.spec(f"s{position}.cy.ts", GREEN, position, total)
    ledger = story.view.subruns[0].ledger

    assert (ledger.planned, ledger.planned_source) == (planned, source)


def test_a_parallel_child_that_lost_its_lines_plans_the_specs_of_its_rows() -> None:
    story = Story(hosts=()).started().begin_child(9, parallel=True)
    story.log(
        f.RunFinished(offset=0), f.SpecSummarised(offset=0, spec="a.cy.ts", mark="passed", counts=GREEN)
    )
    bare = (
        Story(hosts=())
        .started()
        .log(f.ChildStarted(offset=0), f.SpecReported(offset=0, spec="a.cy.ts", counts=GREEN))
    )

    assert (story.view.ledger.planned, story.view.ledger.planned_source) == (1, "began")
    assert (bare.view.ledger.planned, bare.view.ledger.planned_source) == (1, "began")


def test_children_that_count_differently_make_a_mixed_plan() -> None:
    story = Story(categorized=False, hosts=()).started().child(("a.cy.ts", GREEN)).begin_child(2)

    assert story.view.ledger.planned_source == "mixed"


def test_specs_that_never_started_are_named_where_the_header_box_names_them() -> None:
    names = ("a.cy.ts", "b.cy.ts")
    story = Story(hosts=()).started().begin_child(2, spec_names=names).spec("a.cy.ts", GREEN, 1, 2)

    assert [(spec.spec, spec.detail) for spec in story.view.subruns[0].specs] == [
        ("a.cy.ts", "completed"),
        ("b.cy.ts", "not_run"),
    ]


def test_a_host_takes_the_worst_of_its_specs_and_their_sums() -> None:
    story = (
        Story()
        .started()
        .child(("redhat9.6-a.cy.ts", GREEN), ("redhat9.6-b.cy.ts", RED), ("check-xml-files.ts", counts(1)))
    )
    host = story.view.subruns[0].hosts[0]

    assert (host.host, host.detail, host.tests, host.failing, host.duration_s) == (
        "redhat9.6",
        "failed",
        8,
        1,
        120.0,
    )
    assert len(story.view.subruns[0].hosts) == 1


def parts(view: Snapshot, index: int | None = None) -> tuple[int, int]:
    ledger = view.ledger if index is None else view.subruns[index].ledger
    kinds = (ledger.passed, ledger.failed, ledger.pending, ledger.skipped, ledger.crashed, ledger.not_run)
    return ledger.planned, sum(kinds) + ledger.no_report


found_counts = st.builds(counts, *(st.integers(0, 3) for _ in range(4)))
spec_facts = st.one_of(
    st.builds(
        f.SpecStarted,
        offset=st.just(0),
        spec=st.sampled_from("abc"),
        position=st.integers(1, 4),
        total=st.integers(1, 5),
    ),
    st.builds(f.SpecReported, offset=st.just(0), spec=st.sampled_from("abc"), counts=found_counts),
    st.builds(
        f.SpecSummarised,
        offset=st.just(0),
        spec=st.sampled_from("abc"),
        mark=st.sampled_from(["passed", "failed", "skipped"]),
        counts=found_counts,
        skipped=st.booleans(),
    ),
    st.just(f.ChildStarted(offset=0)),
    st.just(f.RunFinished(offset=0)),
    st.builds(
        f.TotalsReported,
        offset=st.just(0),
        verdict=st.sampled_from(["passed", "failed", "canceled"]),
        counts=found_counts,
    ),
    st.builds(
        f.ErrorReported,
        offset=st.just(0),
        code=st.just("plugin-error"),
        scope=st.sampled_from(["run", "spec"]),
        text=st.just("x"),
    ),
)


@given(st.lists(spec_facts, max_size=25), st.booleans(), st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_the_ledger_balances_whatever_the_log_states_and_a_certain_failure_never_passes(
    facts: list[f.Fact], categorized: bool, code: int
) -> None:
    story = Story(categorized=categorized).started()
    failed = False
    for fact in facts:
        story.log(fact)
        assert parts(story.view)[0] == parts(story.view)[1]
        failed = failed or story.view.failing
        assert story.view.failing == failed
    story.end(code)

    for index in range(len(story.view.subruns)):
        assert parts(story.view, index)[0] == parts(story.view, index)[1]
    if failed:
        assert story.ending[0] == "FAILED"


def test_a_spec_of_the_same_name_in_another_directory_is_another_spec() -> None:
    story = (
        Story(hosts=())
        .started()
        .child(("fc/a.cy.ts", GREEN))
        .report("iscsi/a.cy.ts", RED, path="cmcReporter/x.xml")
    )

    assert story.view.subruns[0].specs[0].sources == ("log",)


def test_offline_the_time_of_a_report_reports_nothing() -> None:
    story = Story(offline=True).child((SPEC, GREEN)).report(SPEC, GREEN, mtime=BEGIN + timedelta(days=1))

    assert story.view.subruns[0].specs[0].sources == ("log", "xml")


def test_a_report_that_is_reported_twice_counts_once() -> None:
    story = one(GREEN, GREEN).report(SPEC, GREEN).report(SPEC, GREEN)

    assert len(story.run.artifacts) == 1
    assert story.run.ignored == 1
