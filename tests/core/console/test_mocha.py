"""Names of failing and flaky tests: reported when they are certain, dropped when the expected lines are missing."""

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.mocha import TEST_TEXT_CHARS_MAX
from tests.core.console.test_scanner import found, only
from tests.support import cypress_output as prints

SPEC = [*prints.starting("a.cy.ts"), *prints.running("a.cy.ts")]
EPILOGUE = ["  0 passing (3s)", "  1 failing", ""]


def test_a_failure_block_that_the_log_ends_in_is_reported_without_its_error() -> None:
    told = only(found([*SPEC, *EPILOGUE, "  1) Suite", "       title:"]), f.TestFailed)

    assert (told.title, told.error) == ("Suite > title", "")


def test_a_long_error_keeps_its_end() -> None:
    error = f"AssertionError: expected {'x' * 400} to equal 'Complete'"
    told = only(found([*SPEC, *EPILOGUE, "  1) Suite", "       title:", f"     {error}"]), f.TestFailed)

    assert told.error.startswith("AssertionError: expected x")
    assert told.error.endswith("x to equal 'Complete'")
    assert len(told.error) <= TEST_TEXT_CHARS_MAX


def test_an_error_that_does_not_come_within_a_few_lines_is_not_waited_for() -> None:
    lines = [*SPEC, *EPILOGUE, "  1) Suite", "       title:", *[""] * 10, "     something later"]

    told = only(found(lines), f.TestFailed)

    assert (told.title, told.error) == ("Suite > title", "")


def test_a_log_that_starts_with_a_results_box_starts_in_the_middle_of_a_run() -> None:
    lines = [*prints.results("a.cy.ts"), *prints.whole_spec("b.cy.ts", 2, 2)]

    reported = [fact.spec for fact in found(lines) if isinstance(fact, f.SpecReported)]

    assert reported == ["a.cy.ts", "b.cy.ts"]


@pytest.mark.parametrize("gap", [[], [""]], ids=["at once", "after an empty line"])
def test_a_failure_block_without_an_error_ends_at_the_next_one(gap: list[str]) -> None:
    """A line indented by fewer than five columns is not an error message: it is parsed like any other line."""
    first, other = ["  1) Suite", "       one:"], ["  2) Suite", "       other:", "     Error: no"]
    lines = [*SPEC, "  0 passing (3s)", "  2 failing", "", *first, *gap, *other]

    failed = [(fact.title, fact.error) for fact in found(lines) if isinstance(fact, f.TestFailed)]

    assert failed == [("Suite > one", ""), ("Suite > other", "Error: no")]


@pytest.mark.parametrize(("noise", "flaky"), [(50, True), (51, False)])
def test_a_retry_is_forgotten_when_its_test_does_not_end_for_long(noise: int, flaky: bool) -> None:
    lines = [*SPEC, "    (Attempt 1 of 2) opens", *["a line of other origin"] * noise, "    ✓ opens"]

    assert any(isinstance(fact, f.TestFlaky) for fact in found(lines)) is flaky


def test_no_more_than_fifty_flaky_tests_of_a_spec_are_reported() -> None:
    lines = [line for at in range(70) for line in (f"    (Attempt 1 of 2) t{at}", f"    ✓ t{at}")]

    assert sum(isinstance(fact, f.TestFlaky) for fact in found([*SPEC, *lines])) == 50


def test_a_retry_of_a_spec_that_is_over_reports_nothing_about_the_next_one() -> None:
    lines = [*SPEC, "    (Attempt 1 of 2) works", *prints.results("a.cy.ts"), *prints.whole_spec("b.cy.ts")]

    assert not [fact for fact in found(lines) if isinstance(fact, f.TestFlaky)]
