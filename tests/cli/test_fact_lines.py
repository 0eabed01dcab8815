"""Text lines that describe facts: a child's line shows only the values that its header contains."""

import msgspec
import pytest

from atvm_pipeline.cli.fact_lines import describe_fact
from atvm_pipeline.core import facts as f

CHILD = f.ChildDescribed(offset=0, cypress="12.17.4", browser="Chrome 116")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "Cypress 12.17.4, Chrome 116"),
        ({"cypress": None, "browser": None}, "Cypress ?, unknown browser"),
        ({"specs_found": 3}, "Cypress 12.17.4, Chrome 116, 3 specs found"),
        ({"group": "e2e-fc", "parallel": True}, "Cypress 12.17.4, Chrome 116, group e2e-fc, parallel"),
        ({"run_url": "http://x/\x1b[2J"}, "Cypress 12.17.4, Chrome 116, http://x/ [2J"),
    ],
)
def test_a_child_is_described_by_what_its_header_states(change: dict[str, object], line: str) -> None:
    assert describe_fact(msgspec.structs.replace(CHILD, **change)) == line


def test_a_skipped_row_shows_no_counts() -> None:
    row = f.SpecSummarised(offset=0, spec="a.cy.ts", mark="skipped", counts=f.Counts(), skipped=True)

    assert describe_fact(row) == "final table, a.cy.ts: skipped, SKIPPED"


def test_screenshots_are_counted() -> None:
    listed = f.ScreenshotsListed(offset=0, spec="a.cy.ts", paths=("/w/a.png",))

    assert describe_fact(listed) == "1 screenshot of a.cy.ts"


def test_failed_specs_stand_in_the_totals() -> None:
    totals = f.TotalsReported(
        offset=0, verdict="failed", failed=1, total=2, counts=f.Counts(tests=2, passing=1, failing=1)
    )

    assert describe_fact(totals) == (
        "totals: failed (1 of 2 specs failed), 2 tests, 1 passing, 1 failing, 0 pending, 0 skipped"
    )
