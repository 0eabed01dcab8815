"""The lines of a message: hosts to come, failing and flaky tests, log lines, results in words."""

from typing import Any

from hypothesis import given, settings, strategies as st

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.facts import LastLine
from atvm_pipeline.core.messages.text_lines import (
    ERRORS_CHARS_MAX,
    LOG_CHARS_MAX,
    failure_lines,
    flaky_lines,
    host_lines,
    log_lines,
    outcome_words,
    why_lines,
)
from atvm_pipeline.core.results import FailedTest, HostResult, Ledger, SpecResult
from tests.support.run_builder import Story, counts

GREEN = counts(4)
HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25")


def spec(host: str | None = "redhat9.6", failing: int = 0, **more: Any) -> SpecResult:
    named = f"cypress/e2e/{host or 'check-xml-files'}.cy.ts"
    return SpecResult(spec=named, host=host, result="FAIL", detail="failed", failing=failing, **more)


def failures(number: int, error: str = "boom", name: str = "test") -> tuple[FailedTest, ...]:
    return tuple(FailedTest(title=f"{name} {at}", error=error) for at in range(number))


def group_line(story: Story, index: int) -> str:
    return next(line for line in story.texts("subrun")[index].splitlines() if line.startswith("Group "))


def passed(story: Story, *hosts: str) -> Story:
    """Let a group of these hosts pass, up to its message."""
    return story.child(*((f"{host}.cy.ts", GREEN) for host in hosts)).tick(11)


# --- the place of a group ---


def test_a_group_names_the_hosts_that_are_still_to_come() -> None:
    story = passed(Story(hosts=HOSTS).started(), "redhat9.6").settle()
    passed(passed(story, "ubuntu24.04").settle(), "w2k25")
    build = "`e2e-redhat9.6-ubuntu24.04-fc`"

    assert [group_line(story, at) for at in range(3)] == [
        f"Group 1 of {build}, 2 hosts to come: ubuntu24.04, w2k25",
        f"Group 2 of {build}, 1 host to come: w2k25",
        f"Group 3 of {build}, no host to come",
    ]


def test_a_group_guesses_nothing_where_no_host_is_requested() -> None:
    assert group_line(passed(Story(hosts=()).started(), "redhat9.6"), 0) == (
        "Group 1 of `e2e-redhat9.6-ubuntu24.04-fc`"
    )


def test_the_last_group_is_called_so_after_the_end_of_the_run() -> None:
    story = Story().started().child(("redhat9.6.cy.ts", GREEN)).child(("ubuntu24.04.cy.ts", GREEN)).exit(0)
    story.tick(20).settle()

    assert group_line(story, 0) == "Group 1 of `e2e-redhat9.6-ubuntu24.04-fc`"
    assert group_line(story, 1) == "Group 2 of `e2e-redhat9.6-ubuntu24.04-fc`, the last one"


def test_a_group_guesses_nothing_while_an_earlier_one_still_runs() -> None:
    story = Story(hosts=HOSTS).started()
    for stream in (1, 2):
        story.log(
            f.ChildStarted(offset=0, stream=stream),
            f.ChildDescribed(offset=0, stream=stream, specs_found=1),
        )
    story.log(
        f.SpecStarted(offset=0, stream=2, spec="ubuntu24.04.cy.ts", position=1, total=1),
        f.SpecReported(offset=0, stream=2, spec="ubuntu24.04.cy.ts", counts=GREEN),
        f.TotalsReported(offset=0, stream=2, verdict="passed", total=1, counts=GREEN),
    )
    story.tick(11)

    assert group_line(story, 0) == "Group 2 of `e2e-redhat9.6-ubuntu24.04-fc`"


def test_the_name_of_a_group_without_a_build_is_bounded() -> None:
    story = passed(Story(build=None, hosts=()).started(), "redhat9.6")

    assert group_line(story, 0) == "Group 1 of `run`"


# --- hosts ---


def test_results_are_written_for_people() -> None:
    assert outcome_words("PASS", "completed") == "PASS completed"
    assert outcome_words("RUN", "pending") == "RUN/pending"
    assert outcome_words("FAIL", "crashed") == "FAIL crashed"


def test_a_host_has_the_numbers_that_are_known() -> None:
    host = HostResult(host="redhat9.6", result="RUN", detail="no_report")
    pending = HostResult(
        host="w2k25", kernel="10.0", result="RUN", detail="pending", tests=1, pending=1, duration_s=0.0
    )

    assert host_lines(Story().run, (host, pending)) == [
        "- `redhat9.6`: **RUN/no_report**, kernel unknown",
        "- `w2k25`: **RUN/pending**, 0 of 1 test passed, 0 s, kernel `10.0`",
    ]


# --- failing and flaky tests ---


def test_ten_failing_tests_are_named_at_most_and_the_others_counted() -> None:
    lines = failure_lines([spec(failing=256, failures=failures(50))])

    assert lines[:2] == ["Failing tests:", "- `test 0`"]
    assert lines[-2] == "  `boom` (10 tests)"
    assert sum(line.startswith("- `test ") for line in lines) == 10
    assert lines[-1] == "- and 246 more"


def test_tests_in_a_row_with_the_same_error_have_it_once() -> None:
    tests = (*failures(2, "boom"), *failures(1, "bang"), *failures(1, ""))

    assert failure_lines([spec(failing=4, failures=tests)])[1:] == [
        *("- `test 0`", "- `test 1`", "  `boom` (2 tests)", "- `test 0`", "  `bang`", "- `test 0`"),
    ]


def test_a_failing_test_without_an_error_is_named_alone() -> None:
    assert failure_lines([spec(failing=1, failures=failures(1, ""))]) == ["Failing tests:", "- `test 0`"]


def test_counts_without_a_name_are_left_to_the_host_s_line() -> None:
    assert failure_lines([spec(failing=3)]) == []


def test_no_host_hides_the_failing_tests_of_another_one() -> None:
    first = spec("redhat9.6", failing=256, failures=failures(50, ""))
    lines = failure_lines([first, spec("w2k25", failing=2, failures=failures(2, "", "cuts"))])

    assert [line for line in lines if "w2k25" in line] == ["- `w2k25`: `cuts 0`", "- `w2k25`: `cuts 1`"]
    assert sum(line.startswith("- `redhat9.6`: ") for line in lines) == 8
    assert lines[1] == "- `redhat9.6`: `test 0`"
    assert lines[-1] == "- and 248 more"


def test_a_failing_test_of_no_host_is_named_with_its_spec() -> None:
    assert failure_lines([spec(), spec(None, failing=1, failures=failures(1, ""))])[1] == (
        "- `check-xml-files.cy.ts`: `test 0`"
    )


def test_a_long_error_is_cut_in_its_middle_because_its_end_is_needed() -> None:
    error = "AssertionError: Timed out retrying after 120000ms: " + "x" * 400 + " to equal 'Complete'"
    (_, _, shown) = failure_lines([spec(failing=1, failures=failures(1, error))])

    assert shown.startswith("  `AssertionError: Timed out retrying after 120000ms: x")
    assert shown.endswith("x to equal 'Complete'`")
    assert "…" in shown
    assert len(shown) <= 304


@given(st.lists(st.text(max_size=400), max_size=14))
@settings(max_examples=100, deadline=None)
def test_all_errors_together_are_bounded(errors: list[str]) -> None:
    tests = tuple(FailedTest(title="t", error=error) for error in errors)
    lines = failure_lines([spec(failing=len(errors), failures=tests)])

    assert sum(len(line) for line in lines if line.startswith("  ")) <= ERRORS_CHARS_MAX + 10 * 8 + 1_200


def test_flaky_tests_are_named_five_at_most() -> None:
    assert flaky_lines([spec()]) == []
    assert flaky_lines([spec(flaky_tests=("adds",))]) == ["Flaky, passed after a retry:", "- `adds`"]
    lines = flaky_lines([spec(flaky_tests=tuple("abcd")), spec("w2k25", flaky_tests=tuple("efgh"))])
    assert lines[1:] == [
        *(
            "- `redhat9.6`: `a`",
            "- `redhat9.6`: `b`",
            "- `redhat9.6`: `c`",
            "- `w2k25`: `e`",
            "- `w2k25`: `f`",
        ),
        "- and 3 more",
    ]


# --- the last lines of the log ---


def test_one_log_line_is_called_a_line() -> None:
    assert log_lines([LastLine(offset=0, end=5, text="sh: x")]) == ["Last log line:", "- `sh: x`"]


@given(st.lists(st.text(max_size=300), max_size=8))
@settings(max_examples=100, deadline=None)
def test_log_lines_are_few_and_short(texts: list[str]) -> None:
    lines = log_lines([LastLine(offset=at, end=at, text=text) for at, text in enumerate(texts)])

    assert len(lines) <= 6
    assert sum(len(line.replace("\u200b", "")) - 4 for line in lines[1:]) <= LOG_CHARS_MAX + 5
    assert all(line.count("`") == 2 for line in lines[1:])


# --- the reason ---


def test_a_pass_with_a_sentence_of_its_own_keeps_it() -> None:
    ledger = Ledger(planned=1, passed=1)

    assert why_lines("Everything passed.", "all-passed", ledger, ()) == [
        "Everything passed.",
        "Specs: 1 planned = 1 passed",
    ]
