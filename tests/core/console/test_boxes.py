"""Damaged boxes and tables: readable values are reported, and nothing is guessed."""

import pytest

from atvm_pipeline.core import facts as f
from tests.core.console.test_scanner import found, only, without_offsets
from tests.support import cypress_output as prints

ONE = f.Counts(tests=1, passing=1)
BOX = prints.results("a.cy.ts")
SPEC_CELL = 35
"""Width of the final table's first cell: a name of this length may continue on the next line."""
LONG = "x" * (SPEC_CELL - len(".cy.ts")) + ".cy.ts"


def key_row(key: str, value: str) -> str:
    return f"  │ {(key + ':' if key else '').ljust(16)}{value}".ljust(98) + "│"


def with_line(lines: list[str], behind: str, line: str) -> list[str]:
    """Insert `line` after the first line that contains `behind`."""
    at = next(at for at, text in enumerate(lines) if behind in text)
    return [*lines[: at + 1], line, *lines[at + 1 :]]


def changed(lines: list[str], old: str, new: str) -> list[str]:
    """Replace `old` in the only line that contains it."""
    assert sum(old in line for line in lines) == 1
    return [line.replace(old, new.ljust(len(old))) for line in lines]


def one_spec(box: list[str]) -> list[str]:
    """Return the lines of a run whose only spec has this box."""
    return [*prints.starting("a.cy.ts"), *prints.running("a.cy.ts"), *box]


@pytest.mark.parametrize(
    ("behind", "row"),
    [
        pytest.param("Browser", "  │ Browser:        Firefox".ljust(98), id="no-right-edge"),
        pytest.param("Browser", "  │ Browser:        Firefox" + " " * 2000 + "│", id="longer-than-any-row"),
        pytest.param("Browser", "  │                 Firefox", id="no-right-edge-and-no-key"),
        pytest.param("Browser", key_row("Experiments", "Firefox"), id="a-row-that-is-not-needed"),
        pytest.param("┌", key_row("", "Firefox"), id="the-rest-of-no-row"),
    ],
)
def test_a_row_that_reports_nothing_changes_nothing_in_the_header(behind: str, row: str) -> None:
    lines = prints.starting("a.cy.ts")

    assert without_offsets(found(with_line(lines, behind, row))) == without_offsets(found(lines))


def test_a_value_over_more_rows_than_any_name_has_is_cut() -> None:
    lines = prints.starting("a.cy.ts")
    for _ in range(100):
        lines = with_line(lines, "Specs:", key_row("", "y" * 78))

    facts = found([*lines, *prints.whole_spec("a.cy.ts")])

    described = only(facts, f.ChildDescribed)
    assert (described.specs_found, described.spec_names) == (None, ())
    assert only(facts, f.SpecReported).counts == ONE


def test_a_number_of_specs_that_cannot_be_read_is_not_known() -> None:
    lines = [line.replace("1 found", "many here") for line in prints.starting("a.cy.ts")]

    assert only(found(lines), f.ChildDescribed).specs_found is None


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(key_row("Surprise", "17"), id="an-unknown-key"),
        pytest.param(key_row("", "the rest of no name"), id="a-rest-of-nothing"),
        pytest.param("  │ Failing:        1".ljust(98), id="no-right-edge"),
    ],
)
def test_a_row_of_another_box_changes_nothing_in_a_results_box(row: str) -> None:
    boxed = found(one_spec(with_line(BOX, "Passing", row)))

    assert without_offsets(boxed) == without_offsets(found(one_spec(BOX)))


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(changed(BOX, "Failing:      0", "Failing:      ?"), id="a-count-is-none"),
        pytest.param(changed(BOX, "Failing:      0", "Failing:      "), id="a-count-is-missing"),
        pytest.param(changed(BOX, "Failing:", "Falling:"), id="a-row-is-missing"),
        pytest.param(changed(BOX, "Spec Ran:", "Spec ran:"), id="the-name-is-missing"),
    ],
)
def test_a_results_box_that_is_not_complete_reports_no_result(box: list[str]) -> None:
    facts = found(one_spec([*box, *prints.recorded("http://x/")]))

    assert not [fact for fact in facts if isinstance(fact, f.SpecReported)]


def test_a_name_over_more_rows_than_any_has_ends_its_box() -> None:
    box = prints.results("z" * 80 * 70)

    facts = found(one_spec(box))

    assert not [fact for fact in facts if isinstance(fact, f.SpecReported)]


@pytest.mark.parametrize(
    ("old", "new"),
    [("00:03        1", "00:03"), ("00:03        1", "00:03        x"), ("00:03", "soon"), ("│ ✔", "| ✔")],
    ids=["a-cell-is-missing", "a-cell-is-no-count", "no-duration", "two-kinds-of-edges"],
)
def test_a_table_row_that_cannot_be_read_is_not_reported_and_the_totals_are(old: str, new: str) -> None:
    row = changed(prints.row("a.cy.ts", (1, 1, 0, 0, 0)), old, new)
    table = prints.finished([row], "All specs passed!", (1, 1, 0, 0, 0))

    facts = found([*prints.starting("a.cy.ts"), *prints.whole_spec("a.cy.ts"), *table])

    kinds = [type(fact) for fact in facts][-2:]
    assert kinds == [f.RunFinished, f.TotalsReported]
    assert only(facts, f.TotalsReported).counts == ONE


def test_a_totals_row_that_cannot_be_read_is_invalid() -> None:
    whole = prints.whole_run("a.cy.ts")
    damaged = [line.replace("All specs passed!", "All specs passed!  x") for line in whole]

    assert not [fact for fact in found(damaged) if isinstance(fact, f.TotalsReported)]


@pytest.mark.parametrize(
    "below", [[], [""], ["cypress run --ci-build-id next"]], ids=["end", "blank", "launch"]
)
def test_a_row_whose_name_might_continue_is_reported_when_it_does_not(below: list[str]) -> None:
    whole = prints.whole_run(LONG)
    row = next(at for at, line in enumerate(whole) if f"✔  {LONG}" in line)

    facts = found([*whole[: row + 1], *below])

    assert only(facts, f.SpecSummarised).spec == LONG


def test_a_spec_that_is_reported_by_its_box_alone_is_reported() -> None:
    """Its `Running:` line was lost, as can happen when two processes write to one log."""
    lines = prints.starting("a.cy.ts", "b.cy.ts")
    facts = found([*lines, *prints.whole_spec("a.cy.ts", 1, 2), *prints.results("b.cy.ts", 0, 1)])

    assert [(fact.spec, fact.counts.failing) for fact in facts if isinstance(fact, f.SpecReported)] == [
        ("a.cy.ts", 0),
        ("b.cy.ts", 1),
    ]


def test_a_running_line_without_a_position_starts_nothing() -> None:
    facts = found([*prints.starting("a.cy.ts"), "  Running:  a.cy.ts  (soon)"])

    assert not [fact for fact in facts if isinstance(fact, f.SpecStarted)]
