"""Timeouts in watched time: silence with a cause is a hang, silence without one only requests attention."""

import pytest
from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.reducer import next_deadline
from tests.support.run_builder import BROWSER, CYPRESS, RUNNER, Story, counts

SPEC = f.SpecStarted(offset=0, spec="redhat9.6.cy.ts", position=1, total=2)


def running() -> Story:
    """Return a run whose spec is running and whose processes are all alive."""
    return (
        Story()
        .started()
        .processes(RUNNER, CYPRESS, BROWSER)
        .begin_child(2)
        .log(SPEC)
        .processes(RUNNER, CYPRESS, BROWSER)
    )


def test_an_hour_of_silence_with_a_healthy_tree_only_requests_attention() -> None:
    story = running().tick(3599)
    assert story.view.attention is None
    story.tick(1)

    assert story.ending[0] == "RUNNING"
    assert "redhat9.6.cy.ts" in str(story.view.attention)
    story.tick(100)
    assert len(story.run.notices) == 1
    story.noise()
    assert story.view.attention is None


def test_the_attention_about_a_silence_stays_true_while_the_silence_lasts() -> None:
    story = running().tick(3600)
    first = story.view.attention
    story.tick(3000)

    assert str(first).startswith(
        "No progress since 2026-11-23 10:00:00 +0000 (limit 1 h 00 min). The spec redhat9.6.cy.ts was running."
    )
    assert story.view.attention == first


def test_an_hour_of_silence_with_the_browser_gone_is_a_hang() -> None:
    story = running().processes(RUNNER, CYPRESS).tick(3600)

    assert story.ending == ("HUNG", "quiet-with-cause")
    assert "browser is gone" in story.view.reason["text"]
    assert "redhat9.6.cy.ts" in story.view.reason["text"]
    assert {item["kind"] for item in story.view.reason["evidence"]} == {"log", "clock", "process"}


def test_a_browser_that_was_seen_before_its_group_printed_anything_is_missed_when_it_is_gone() -> None:
    story = Story().started().child(("redhat9.6.cy.ts", counts(passing=1)), label="e2e-redhat9.6-fc")
    story.processes(RUNNER, CYPRESS, BROWSER).begin_child(2).log(SPEC)
    story.processes(RUNNER, CYPRESS).tick(3600)

    assert story.ending == ("HUNG", "quiet-with-cause")


def test_a_browser_of_the_group_before_that_ends_late_is_no_browser_of_the_next_group() -> None:
    story = Story().started().log(f.ChildLaunched(offset=0, label="e2e-redhat9.6-fc")).begin_child(1)
    story.processes(RUNNER, CYPRESS, BROWSER).spec("redhat9.6.cy.ts", counts(passing=1), 1, 1)
    story.summary(("redhat9.6.cy.ts", counts(passing=1)))
    story.begin_child(2).log(SPEC).processes(RUNNER, CYPRESS, BROWSER)
    story.processes(RUNNER, CYPRESS).tick(3600)

    # The next group may restore machines for hours before it opens a browser of its own.
    assert story.ending[0] == "RUNNING"


def test_an_hour_of_silence_with_every_process_stuck_is_a_hang() -> None:
    frozen = [replace(process, state="D") for process in (CYPRESS, BROWSER)]
    story = running().processes(RUNNER, *frozen, stuck=True).tick(3600)

    assert story.ending == ("HUNG", "quiet-with-cause")
    assert "state D" in story.view.reason["text"]


def test_a_cause_that_shows_itself_after_the_hour_makes_it_a_hang_at_once() -> None:
    story = running().tick(4000)
    assert story.ending[0] == "RUNNING"
    story.processes(RUNNER, CYPRESS)

    assert story.ending == ("HUNG", "quiet-with-cause")


def test_without_a_living_cypress_child_an_hour_of_silence_is_no_hang() -> None:
    story = running().processes(RUNNER).tick(3600)

    assert story.ending[0] == "RUNNING"


def test_between_groups_only_the_long_limit_counts() -> None:
    story = (
        Story().started().child(("redhat9.6.cy.ts", counts(4)), label="e2e-redhat9.6-fc").tick(11).settle()
    )
    story.processes(RUNNER, CYPRESS, BROWSER).processes(RUNNER, CYPRESS).tick(40000)
    assert story.ending[0] == "RUNNING"
    assert story.view.attention is None
    story.tick(3200)

    assert story.ending == ("HUNG", "stalled")
    assert "No Cypress child was running" in story.view.reason["text"]


def test_an_artifact_is_progress_and_a_stale_one_is_not() -> None:
    story = running().tick(3000).report("redhat9.6.cy.ts", counts(4)).tick(3000)
    assert story.view.attention is None
    story.report("old.cy.ts", counts(4), stale=True).tick(600)

    assert story.view.attention is not None


def test_the_total_limit_counts_from_the_runners_first_sign() -> None:
    story = Story(total_limit_s=100.0).tick(50).started().begin_child(1).tick(99)
    assert story.ending[0] == "RUNNING"
    assert next_deadline(story.run) == pytest.approx(150.0)
    story.tick(1)

    assert story.ending == ("HUNG", "total-limit")


def test_a_run_that_is_over_cannot_hang_any_more() -> None:
    story = Story(settle_s=50000.0, hosts=()).started().child(("a.cy.ts", counts(1))).exit(0).tick(45000)
    assert story.ending[0] == "RUNNING"
    story.tick(5000)

    assert story.ending == ("COMPLETED", "all-passed")


def test_a_short_stall_limit_does_not_end_a_run_that_waits_for_its_runner() -> None:
    story = Story(stall_limit_s=10.0).tick(100)

    assert story.ending == ("PENDING", "pending")


def test_the_next_deadline_is_the_first_moment_at_which_time_matters() -> None:
    story = Story()
    assert next_deadline(story.run) == pytest.approx(3600.0)
    story.tick(5).started().begin_child(1)
    assert next_deadline(story.run) == pytest.approx(3605.0)
    story.log(f.RunFinished(offset=0))
    assert next_deadline(story.run) == pytest.approx(15.0)
    story.tick(10)
    assert next_deadline(story.run) == pytest.approx(25.0)
    story.tick(10).settle()
    assert next_deadline(story.run) == pytest.approx(5 + 43200.0)
    story.exit(0)
    assert next_deadline(story.run) == pytest.approx(35.0)
    story.tick(10)
    assert next_deadline(story.run) is None


def test_an_unfinished_group_settles_after_the_runners_end() -> None:
    story = Story().started().begin_child(1).exit(0)

    assert next_deadline(story.run) == pytest.approx(10.0)


def test_a_quiet_run_with_no_spec_running_reports_it() -> None:
    story = Story(hosts=()).started().begin_child(2).spec("a.cy.ts", counts(1), 1, 2).tick(3600)

    assert "No spec was running" in str(story.view.attention)
