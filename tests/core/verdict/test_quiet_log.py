"""A log that proves nothing, because of `--quiet` or unreadable lines. The reports alone decide, by a strict rule."""

from typing import Any

import pytest
from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from tests.support.run_builder import Story, counts

HOST, CHECK = "redhat9.6.cy.ts", "check-xml-files.ts"
PLANNED = (f"cypress/e2e/{HOST}", f"cypress/e2e/{CHECK}")


def quiet(planned: tuple[str, ...] | None = PLANNED, **more: Any) -> Story:
    """Return a run whose log contains two epilogues."""
    story = Story(hosts=("redhat9.6",), **more)
    story.run = replace(story.run, request=replace(story.run.request, planned_specs=planned))
    return story.started().log(f.EpilogueRead(offset=0, passing=3), f.EpilogueRead(offset=0, passing=1))


@pytest.mark.parametrize("categorized", [False, True])
def test_reports_for_every_planned_spec_prove_a_pass(*, categorized: bool) -> None:
    story = quiet(categorized=categorized).report(HOST, counts(3)).report(CHECK, counts(1)).end(0)

    assert story.ending == ("COMPLETED", "all-passed")
    assert (story.view.ledger.planned, story.view.ledger.passed) == (2, 2)
    assert story.view.ledger.planned_source == "reports"
    assert "Only the reports prove it" in story.view.reason["text"]
    assert [one["kind"] for one in story.view.reason["evidence"]] == ["artifact", "artifact"]
    assert len(story.posts) == 1


def missing(story: Story) -> Story:
    return story.report(HOST, counts(3)).end(0)


def pending(story: Story) -> Story:
    return story.report(HOST, counts(pending=3)).report(CHECK, counts(1)).end(0)


def no_exit(story: Story) -> Story:
    return story.report(HOST, counts(3)).report(CHECK, counts(1)).end(0, assumed=True)


def stale(story: Story) -> Story:
    return story.report(HOST, counts(3), stale=True).report(CHECK, counts(1)).end(0)


@pytest.mark.parametrize("end", [missing, pending, stale])
def test_less_than_that_proves_nothing(end: Any) -> None:
    story = end(quiet())

    assert story.ending == ("UNKNOWN", "no-summary")
    assert story.view.ledger.not_run == 0


def test_a_requested_host_without_a_planned_spec_is_no_pass() -> None:
    story = quiet(PLANNED[1:]).report(HOST, counts(3)).report(CHECK, counts(1)).end(0)

    assert story.ending == ("UNKNOWN", "no-summary")


def test_an_assumed_exit_code_and_an_unknown_spec_pattern_prove_nothing() -> None:
    assert no_exit(quiet()).ending[0] == "UNKNOWN"
    unknown = quiet(None).report(HOST, counts(3)).report(CHECK, counts(1)).end(0)
    assert unknown.ending == ("UNKNOWN", "no-summary")
    assert "2 fresh reports without a failure" in unknown.view.reason["text"]


def test_a_failing_report_of_a_requested_host_or_of_the_check_fails_the_run() -> None:
    for spec in (HOST, CHECK):
        story = quiet().report(spec, counts(1, 1)).end(0)

        assert story.ending == ("FAILED", "tests-failed")
        assert spec in story.view.reason["text"]
        assert "was not used" not in str(story.view)
        assert story.view.reason["evidence"][0]["kind"] == "artifact"


def test_a_failing_report_of_another_host_decides_nothing_while_hosts_are_requested() -> None:
    story = quiet().report("w2k25.cy.ts", counts(0, 1)).end(0)

    assert story.ending == ("UNKNOWN", "no-summary")
    alone = Story(hosts=()).started().report("w2k25.cy.ts", counts(0, 1)).end(0)
    assert alone.ending == ("FAILED", "tests-failed")


def test_a_report_without_a_spec_is_known_by_its_file_and_suites() -> None:
    def ending(path: str) -> str:
        return quiet().report("", counts(0, 1), path=path).end(0).ending[0]

    assert ending("cmcReporter/redhat9.6.xml") == "FAILED"
    assert ending("cmcReporter/results.xml") == "FAILED"


def test_an_epilogue_with_failures_fails_the_run_whatever_the_reports_state() -> None:
    story = quiet().log(f.EpilogueRead(offset=0, failing=2))
    story.report(HOST, counts(3)).report(CHECK, counts(1)).end(0)

    assert story.ending == ("FAILED", "tests-failed")
    assert "2 failing tests" in story.view.reason["text"]
    assert "--quiet" in story.view.reason["text"]


def test_a_bad_exit_code_fails_a_run_whose_log_proves_nothing() -> None:
    story = quiet().report(HOST, counts(3)).end(3)

    assert story.ending == ("FAILED", "runner-failed")
    assert "does not show the results of its specs" in story.view.reason["text"]


def test_an_error_next_to_green_reports_is_no_pass() -> None:
    story = quiet().log(
        f.ErrorReported(offset=0, code="cypress-signalled", scope="run", text="signal SIGKILL")
    )
    story.report(HOST, counts(3)).report(CHECK, counts(1)).end(0)

    assert story.ending == ("FAILED", "cypress-signalled")


@pytest.mark.parametrize("categorized", [False, True])
def test_cypresss_words_without_a_readable_line_are_reported_as_unreadable(*, categorized: bool) -> None:
    story = Story(hosts=("redhat9.6",), categorized=categorized, post_phases=("UNKNOWN",)).started()
    story.log(f.WordsUnread(offset=0, text='{"log":"  (Run Starting)\\n"}')).end(0)

    assert story.ending == ("UNKNOWN", "log-unreadable")
    assert '{"log":"  (Run Starting)' in story.view.reason["text"]
    assert len(story.posts) == 1
    failing = (
        Story(hosts=()).started().log(f.WordsUnread(offset=0, text="x")).report(HOST, counts(0, 1)).end(0)
    )
    assert failing.ending == ("FAILED", "tests-failed")
    assert "cannot be parsed" in failing.view.reason["text"]


def test_a_log_in_which_one_line_of_a_run_was_read_is_never_quiet() -> None:
    story = quiet().begin_child(2).end(0)

    assert story.ending[0] == "FAILED"


def test_a_failure_in_a_log_that_cannot_be_read_outweighs_green_reports() -> None:
    story = quiet().log(f.WordsUnread(offset=0, text="x  2 failing"))
    story.report(HOST, counts(3)).report(CHECK, counts(1)).end(0)

    assert story.ending == ("UNKNOWN", "log-unreadable")


def test_lines_of_another_run_that_cannot_be_read_allow_no_pass() -> None:
    story = Story(hosts=()).started().child(("a.cy.ts", counts(1)))
    story.log(f.WordsUnread(offset=0, text="b  │ Spec Ran: b.cy.ts │")).end(0)

    assert story.ending == ("UNKNOWN", "log-unreadable")
    assert "Some Cypress lines of the log could not be parsed" in story.view.reason["text"]
