"""The verdict table, row by row, for a complete run; each test checks the text that a user reads."""

from pathlib import Path

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import RunnerVanished, StopRequest
from atvm_pipeline.core.transitions import RUN_VERDICTS
from tests.support.run_builder import BEGIN, BROWSER, CYPRESS, RUNNER, Story, counts

GREEN = counts(4)
RED = counts(3, 1)
FIRST = ("redhat9.6.cy.ts", GREEN)
SECOND = ("ubuntu24.04.cy.ts", GREEN)
CHECK = ("check-xml-files.ts", counts(1))


def green(**options: object) -> Story:
    """Return a run whose two groups both ran and passed."""
    story = Story(**options).started()  # type: ignore[arg-type]
    story.child(FIRST, CHECK, label="e2e-redhat9.6-fc").tick(11)
    return story.child(SECOND, CHECK, label="e2e-ubuntu24.04-fc").tick(11)


def test_row_1_a_cancel_before_the_end_is_cancelled_even_with_a_certain_failure() -> None:
    story = Story().started().child(("redhat9.6.cy.ts", RED), label="e2e-redhat9.6-fc").tick(11)
    story.begin_child(1).cancel()

    assert story.ending == ("CANCELLED", "cancel-requested")
    assert story.subruns == [("FAILED", "tests-failed"), ("CANCELLED", "cancel-requested")]
    assert "alice" in story.view.reason["text"]


def test_row_1_a_cancel_between_the_end_and_the_verdict_still_counts() -> None:
    story = green(categorized=False).exit(0).cancel()

    assert story.ending == ("CANCELLED", "cancel-requested")
    assert story.posts == []


def test_a_cancel_after_the_verdict_changes_nothing() -> None:
    story = green().end()
    before = story.view
    story.cancel()

    assert story.ending == ("COMPLETED", "all-passed")
    assert story.view.cancelled is None
    assert story.run.ignored == 1
    assert before.subruns == story.view.subruns


def test_row_2_a_limit_makes_it_hung_before_anything_that_failed() -> None:
    story = (
        Story().started().child(("redhat9.6.cy.ts", RED), label="e2e-redhat9.6-fc").begin_child(1).tick(43200)
    )

    assert story.ending == ("HUNG", "stalled")
    assert story.subruns == [("FAILED", "tests-failed"), ("HUNG", "stalled")]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"signal": "SIGKILL"}, "runner-signalled"),
        ({"code": 0, "stop_requested": True}, "runner-stopped"),
        ({"service_result": "oom-kill", "signal": "SIGKILL"}, "out-of-memory"),
        ({"code": 1, "service_result": "timeout"}, "runner-signalled"),
    ],
)
def test_row_3_an_end_from_outside_is_terminated(record: dict[str, object], code: str) -> None:
    story = Story().started().child(FIRST, label="e2e-redhat9.6-fc").tick(11).begin_child(1)
    story.end(record.pop("code", None), **record)  # type: ignore[arg-type]

    assert story.ending == ("TERMINATED", code)
    assert story.subruns == [("COMPLETED", "all-passed"), ("TERMINATED", code)]
    assert len(story.posts) == 1


def test_row_3_a_shells_exit_code_for_a_signal_counts_only_while_something_is_unfinished() -> None:
    killed = Story().started().begin_child(1).end(137)
    counted = Story().started().child(("redhat9.6.cy.ts", counts(0, 137)), label="x-redhat9.6").end(137)

    assert killed.ending == ("TERMINATED", "runner-signalled")
    assert "SIGKILL" in killed.view.reason["text"]
    assert counted.ending == ("FAILED", "tests-failed")


@pytest.mark.parametrize(("rebooted", "code"), [(False, "runner-vanished"), (True, "host-rebooted")])
def test_row_3_a_runner_that_is_gone_without_a_record_is_terminated_if_something_is_unfinished(
    rebooted: bool, code: str
) -> None:
    story = Story().started().begin_child(2).vanish(rebooted=rebooted).tick(20)

    assert story.ending == ("TERMINATED", code)


@pytest.mark.parametrize("rebooted", [False, True])
@pytest.mark.parametrize("finished", [False, True])
def test_row_3_a_requested_stop_without_a_record_is_a_stop_whatever_had_run(
    finished: bool, rebooted: bool
) -> None:
    story = green() if finished else Story().started().begin_child(2)
    before = story.subruns if finished else [("TERMINATED", "runner-stopped")]
    story.vanish(rebooted=rebooted, stop_requested=True).tick(20)

    assert story.ending == ("TERMINATED", "runner-stopped")
    assert story.subruns == before
    assert {"kind": "marker", "path": "stop.json"} in story.view.reason["evidence"]


@pytest.mark.parametrize("vanishes", [False, True])
@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (None, "The runner was stopped on request."),
        (
            StopRequest(who="alice", requested_at=BEGIN),
            "The runner was stopped on request (alice, 2026-11-23 10:00:00 +0000).",
        ),
        (
            StopRequest(who="", why="host is\nneeded", requested_at=BEGIN),
            "The runner was stopped on request (unknown user, 2026-11-23 10:00:00 +0000: host is needed).",
        ),
    ],
)
def test_a_requested_stop_names_who_requested_it_when_and_why(
    stop: StopRequest | None, words: str, vanishes: bool
) -> None:
    story = Story().started().begin_child(2)
    if vanishes:
        story.feed(RunnerVanished(at=BEGIN, stop_requested=True, stop=stop)).tick(20)
    else:
        story.end(0, stop_requested=True, stop=stop)

    assert story.view.reason["text"] == words


def test_a_requested_stop_of_a_run_that_was_evaluated_changes_nothing() -> None:
    story = green().vanish().tick(20)
    before = story.view
    story.vanish(stop_requested=True).tick(20)

    assert story.ending == ("COMPLETED", "all-passed")
    assert story.view.reason == before.reason


def test_a_runner_that_is_gone_without_a_record_when_a_requested_host_is_missing_is_terminated() -> None:
    story = Story().started().child(FIRST, label="e2e-redhat9.6-fc").tick(11).vanish().tick(20)

    assert story.ending == ("TERMINATED", "runner-vanished")
    assert story.subruns == [("COMPLETED", "all-passed")]


def test_a_runner_that_is_gone_without_a_record_when_all_is_finished_leaves_the_word_to_the_log() -> None:
    story = green().vanish().tick(20)

    assert story.ending == ("COMPLETED", "all-passed")
    assert "exit code is unknown" in story.view.reason["text"]


@pytest.mark.parametrize(
    ("spec", "code"),
    [(("redhat9.6.cy.ts", RED), "tests-failed"), (("redhat9.6.cy.ts", counts(0, 1)), "tests-failed")],
)
def test_row_4_a_failing_spec_fails_the_run_whatever_the_exit_code_states(
    spec: tuple[str, object], code: str
) -> None:
    story = (
        Story()
        .started()
        .child(spec, label="e2e-redhat9.6-fc")
        .child(SECOND, label="e2e-ubuntu24.04-fc")
        .end(0)
    )  # type: ignore[arg-type]

    assert story.ending == ("FAILED", code)
    assert story.view.reason["evidence"][0]["kind"] == "log"
    assert "1 of 2 sub-runs failed" in story.view.reason["text"]


def test_row_4_a_crashed_spec_fails_it() -> None:
    story = Story(categorized=False, hosts=()).started().begin_child(1)
    story.log(
        f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1),
        f.ErrorReported(
            offset=0, code="spec-crashed", scope="spec", text="the Chromium Renderer process just crashed"
        ),
        f.SpecReported(offset=0, spec="a.cy.ts", counts=counts(0, 1)),
    ).summary(("a.cy.ts", counts(0, 1))).end(1)

    assert story.ending == ("FAILED", "spec-crashed")
    assert story.view.ledger.crashed == 1
    assert story.view.failing


def test_row_4_an_early_end_names_its_own_code_and_what_ran_before() -> None:
    story = Story(categorized=False, hosts=()).started().begin_child(3)
    story.spec("a.cy.ts", GREEN, 1, 3)
    story.log(
        f.ErrorReported(offset=0, code="record-server-error", scope="run", text="We encountered ...")
    ).end(1)

    assert story.ending == ("FAILED", "record-server-error")
    assert (story.view.ledger.passed, story.view.ledger.not_run) == (1, 2)


def test_row_4_an_error_before_any_run_starts_is_a_sub_run_of_its_own() -> None:
    error = f.ErrorReported(
        offset=0, code="no-specs-found", scope="run", text="Can't run because no spec files were found."
    )
    story = Story().started().log(f.ChildLaunched(offset=0, label="e2e-redhat9.6-fc"), error).end(1)

    assert story.ending == ("FAILED", "no-specs-found")
    assert story.subruns == [("FAILED", "no-specs-found")]
    assert story.view.subruns[0].label == "e2e-redhat9.6-fc"


def test_row_4_a_canceled_recorded_run_fails_by_its_totals_row_or_its_last_line() -> None:
    by_row = (
        Story(hosts=())
        .started()
        .begin_child(1)
        .log(f.RunFinished(offset=0), f.TotalsReported(offset=0, verdict="canceled", counts=counts()))
    )
    by_line = (
        Story(hosts=())
        .started()
        .child(FIRST)
        .log(
            f.ErrorReported(
                offset=0, code="run-canceled", scope="run", text="Exiting with non-zero exit code because ..."
            )
        )
    )

    assert by_row.end(1).ending == ("FAILED", "run-canceled")
    assert by_line.end(1).ending == ("FAILED", "run-canceled")
    assert len(by_line.subruns) == 1


def test_row_4_a_signal_of_cypress_is_named_and_its_spec_has_crashed() -> None:
    story = Story(categorized=False, hosts=()).started().begin_child(1)
    story.log(
        f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1),
        f.ErrorReported(
            offset=0,
            code="cypress-signalled",
            scope="run",
            text="unexpectedly exited via a exit event with signal SIGSEGV",
        ),
    ).end(1)

    assert story.ending == ("FAILED", "cypress-signalled")
    assert "SIGSEGV" in story.view.reason["text"]
    assert story.view.ledger.crashed == 1


def test_row_4_only_the_totals_row_knows_of_a_failure() -> None:
    story = Story(categorized=False, hosts=()).started().begin_child(1).spec("a.cy.ts", GREEN)
    story.log(
        f.RunFinished(offset=0),
        f.TotalsReported(offset=0, verdict="failed", failed=1, total=1, counts=counts(3, 1)),
    ).end(0)

    assert story.ending == ("FAILED", "tests-failed")
    assert "Only the totals row shows this" in story.view.reason["text"]


def test_row_4_a_spec_that_could_not_be_prepared_has_its_own_code() -> None:
    story = Story(categorized=False, hosts=()).started().begin_child(1)
    story.log(
        f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1),
        f.ErrorReported(offset=0, code="spec-compile-error", scope="spec", text="Oops..."),
        f.SpecReported(offset=0, spec="a.cy.ts", counts=counts(0, 1)),
    ).summary(("a.cy.ts", counts(0, 1))).end(1)

    assert story.ending == ("FAILED", "spec-compile-error")


def test_row_4a_a_log_that_stops_midway_with_an_assumed_end_proves_nothing() -> None:
    cut = Story(offline=True, hosts=()).begin_child(2).end(None, assumed=True)
    empty = Story(offline=True, hosts=()).end(None, assumed=True)
    failed = Story(offline=True, hosts=()).begin_child(2).spec("a.cy.ts", RED, 1, 2).end(None, assumed=True)

    assert cut.ending == ("UNKNOWN", "no-evidence")
    assert cut.subruns == [("UNKNOWN", "no-evidence")]
    assert empty.ending == ("UNKNOWN", "no-evidence")
    assert failed.ending == ("FAILED", "tests-failed")


def test_an_assumed_end_of_a_complete_log_is_evaluated_and_states_that_it_was_assumed() -> None:
    story = green(offline=True).end(None, assumed=True)

    assert story.ending == ("COMPLETED", "all-passed")
    assert "assumed" in story.view.reason["text"]


def test_row_5_a_group_that_never_ran_fails_the_run_and_is_reported_by_a_closing_post() -> None:
    story = Story().started().child(FIRST, label="e2e-redhat9.6-fc").tick(11).settle().end(0)

    assert story.ending == ("FAILED", "host-pending")
    assert "ubuntu24.04" in story.view.reason["text"]
    assert story.view.post is not None
    assert (story.view.ledger.planned, story.view.ledger.not_run) == (2, 1)


def test_row_5_specs_of_other_hosts_are_wrong_hosts() -> None:
    story = Story().started().child(("sles15.5.cy.ts", GREEN), label="e2e-sles15.5-fc").tick(11).end(0)

    assert story.ending == ("FAILED", "wrong-hosts")
    assert "sles15.5" in story.view.reason["text"]


def test_row_5_a_planned_spec_without_a_result_fails_its_sub_run() -> None:
    story = Story().started().begin_child(2)
    story.spec("redhat9.6.cy.ts", GREEN, 1, 2).summary(FIRST).tick(11)

    assert story.subruns == [("FAILED", "results-missing")]
    assert "1 of 2" in story.view.subruns[0].reason["text"]


def test_row_5_an_unfinished_sub_run_of_a_runner_that_ended_by_itself_has_missing_results() -> None:
    story = Story(hosts=()).started().begin_child(1).spec("a.cy.ts", GREEN).end(0)
    begun = Story(hosts=()).started().begin_child(1).end(0)

    assert story.ending == ("FAILED", "results-missing")
    assert "final table" in story.view.reason["text"]
    assert begun.ending == ("FAILED", "results-missing")


def test_row_5_a_host_with_only_pending_tests_is_pending() -> None:
    story = (
        Story()
        .started()
        .child(("redhat9.6.cy.ts", counts(pending=3)), CHECK, label="e2e-redhat9.6-fc")
        .tick(11)
    )

    assert story.subruns == [("FAILED", "host-pending")]
    assert story.view.subruns[0].hosts[0].detail == "pending"


@pytest.mark.parametrize("categorized", [True, False])
def test_row_5_a_summary_without_a_table_means_that_nothing_ran(categorized: bool) -> None:
    story = (
        Story(hosts=(), categorized=categorized).started().begin_child(2).log(f.RunFinished(offset=0)).end(0)
    )

    assert story.ending == ("FAILED", "nothing-ran")


def test_row_5_all_specs_passed_over_zero_tests_is_no_pass() -> None:
    story = Story(hosts=()).started().child(("a.cy.ts", counts()), ("b.cy.ts", counts())).end(0)

    assert story.ending == ("FAILED", "nothing-ran")
    assert story.view.ledger.not_run == 2


def test_row_5_only_pending_specs_are_no_pass_where_no_host_was_requested() -> None:
    story = Story(hosts=()).started().child(("a.cy.ts", counts(pending=2))).end(0)

    assert story.ending == ("FAILED", "nothing-ran")


def test_row_5_requested_hosts_and_not_one_line_of_cypress() -> None:
    story = Story().started().noise().end(3)

    assert story.ending == ("FAILED", "nothing-ran")
    assert "exit code 3" in story.view.reason["text"]


def test_row_5_a_command_that_could_not_be_started() -> None:
    story = Story().end(None, error="no such directory")

    assert story.ending == ("FAILED", "runner-not-started")
    assert story.view.post is not None


def test_row_6_an_exit_code_that_nothing_explains_fails_the_run() -> None:
    story = green().end(3)

    assert story.ending == ("FAILED", "runner-failed")
    assert story.view.reason["evidence"][0]["kind"] == "exit"
    assert story.view.post is not None


def test_row_7_a_run_without_evidence_is_unknown_and_not_posted() -> None:
    story = Story(hosts=(), build="nightly").started().noise().end(0)

    assert story.ending == ("UNKNOWN", "no-evidence")
    assert story.posts == []


def test_row_6a_reports_without_a_line_of_cypress_prove_nothing() -> None:
    story = Story(hosts=(), categorized=False).started().report("redhat9.6.cy.ts", GREEN).end(0)

    assert story.ending == ("UNKNOWN", "no-summary")
    assert "1 fresh report" in story.view.reason["text"]
    assert story.subruns == [("UNKNOWN", "no-summary")]


@pytest.mark.parametrize("categorized", [True, False])
def test_row_7_a_runner_that_never_came_is_unknown(categorized: bool) -> None:
    story = Story(categorized=categorized).tick(3599)
    assert story.ending == ("PENDING", "pending")
    story.tick(1)

    assert story.ending == ("UNKNOWN", "runner-never-started")


def test_row_8_everything_passed() -> None:
    story = green().end(0)

    assert story.ending == ("COMPLETED", "all-passed")
    assert story.subruns == [("COMPLETED", "all-passed")] * 2
    assert story.view.post is None
    assert not story.view.failing


def test_a_run_continues_while_a_cypress_child_lives_after_its_runner() -> None:
    story = Story().started().child(FIRST, label="e2e-redhat9.6-fc").tick(11).begin_child(1)
    story.processes(RUNNER, CYPRESS, BROWSER).exit(0, survivors=(CYPRESS, BROWSER)).tick(60)
    assert story.ending[0] == "RUNNING"
    story.spec("ubuntu24.04.cy.ts", GREEN).summary(SECOND).processes().tick(20)

    assert story.ending == ("COMPLETED", "all-passed")


def test_every_row_has_a_condition_and_a_test_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")

    for row in RUN_VERDICTS:
        assert f"test_row_{row.number}_" in source


def test_row_6_a_record_without_an_exit_code_is_no_zero() -> None:
    failed = green().end(None, service_result="exit-code")
    silent = green().end(None)

    assert failed.ending == ("FAILED", "runner-failed")
    assert silent.ending == ("COMPLETED", "all-passed")
    assert "exit code is unknown" in silent.view.reason["text"]
