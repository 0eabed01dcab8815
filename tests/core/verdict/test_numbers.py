"""Numbers in sentences and lines: failing tests, notes, specs without a result; no count exceeds the planned specs."""

from typing import Any

import msgspec
import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.messages.text_lines import NOTES_SHOWN, failure_lines, note_lines
from atvm_pipeline.core.reason_parts import specs_named
from atvm_pipeline.core.results import SpecResult
from tests.support.run_builder import Story, counts

GREEN = counts(4)
FIRST = "redhat9.6.cy.ts"


# --- the number of failing tests ---


def failing_spec(failing: int, named: int, **more: Any) -> SpecResult:
    failures = [{"title": f"t{number}"} for number in range(named)]
    given = {
        "spec": "a",
        "result": "FAIL",
        "detail": "failed",
        "failing": failing,
        "failures": failures,
        **more,
    }
    return msgspec.convert(given, SpecResult)


@pytest.mark.parametrize(
    ("specs", "last"),
    [
        ([(256, 50)], "- and 246 more"),
        ([(11, 11)], "- and 1 more"),
        ([(10, 10)], "- `t9`"),
        ([(3, 1)], "- and 2 more"),
        ([(1, 1), (256, 0)], "- and 256 more"),
        ([(60, 50), (70, 50)], "- and 120 more"),
        # There are more names than counted failures because a second source named them.
        ([(1, 12)], "- and 2 more"),
    ],
)
def test_failing_tests_are_counted_by_the_counts_not_by_the_names_that_are_kept(
    specs: list[tuple[int, int]], last: str
) -> None:
    lines = failure_lines(tuple(failing_spec(*spec) for spec in specs))

    assert lines[-1] == last
    assert len(lines) <= 12


def test_a_message_about_256_failing_tests_counts_all_of_them() -> None:
    story = Story(hosts=()).started().begin_child(1)
    story.log(f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1))
    story.log(*(f.TestFailed(offset=0, title=f"test {number}", error="") for number in range(256)))
    story.log(f.SpecReported(offset=0, spec="a.cy.ts", counts=counts(0, 256)))
    story.summary(("a.cy.ts", counts(0, 256))).tick(11)

    assert "- and 246 more" in story.texts("subrun")[0].splitlines()


def test_notes_that_are_left_out_are_counted() -> None:
    notes = tuple(f"note {number}" for number in range(NOTES_SHOWN + 3))

    assert note_lines((), notes)[1][-1] == "Note: and 3 more"
    assert len(note_lines((), notes[:NOTES_SHOWN])[1]) == NOTES_SHOWN


@pytest.mark.parametrize(
    ("named", "missing", "text"),
    [
        (2, 2, "s0, s1"),
        (0, 3, "3 that never started"),
        (2, 14, "s0, s1, 12 that never started"),
        (5, 5, "s0, s1, s2, s3, s4"),
        (5, 17, "s0, s1, s2, s3, s4 and 12 more"),
        (7, 19, "s0, s1, s2, s3, s4 and 14 more"),
    ],
)
def test_specs_without_a_result_are_all_counted(named: int, missing: int, text: str) -> None:
    assert specs_named([f"s{number}" for number in range(named)], missing) == text


# --- counts cover planned specs only ---


def test_a_child_that_printed_only_its_start_is_not_a_child_without_planned_specs() -> None:
    story = Story(hosts=()).started().log(f.ChildStarted(offset=0)).end(0)

    assert story.ending == ("FAILED", "results-missing")
    assert story.view.reason["text"].endswith("the log ends before its first spec.")
    assert "No spec ran." in story.texts("subrun")[0].splitlines()


@pytest.mark.parametrize(
    ("failed", "total", "text"),
    [(1, 3, "1 of 3 specs failed"), (None, None, "1 of 1 spec failed"), (2, None, "2 of 2 specs failed")],
)
def test_a_failing_totals_row_without_any_spec_counts_by_its_own_numbers(
    failed: int | None, total: int | None, text: str
) -> None:
    story = Story(hosts=()).started().log(f.ChildStarted(offset=0), f.RunFinished(offset=0))
    row = f.TotalsReported(offset=0, verdict="failed", failed=failed, total=total, counts=counts(0, 2))
    story.log(row).tick(11)

    assert story.view.subruns[0].reason["text"].startswith(text)
    assert "No spec is known by name." in story.texts("subrun")[0].splitlines()


@pytest.mark.parametrize("categorized", [True, False])
def test_a_pending_spec_is_not_one_that_passed(categorized: bool) -> None:
    story = Story(hosts=("redhat9.6",), categorized=categorized).started()
    story.child((FIRST, GREEN), ("redhat9.6-more.cy.ts", counts(pending=2))).tick(11).end(0)

    assert story.ending == ("COMPLETED", "all-passed")
    assert story.view.reason["text"].startswith(
        "1 of 2 planned specs passed on every requested host, 1 pending."
    )
    assert story.view.subruns[0].reason["text"].startswith("1 of 2 planned specs passed")


def test_a_failure_in_a_skipped_row_counts_next_to_an_empty_box() -> None:
    story = Story(hosts=()).started().begin_child(1)
    story.log(
        f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=1),
        f.SpecSummarised(offset=0, spec="a.cy.ts", mark="skipped", counts=counts(0, 1), skipped=True),
        f.SpecReported(offset=0, spec="a.cy.ts", counts=counts()),
    )

    assert story.view.subruns[0].specs[0].detail == "failed"
