"""Assignment of log lines to children, and the end of a child and of its sub-run."""

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.spec_names import same_spec
from atvm_pipeline.core.state import RUN_UNPLACED_MAX, Stage
from atvm_pipeline.core.subruns import children, log_facts, summary_facts
from tests.support.run_builder import BEGIN, CYPRESS, RUNNER, Story, counts

GREEN = counts(4)
FIRST = ("redhat9.6.cy.ts", GREEN)
SECOND = ("ubuntu24.04.cy.ts", GREEN)


def last_child(story: Story) -> children.Child:
    child = children.current_child(story.run)
    assert child is not None
    return child


def test_a_child_ends_at_its_totals_row_and_its_verdict_waits_for_late_reports() -> None:
    story = Story().started().child(FIRST, label="e2e-redhat9.6-fc")
    assert last_child(story).ended_by == "totals-reported"
    story.tick(9)
    assert story.subruns == [("RUNNING", "running")]
    story.tick(1)

    assert story.subruns == [("COMPLETED", "all-passed")]


def test_a_recorded_run_line_ends_a_child_whose_totals_row_was_lost() -> None:
    story = (
        Story()
        .started()
        .begin_child(1)
        .spec(*FIRST)
        .log(f.RunFinished(offset=0), f.RunRecorded(offset=0, url="u"))
    )

    assert last_child(story).ended_by == "run-recorded"


def test_a_totals_row_without_its_header_line_ends_a_child() -> None:
    story = Story().started().begin_child(1).spec(*FIRST)
    story.log(f.TotalsReported(offset=0, verdict="passed", counts=GREEN))

    assert last_child(story).stage is Stage.ENDED


def test_a_summary_without_a_totals_row_ends_after_ten_seconds() -> None:
    story = Story().started().begin_child(1).log(f.RunFinished(offset=0)).tick(9.9)
    assert last_child(story).stage is Stage.SUMMARISED
    story.tick(0.1)

    assert last_child(story).ended_by == "summary-wait-passed"


def test_a_summary_without_a_totals_row_ends_with_its_process() -> None:
    story = (
        Story()
        .started()
        .begin_child(1)
        .processes(RUNNER, CYPRESS)
        .log(f.RunFinished(offset=0))
        .processes(RUNNER)
    )

    assert last_child(story).ended_by == "child-gone"


def test_a_process_that_was_never_seen_cannot_end_a_child() -> None:
    story = Story().started().begin_child(1).log(f.RunFinished(offset=0)).processes(RUNNER)

    assert last_child(story).stage is Stage.SUMMARISED


def test_a_child_that_printed_no_summary_ends_when_the_next_starts_or_the_runner_ends() -> None:
    story = Story(hosts=()).started().begin_child(1).spec(*FIRST).begin_child(1)
    ended = story.run.subruns[0].children[0].ended_by
    story.exit(1)

    assert ended == "next-child"
    assert last_child(story).ended_by == "runner-over"


def test_a_label_belongs_to_the_next_child_only() -> None:
    story = Story().started().child(FIRST, label="e2e-redhat9.6-fc").child(SECOND)

    assert [subrun.label for subrun in story.view.subruns] == ["e2e-redhat9.6-fc", None]
    assert story.view.subruns[1].name == "e2e-ubuntu24.04-fc"


def test_the_group_of_the_header_box_is_a_label_where_no_command_line_shows() -> None:
    story = Story().started().begin_child(1, group="e2e-redhat9.6-fc").spec(*FIRST).summary(FIRST)

    assert story.view.subruns[0].label == "e2e-redhat9.6-fc"
    assert story.view.subruns[0].label_trusted is True


def test_a_log_joined_midway_still_shows_its_child() -> None:
    story = Story().started().spec("redhat9.6.cy.ts", GREEN).summary(FIRST)
    late = Story().started().log(f.RunFinished(offset=0))

    assert story.view.subruns[0].specs[0].detail == "completed"
    assert len(late.run.subruns) == 1


def test_lines_in_front_of_the_first_child_start_none() -> None:
    story = (
        Story()
        .started()
        .log(
            f.TestFlaky(offset=0, title="t"),
            f.TestsCounted(offset=0, spec="a.cy.ts", passed=1),
            f.SpecSummarised(offset=0, spec="a.cy.ts", mark="passed", counts=GREEN),
            f.RunRecorded(offset=0, url="u"),
            f.WrapperTotals(offset=0, counts=GREEN),
            f.WrapperFinished(offset=0, wrapper="cypress-cloud"),
        )
    )

    assert story.run.subruns == ()
    story.begin_child(1).log(f.TestsCounted(offset=0, spec="a.cy.ts", passed=1))
    assert story.run.subruns[0].children[0].specs == ()


def test_names_of_failing_and_flaky_tests_belong_to_the_spec_that_runs() -> None:
    story = (
        Story()
        .started()
        .begin_child(1)
        .log(
            f.TestFailed(offset=0, title="before any spec", error=""),
            f.SpecStarted(offset=0, spec="redhat9.6.cy.ts", position=1, total=1),
            f.TestFailed(offset=0, title="adds", error="boom"),
            f.TestFlaky(offset=0, title="cuts over"),
        )
    )
    spec = story.view.subruns[0].specs[0]

    assert [(failure.title, failure.error) for failure in spec.failures] == [("adds", "boom")]
    assert spec.flaky == ("cuts over",)
    assert story.view.ledger.flaky == 1


def test_of_two_boxes_for_one_spec_the_failing_one_is_believed() -> None:
    box = {
        spec: f.SpecReported(offset=0, spec="a.cy.ts", counts=found)
        for spec, found in (("good", GREEN), ("bad", counts(3, 1)))
    }
    begun = f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1)
    first_good = Story(hosts=()).started().begin_child(1).log(begun, box["good"], box["bad"])
    first_bad = Story(hosts=()).started().begin_child(1).log(begun, box["bad"], box["good"])

    for story in (first_good, first_bad):
        assert [spec.detail for spec in story.view.subruns[0].specs] == ["failed"]


def test_a_box_or_a_row_of_a_spec_whose_start_was_lost_is_kept() -> None:
    story = (
        Story(hosts=())
        .started()
        .begin_child(2)
        .log(
            f.SpecReported(offset=0, spec="a.cy.ts", counts=GREEN, duration_s=1.0),
            f.RunFinished(offset=0),
            f.SpecSummarised(offset=0, spec="a.cy.ts", mark="passed", counts=GREEN, duration_s=1.0),
            f.SpecSummarised(offset=0, spec="b.cy.ts", mark="skipped", counts=counts(), skipped=True),
        )
    )

    assert [(spec.spec, spec.detail) for spec in story.view.subruns[0].specs] == [
        ("a.cy.ts", "completed"),
        ("b.cy.ts", "skipped"),
    ]


def test_a_row_has_the_duration_that_no_box_had() -> None:
    story = (
        Story(hosts=())
        .started()
        .begin_child(1)
        .log(
            f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1),
            f.RunFinished(offset=0),
            f.SpecSummarised(offset=0, spec="e2e/a.cy.ts", mark="passed", counts=GREEN, duration_s=7.0),
        )
    )

    assert story.view.subruns[0].specs[0].duration_s == 7.0


def test_errors_of_children_that_never_started_are_distinguished_by_their_command_lines() -> None:
    error = f.ErrorReported(offset=0, code="no-specs-found", scope="run", text="x")
    story = Story().started()
    for host in ("redhat9.6", "ubuntu24.04"):
        story.log(f.ChildLaunched(offset=0, label=f"e2e-{host}-fc"), error)
    story.log(error).end(1)

    assert [subrun.label for subrun in story.view.subruns] == ["e2e-redhat9.6-fc", "e2e-ubuntu24.04-fc"]
    assert len(story.run.subruns[1].children[0].errors) == 2


def test_an_error_of_a_spec_without_a_spec_is_an_error_of_the_child() -> None:
    error = f.ErrorReported(offset=0, code="browser-not-connected", scope="spec", text="x")
    story = Story(hosts=()).started().begin_child(1).log(error).end(1)

    assert story.ending == ("FAILED", "browser-not-connected")


def test_a_wrapper_that_calls_cypress_per_spec_is_one_sub_run_up_to_its_own_end_line() -> None:
    story = (
        Story()
        .started()
        .log(
            f.ChildLaunched(offset=0, label="e2e-redhat9.6-ubuntu24.04-fc"),
            f.WrapperStarted(offset=0, wrapper="cypress-cloud", total=2, group="g"),
        )
    )
    story.child(FIRST).child(SECOND).tick(60)
    assert story.subruns == [("RUNNING", "running")]
    story.log(f.WrapperFinished(offset=0, wrapper="cypress-cloud")).tick(10)

    assert story.subruns == [("COMPLETED", "all-passed")]
    assert story.view.ledger.planned_source == "wrapper"
    assert story.view.subruns[0].label == "e2e-redhat9.6-ubuntu24.04-fc"


def test_a_wrapper_that_stops_midway_has_missing_results() -> None:
    story = (
        Story(hosts=()).started().log(f.WrapperStarted(offset=0, wrapper="cypress-cloud", total=1, group="g"))
    )
    story.child(FIRST).end(0)

    assert story.ending == ("FAILED", "results-missing")
    assert story.view.subruns[0].label == "g"


def test_a_wrapper_in_a_run_that_is_not_categorized_belongs_to_its_only_sub_run() -> None:
    story = (
        Story(categorized=False).started().log(f.WrapperStarted(offset=0, wrapper="cypress-cloud", total=2))
    )
    story.child(FIRST).child(SECOND).log(f.WrapperFinished(offset=0, wrapper="cypress-cloud")).end(0)

    assert story.ending == ("COMPLETED", "all-passed")


def test_wrappers_one_after_another_in_one_sub_run_add_up() -> None:
    begin = f.WrapperStarted(offset=0, wrapper="cypress-cloud", total=2)
    end = f.WrapperFinished(offset=0, wrapper="cypress-cloud")
    story = Story(categorized=False, hosts=()).started()
    story.log(begin).child(("a.cy.ts", GREEN)).log(end, begin).child(("b.cy.ts", GREEN)).child(
        ("c.cy.ts", GREEN)
    ).log(end)

    assert story.end(0).ending == ("FAILED", "results-missing")
    assert story.view.ledger.planned == 4


def test_a_progress_line_of_the_runner_is_kept() -> None:
    story = Story().started().log(f.RunnerProgressed(offset=0, text="restoring machines"))

    assert story.run.last_progress_text == "restoring machines"


def test_what_is_not_kept_cannot_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_facts, "SUBRUNS_MAX", 3)
    for categorized in (True, False):
        story = Story(hosts=(), categorized=categorized).started()
        for _ in range(4):
            story.child(("a.cy.ts", GREEN))

        assert story.end(0).ending == ("FAILED", "results-missing")


@given(st.integers(0, 8), st.integers(0, 8))
@settings(max_examples=30, deadline=None)
def test_specs_beyond_the_limit_are_missing_and_never_passed(kept: int, more: int) -> None:
    limit = summary_facts.SPECS_MAX
    summary_facts.SPECS_MAX = max(kept, 1)
    try:
        total = max(kept, 1) + more
        specs = [(f"s{n}.cy.ts", GREEN) for n in range(total)]
        story = Story(hosts=()).started().child(*specs).end(0)
    finally:
        summary_facts.SPECS_MAX = limit

    assert story.view.ledger.planned == total
    assert (story.ending[0] == "COMPLETED") == (more == 0)


def test_two_spellings_name_one_spec_only_where_a_directory_ends() -> None:
    assert same_spec("cypress/e2e/a.cy.ts", "a.cy.ts")
    assert same_spec("e2e\\a.cy.ts", "e2e/a.cy.ts")
    assert not same_spec("e2e/aa.cy.ts", "a.cy.ts")
    assert BEGIN.tzinfo is not None


def test_a_child_that_was_not_seen_before_reopens_a_finished_run() -> None:
    story = Story(hosts=()).started().begin_child(1).exit(0).tick(3)
    assert last_child(story).ended_by == "runner-over"
    story.processes(CYPRESS).tick(30)
    assert story.ending[0] == "RUNNING"
    story.spec(*FIRST).summary(FIRST).processes().tick(20)

    assert story.ending == ("COMPLETED", "all-passed")


def test_a_process_that_shows_itself_after_the_verdict_of_its_sub_run_changes_nothing() -> None:
    story = Story(hosts=()).started().begin_child(1).exit(0).tick(30)
    before = story.ending
    story.processes(CYPRESS).tick(30)

    assert story.ending == before


def test_a_process_that_shows_itself_before_any_line_takes_back_that_the_run_was_over() -> None:
    story = Story(hosts=()).started().exit(0).tick(3)
    assert story.run.over_watched_s is not None
    story.processes(CYPRESS).tick(30)

    assert story.run.over_watched_s is None
    assert story.ending[0] == "RUNNING"


def test_a_run_that_is_reopened_keeps_the_verdicts_of_its_sub_runs() -> None:
    story = Story(hosts=()).started().begin_child(1).exit(0).tick(30)
    before = replace(story.run, verdict=None)
    reopened = children.reopen(before)

    assert before.over_watched_s is not None
    assert reopened.over_watched_s is None
    assert reopened.subruns == before.subruns
    assert reopened.subruns[0].result is not None


def test_a_summary_without_totals_is_waited_for_again_when_its_process_shows_itself() -> None:
    story = (
        Story(hosts=())
        .started()
        .begin_child(1)
        .log(f.RunFinished(offset=0))
        .exit(0)
        .tick(1)
        .processes(CYPRESS)
    )

    assert last_child(story).stage is Stage.SUMMARISED


def test_the_group_of_the_header_box_picks_its_command_line_among_several() -> None:
    launches = [
        f.ChildLaunched(offset=0, label=label) for label in ("e2e-redhat9.6-fc", "e2e-ubuntu24.04-fc")
    ]
    story = Story().started().log(*launches)
    story.begin_child(1, group="e2e-ubuntu24.04-fc").spec(*SECOND).summary(SECOND)
    story.begin_child(1, group="e2e-redhat9.6-fc").spec(*FIRST).summary(FIRST)

    assert [subrun.label for subrun in story.view.subruns] == ["e2e-ubuntu24.04-fc", "e2e-redhat9.6-fc"]
    assert story.run.launched == ()


def test_a_command_line_that_a_test_prints_starts_nothing() -> None:
    story = (
        Story(hosts=())
        .started()
        .begin_child(1)
        .log(f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1))
    )
    story.log(f.ChildLaunched(offset=0, label="x"))

    assert story.run.launched == ()


def test_an_error_that_a_test_may_have_printed_counts_only_without_the_childs_own_summary() -> None:
    error = f.ErrorReported(
        offset=0, code="cypress-not-installed", scope="run", text="Cypress failed to start."
    )
    begun = f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1)
    box = f.SpecReported(offset=0, spec="a.cy.ts", counts=GREEN)
    healthy = (
        Story(hosts=()).started().begin_child(1).log(begun, error, box).summary(("a.cy.ts", GREEN)).end(0)
    )
    dead = Story(hosts=()).started().begin_child(1).log(begun, error)
    assert not dead.view.failing

    assert healthy.ending == ("COMPLETED", "all-passed")
    assert dead.end(1).ending == ("FAILED", "cypress-not-installed")


def test_what_fails_after_a_verdict_fails_the_run_and_is_reported_at_its_end() -> None:
    error = f.ErrorReported(offset=0, code="cypress-signalled", scope="run", text="event with signal SIGSEGV")
    story = Story(hosts=()).started().child(("a.cy.ts", GREEN)).tick(11).settle().log(error).end(0)

    assert story.subruns == [("COMPLETED", "all-passed")]
    assert story.ending == ("FAILED", "cypress-signalled")
    assert story.view.post is not None


def test_a_header_box_without_a_child_changes_nothing() -> None:
    assert Story().started().log(f.ChildDescribed(offset=0, specs_found=1)).run.subruns == ()


def test_a_finished_child_stays_finished_when_its_process_lingers() -> None:
    story = Story(hosts=()).started().child(("a.cy.ts", GREEN)).exit(0).tick(1).processes(CYPRESS).tick(30)
    assert story.ending[0] == "RUNNING"
    story.processes().tick(10)

    assert last_child(story).ended_by == "totals-reported"
    assert story.ending == ("COMPLETED", "all-passed")


def test_a_late_failure_next_to_a_failed_group_is_reported_at_the_end_too() -> None:
    error = f.ErrorReported(offset=0, code="cypress-signalled", scope="run", text="event with signal SIGSEGV")
    story = Story(hosts=()).started().child(("a.cy.ts", counts(3, 1))).tick(11).settle()
    story.child(("b.cy.ts", GREEN)).tick(11).settle().log(error).end(1)

    assert story.subruns == [("FAILED", "tests-failed"), ("COMPLETED", "all-passed")]
    assert story.view.post is not None


def test_a_recorded_run_line_alone_ends_a_child() -> None:
    story = Story().started().begin_child(1).spec(*FIRST).log(f.RunRecorded(offset=0, url="u"))

    assert last_child(story).stage is Stage.ENDED


def test_a_summary_without_a_totals_row_ends_with_the_runner() -> None:
    story = Story().started().begin_child(1).log(f.RunFinished(offset=0)).exit(0)

    assert last_child(story).ended_by == "runner-over"


def test_wrappers_beyond_the_limit_are_not_kept_and_cannot_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_facts, "SUBRUNS_MAX", 2)
    begin = f.WrapperStarted(offset=0, wrapper="cypress-cloud", total=1)
    end = f.WrapperFinished(offset=0, wrapper="cypress-cloud")
    story = Story(hosts=()).started()
    for _ in range(5):
        story.log(begin).child(("a.cy.ts", GREEN)).log(end)

    assert len(story.run.subruns) == 2
    assert story.end(0).ending == ("FAILED", "results-missing")


def test_a_summary_that_is_read_while_a_spec_is_open_waits_for_the_childs_end() -> None:
    row = f.SpecSummarised(offset=0, spec="a.cy.ts", mark="passed", counts=GREEN, within="a.cy.ts")
    totals = f.TotalsReported(offset=0, verdict="passed", counts=GREEN, within="a.cy.ts")
    story = Story(hosts=()).started().begin_child(1)
    story.log(f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1), row, totals)

    assert story.view.subruns[0].specs[0].detail == "no_report"
    assert story.view.phase == "RUNNING"
    story.report("a.cy.ts", GREEN).end(0)
    assert story.ending == ("COMPLETED", "all-passed")


def test_of_many_lines_that_fit_nowhere_the_failing_ones_are_kept() -> None:
    story = Story(hosts=()).started().child(("a.cy.ts", GREEN))
    line = f.LineUnplaced(offset=0, kind="row", text="w2k25.cy.ts")
    story.log(*(replace(line, failing=number % 2 == 0) for number in range(300)))
    kept = story.run.subruns[0].children[0].unplaced

    assert len(kept) == RUN_UNPLACED_MAX
    assert all(one.failing for one in kept)
