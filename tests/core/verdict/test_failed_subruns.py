"""The number of failed sub-runs, and the text that the closing message adds to their messages."""

from typing import Any

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import LogReplaced
from atvm_pipeline.core.facts import Counts
from tests.support.run_builder import Story, counts

GREEN = counts(4)
RED = counts(3, 1)
CHECK = "check-xml-files.ts"
FIRST, SECOND = "redhat9.6.cy.ts", "ubuntu24.04.cy.ts"
SIGNALLED = f.ErrorReported(offset=0, code="cypress-signalled", scope="run", text="signal SIGSEGV")
SKIPPED_ROW = f.SpecSummarised(offset=0, spec="b.cy.ts", mark="skipped", counts=counts(), skipped=True)


def group(story: Story, host: str, found: Counts, **more: Any) -> Story:
    """Run one group of a categorized run to its end and verdict."""
    return story.child((f"{host}.cy.ts", found), (CHECK, counts(1)), label=f"e2e-{host}-fc", **more).tick(11)


# --- the number of failed sub-runs ---


def test_a_run_counts_every_failed_sub_run_whatever_its_code() -> None:
    story = Story(hosts=("redhat9.6", "ubuntu24.04", "w2k25")).started()
    group(story, "redhat9.6", GREEN)
    group(story, "ubuntu24.04", RED)
    group(story, "w2k25", counts(pending=3))
    story.end(1)

    assert story.subruns[1:] == [("FAILED", "tests-failed"), ("FAILED", "host-pending")]
    assert story.view.reason["text"] == (
        "2 of 3 sub-runs failed: e2e-ubuntu24.04-fc, e2e-w2k25-fc. "
        "e2e-ubuntu24.04-fc: 1 of 2 specs failed: ubuntu24.04.cy.ts."
    )


def test_a_certain_failure_sets_the_code_and_an_earlier_sub_run_without_results_is_counted() -> None:
    story = Story().started().begin_child(2, spec_names=(FIRST, CHECK)).spec(FIRST, GREEN, 1, 2)
    group(story, "ubuntu24.04", RED).end(1)

    assert story.subruns == [("FAILED", "results-missing"), ("FAILED", "tests-failed")]
    assert story.ending == ("FAILED", "tests-failed")
    assert story.view.reason["text"].startswith(
        "2 of 2 sub-runs failed: e2e-redhat9.6-fc, e2e-ubuntu24.04-fc"
    )


def test_a_sub_run_that_ends_with_the_runner_is_counted_too() -> None:
    story = group(Story().started(), "redhat9.6", RED)
    story.begin_child(1, spec_names=(SECOND,)).end(1)

    assert [phase for phase, _ in story.subruns] == ["FAILED", "FAILED"]
    assert "2 of 2 sub-runs failed" in story.view.reason["text"]


def test_many_failed_sub_runs_are_counted_and_five_are_named() -> None:
    story = Story(hosts=()).started()
    for number in range(9):
        story.child((f"s{number}.cy.ts", RED if number % 3 else counts(pending=1)), label=f"g{number}").tick(
            11
        )
    story.end(1)

    assert story.view.reason["text"].startswith("9 of 9 sub-runs failed: g0, g1, g2, g3, g4 and 4 more. g1: ")


def test_one_sentence_for_all_failed_sub_runs_names_none_of_them_twice() -> None:
    story = Story(hosts=()).started()
    for number in range(2):
        story.child(("a.cy.ts", RED), label=f"g{number}").tick(11)
    story.end(1)

    assert story.view.reason["text"] == "2 of 2 sub-runs failed: g0, g1. 1 of 1 spec failed: a.cy.ts."


@pytest.mark.parametrize(
    ("late", "code"),
    [
        (SIGNALLED, "cypress-signalled"),
        (SKIPPED_ROW, "nothing-ran"),
    ],
)
def test_a_sub_run_that_fails_after_its_verdict_is_counted_marked_and_reported_at_the_end(
    late: f.Fact, code: str
) -> None:
    story = Story(hosts=()).started().child(("x.cy.ts", counts(pending=1)), label="g0").tick(11)
    story.child(("a.cy.ts", GREEN), label="g1").tick(11).log(late).end(0)

    assert story.subruns[1] == ("COMPLETED", "all-passed")
    assert story.view.reason["text"].startswith("2 of 2 sub-runs failed: g0, g1 (found later). ")
    assert (
        story.texts("run")[0].splitlines()[1].startswith("g1 was COMPLETED, but a failure was found later: ")
    )
    assert story.ending == ("FAILED", code)


def test_a_code_of_a_later_release_in_an_evaluated_sub_run_fails_the_run() -> None:
    later = f.ErrorReported(offset=0, code="of-a-later-release", scope="run", text="Something new happened.")
    story = Story(hosts=()).started().log(f.ChildLaunched(offset=0, label="g0"), later)
    story.child(("a.cy.ts", GREEN), label="g1").tick(11).end(0)

    assert story.subruns[0] == ("FAILED", "of-a-later-release")
    assert story.ending == ("FAILED", "of-a-later-release")


# --- the closing message ---


def test_a_group_of_other_hosts_has_one_sentence_each_in_alert_message_and_closing_message() -> None:
    """The alert names the label, the group's message the hosts, the closing message the hosts that never ran."""
    story = (
        Story(alerts=True)
        .started()
        .child(("sles15.5.cy.ts", GREEN), label="e2e-redhat9.6-fc")
        .tick(11)
        .end(0)
    )
    (alert,), (message,), (closing,) = (story.texts(kind) for kind in ("alert", "subrun", "run"))

    assert "does not match the hosts that ran" in alert
    assert "does not match" not in message + closing
    assert "The label of this group is e2e-redhat9" in message
    assert "belong to host sles15" in message
    assert "belong to host" not in alert + closing
    assert "Nothing ran for hosts" in closing


def test_the_closing_message_states_which_hosts_never_ran_and_not_what_the_groups_reported() -> None:
    story = Story().started().child(("sles15.5.cy.ts", GREEN), label="e2e-sles15.5-fc").tick(11).end(0)
    (message,), (closing,) = story.texts("subrun"), story.texts("run")

    assert story.ending == ("FAILED", "wrong-hosts")
    assert closing.splitlines()[1] == "Nothing ran for hosts redhat9.6, ubuntu24.04."
    assert not set(message.splitlines()) & set(closing.splitlines())


def test_a_failed_group_and_a_host_that_never_ran_give_one_sentence_each() -> None:
    story = group(Story().started(), "redhat9.6", RED).end(1)
    (message,), (closing,) = story.texts("subrun"), story.texts("run")

    assert message.splitlines()[1] == "1 of 2 specs failed: redhat9.6.cy.ts."
    assert closing.splitlines()[1] == "Nothing ran for host ubuntu24.04."
    assert "Nothing ran for host ubuntu24.04." in story.view.reason["text"]


def test_a_runner_that_cannot_start_its_command_after_a_failed_group_is_reported_at_the_end() -> None:
    story = group(Story(hosts=()).started(), "redhat9.6", RED).end(None, error="no such directory")

    assert story.texts("run")[0].splitlines()[1] == "The runner command was not started: no such directory."


def test_an_end_from_outside_is_reported_once_where_it_is_posted() -> None:
    phases = ("FAILED", "TERMINATED")
    within = (
        group(Story(post_phases=phases).started(), "redhat9.6", GREEN)
        .begin_child(1)
        .end(None, signal="SIGKILL")
    )
    between = group(Story(post_phases=phases).started(), "redhat9.6", GREEN).end(None, signal="SIGKILL")

    assert (len(within.texts("subrun")), within.texts("run")) == (1, [])
    assert between.texts("run")[0].splitlines()[1] == "The runner was ended from outside by signal SIGKILL."


def test_the_closing_message_repeats_no_note_of_a_group() -> None:
    story = Story(notes=("The options differ about --categorize.",)).started()
    group(story, "redhat9.6", GREEN)
    story.feed(LogReplaced(at=story.at, generation=1, why="truncated", begin=story.offset)).end(0)
    (message,), (closing,) = story.texts("subrun"), story.texts("run")

    assert "Note: The options differ about --categorize." in message.splitlines()
    assert [line for line in closing.splitlines() if line.startswith("Note: ")] == [
        "Note: The log was truncated while being followed; some lines may be missing."
    ]
