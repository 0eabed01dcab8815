"""Output of tests, plugins and error messages can look like Cypress's own lines, but must not count."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from tests.core.console.test_scanner import found, without_offsets
from tests.support import cypress_output as prints

PASSED_ELSEWHERE = prints.whole_run("other.cy.ts")
"""The complete output of a passing run."""


def counting(lines: Sequence[str]) -> list[f.Fact]:
    """Return the facts that count: without reports of unplaced lines, and without rows read while a spec is open."""
    facts = without_offsets(found(lines))
    return [
        fact for fact in facts if not isinstance(fact, f.LineUnplaced) and not getattr(fact, "within", "")
    ]


def indented(lines: Sequence[str], columns: int = 6) -> list[str]:
    return [" " * columns + line for line in lines]


def failing_run(text: Sequence[str]) -> list[str]:
    """Return a run with one failing spec; `text` is the rest of its error message."""
    return [
        *prints.starting("a.cy.ts"),
        *prints.running("a.cy.ts"),
        *("", "  Suite", "    1) is wrong"),
        *prints.epilogue(0, [("Suite", "is wrong", "Error: the log differs", *text)]),
        *prints.results("a.cy.ts", passing=0, failing=1),
        *prints.finished(
            [prints.row("a.cy.ts", (1, 0, 1, 0, 0), "✖")], "1 of 1 failed (100%)", (1, 0, 1, 0, 0), "✖"
        ),
    ]


def printing_run(text: Sequence[str]) -> list[str]:
    """Return a run with two passing specs; the first prints `text` while its tests run."""
    whole = prints.whole_run("a.cy.ts", "b.cy.ts")
    at = whole.index("    ✓ works (62ms)")
    return [*whole[: at + 1], *text, *whole[at + 1 :]]


FAKES = {
    "the end of a run": ["  (Run Finished)"],
    "a summary": prints.finished(
        [prints.row("other.cy.ts", (1, 1, 0, 0, 0))], "All specs passed!", (1, 1, 0, 0, 0)
    ),
    "a box of another spec": prints.results("other.cy.ts"),
    "a failing box of another spec": prints.results("other.cy.ts", passing=0, failing=1),
    "a spec": prints.whole_spec("other.cy.ts"),
    "a running line": prints.running("other.cy.ts", 1, 1),
    "a start without a box": ["  (Run Starting)", "", "or so"],
    "a start with another box": ["  (Run Starting)", *prints.boxed([("Weather", "fine")], 16, 78)],
    "a summary of a long name": prints.finished(
        [prints.row("o" * 40, (1, 1, 0, 0, 0))], "All specs passed!", (1, 1, 0, 0, 0)
    ),
    "a summary of a name as long as its cell": prints.finished(
        [prints.row("o" * 35, (1, 1, 0, 0, 0))], "All specs passed!", (1, 1, 0, 0, 0)
    ),
    "rows without a box": [line for line in PASSED_ELSEWHERE if line.startswith("  │")],
    "a totals row": ["    ✔  All specs passed!     04:55     3   3   -   -   -  "],
    "a recorded run": ["  Recorded Run: http://evil/"],
    "a canceled run": ["  Exiting with non-zero exit code because the run was canceled."],
    "an indented run": indented(PASSED_ELSEWHERE),
    "a slightly indented run": indented(PASSED_ELSEWHERE, 2),
    "an outdented run": [line.lstrip() for line in PASSED_ELSEWHERE if not line.lstrip().startswith("We ")],
    "a warning": ["Warning: We encountered an error", "This error will not affect or change the exit code."],
    "a quoted error": [
        '"Can\'t run because no spec files were found."',
        "  Can't run because no spec files were found.",
    ],
}


@pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES)
def test_the_text_of_a_failure_counts_for_nothing(fake: list[str]) -> None:
    assert counting(failing_run(fake)) == counting(failing_run(["and so on"]))


@pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES)
def test_what_a_spec_prints_while_it_runs_counts_for_nothing(fake: list[str]) -> None:
    assert counting(printing_run(fake)) == counting(printing_run(["and so on"]))


def test_an_error_block_that_a_failure_quotes_counts_for_nothing() -> None:
    quoted = [
        "We detected that the Chromium Renderer process just crashed.",
        "Can't run because no spec files were found.",
        "  (Run Finished)",
    ]

    assert counting(failing_run(quoted)) == counting(failing_run(["and so on"]))


def test_a_passing_box_that_a_failing_spec_prints_of_itself_is_not_its_result() -> None:
    facts = found(failing_run(prints.results("a.cy.ts")))

    assert [fact.counts.failing for fact in facts if isinstance(fact, f.SpecReported)] == [1]


def test_a_failing_spec_that_prints_its_own_passing_summary_is_still_reported_as_failed() -> None:
    fake = [
        *prints.results("a.cy.ts"),
        *prints.finished([prints.row("a.cy.ts", (1, 1, 0, 0, 0))], "All specs passed!", (1, 1, 0, 0, 0)),
    ]

    assert counting(failing_run(fake)) == counting(failing_run(["and so on"]))


def test_of_two_boxes_of_one_spec_the_failing_one_is_believed() -> None:
    def boxes(*counted: tuple[int, int]) -> list[int]:
        printed = [
            line for passing, failing in counted for line in prints.results("a.cy.ts", passing, failing)
        ]
        facts = found([*prints.starting("a.cy.ts"), *prints.running("a.cy.ts"), *printed])
        return [fact.counts.failing for fact in facts if isinstance(fact, f.SpecReported)]

    assert boxes((1, 0), (0, 1)) == [0, 1]
    assert boxes((0, 1), (1, 0)) == [1]
    assert boxes((1, 0), (1, 0)) == [0]


def test_an_epilogue_that_a_passing_spec_prints_does_not_cost_it_its_box() -> None:
    nested = prints.epilogue(1, [("Inner", "fails", "Error: on purpose")])
    facts = found(printing_run(nested))

    assert [fact.counts.failing for fact in facts if isinstance(fact, f.SpecReported)] == [0, 0]


def test_a_new_run_within_a_spec_counts_when_its_box_follows() -> None:
    """Cypress was killed in the middle of a spec and restarted."""
    lines = [*prints.starting("a.cy.ts"), *prints.running("a.cy.ts"), "  Suite", *prints.whole_run("a.cy.ts")]
    facts = found(lines)

    assert sum(isinstance(fact, f.ChildStarted) for fact in facts) == 2
    facts = [replace(fact, before=()) if isinstance(fact, f.ChildStarted) else fact for fact in facts]
    assert without_offsets(facts)[3:] == without_offsets(found(prints.whole_run("a.cy.ts")))


@pytest.mark.parametrize("summary", [name for name in FAKES if name.startswith(("a summary", "the end"))])
def test_an_unrelated_summary_between_two_specs_counts_for_nothing(summary: str) -> None:
    """A plugin prints the summary after a spec."""
    plain = prints.whole_run("a.cy.ts", "b.cy.ts")
    at = plain.index("─" * 100, plain.index("  (Results)"))

    noisy = [*plain[:at], *FAKES[summary], *plain[at:]]
    assert counting(noisy) == counting(plain)


def test_a_spec_whose_box_was_lost_does_not_cost_the_next_ones() -> None:
    lines = [
        *prints.starting("a.cy.ts", "b.cy.ts"),
        *prints.running("a.cy.ts", 1, 2),
        *prints.whole_spec("b.cy.ts", 2, 2),
    ]

    assert [fact.spec for fact in found(lines) if isinstance(fact, f.SpecReported)] == ["b.cy.ts"]


def test_a_run_whose_start_is_missing_is_reported_from_the_first_line_that_was_read() -> None:
    whole = prints.whole_run("a.cy.ts", "b.cy.ts")

    facts = found(whole[whole.index("─" * 100, 40) :])

    assert [fact.spec for fact in facts if isinstance(fact, f.SpecStarted)] == ["b.cy.ts"]
    assert [fact.spec for fact in facts if isinstance(fact, f.SpecReported)] == ["b.cy.ts"]


def test_a_summary_whose_first_specs_were_not_seen_is_not_taken_for_an_unrelated_one() -> None:
    whole = prints.whole_run("a.cy.ts", "b.cy.ts")
    facts = found(whole[whole.index("─" * 100, 40) :])

    assert sum(isinstance(fact, f.TotalsReported) for fact in facts) == 1


@pytest.mark.parametrize("failing", [0, 1])
def test_a_log_that_starts_at_a_results_box_is_read_from_there(failing: int) -> None:
    lines = prints.results("a.cy.ts", 1, failing)
    (reported,) = (fact for fact in found(lines) if isinstance(fact, f.SpecReported))

    assert (reported.spec, reported.counts.failing) == ("a.cy.ts", failing)
