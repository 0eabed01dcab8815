"""A missing, torn or doubled line neither changes a verdict that the other lines prove, nor hides a failure."""

from collections.abc import Callable, Sequence

import pytest

from tests.support import cypress_output as prints
from tests.support.judged_log import judged

HOST, CHECK = "redhat9.6.cy.ts", "check-xml-files.ts"
WHOLE = prints.whole_run(HOST, CHECK)
TORN = "[4711:1127/170000.1:ERROR:gpu_memory_buffer_support_x11.cc(44)] dri3 extension not supported."


def at(lines: Sequence[str], text: str, nth: int = 0) -> int:
    """Return the index of the n-th line that contains a text."""
    return [number for number, line in enumerate(lines) if text in line][nth]


def without(lines: Sequence[str], *numbers: int) -> list[str]:
    return [line for number, line in enumerate(lines) if number not in numbers]


def torn(lines: Sequence[str], number: int, column: int = 20) -> list[str]:
    line = lines[number]
    return [*lines[:number], line[:column] + TORN, line[column:], *lines[number + 1 :]]


def box_of(lines: Sequence[str], spec: str) -> list[int]:
    """Return the indices of the lines of a spec's results box, including its title."""
    end = at(lines, f"Spec Ran:     {spec}")
    return list(range(end - 11, end + 2))


LOST: dict[str, tuple[int, ...]] = {
    "the first Running: line": (at(WHOLE, "Running:"),),
    "the last Running: line": (at(WHOLE, "Running:", 1),),
    "a title of results": (at(WHOLE, "(Results)"),),
    "the last title of results": (at(WHOLE, "(Results)", 1),),
    "the name of a box": (at(WHOLE, "Spec Ran"),),
    "the name of the last box": (at(WHOLE, "Spec Ran", 1),),
    "the failures of the last box": (at(WHOLE, "Failing: ", 1),),
    "the first box": tuple(box_of(WHOLE, HOST)),
    "the last box": tuple(box_of(WHOLE, CHECK)),
    "the title of the summary": (at(WHOLE, "(Run Finished)"),),
    "the first row": (at(WHOLE, f"✔  {HOST}"),),
    "the last row": (at(WHOLE, f"✔  {CHECK}"),),
    "the totals row": (at(WHOLE, "All specs passed!"),),
    "the header": tuple(range(at(WHOLE, "Cypress:") - 1, at(WHOLE, "Searched:") + 2)),
    "the title of the header": (at(WHOLE, "(Run Starting)"),),
    "an epilogue": (at(WHOLE, "passing"),),
}


@pytest.mark.parametrize("numbers", LOST.values(), ids=LOST)
@pytest.mark.parametrize("categorize", [False, True])
def test_a_green_run_stays_green_without(numbers: tuple[int, ...], *, categorize: bool) -> None:
    view = judged(without(WHOLE, *numbers), hosts=("redhat9.6",), categorize=categorize)

    assert view.phase == "COMPLETED", view.reason
    assert (view.ledger.planned, view.ledger.passed) == (2, 2)


@pytest.mark.parametrize("numbers", [n for n in LOST.values() if len(n) == 1], ids=str)
def test_a_torn_line_costs_a_green_run_nothing(numbers: tuple[int]) -> None:
    assert judged(torn(WHOLE, *numbers), hosts=("redhat9.6",)).phase == "COMPLETED"


def test_a_log_filtered_for_its_structure_is_decided_by_marks_and_table() -> None:
    kept = [line for line in WHOLE if any(word in line for word in ("Running:", "✓", "✔", "(Run Fin"))]

    assert judged(kept).phase == "COMPLETED"
    assert judged([line for line in kept if "(Run Fin" not in line]).phase == "COMPLETED"
    assert judged([line for line in kept if "✓" not in line]).reason["code"] == "results-missing"


def test_a_row_alone_proves_nothing() -> None:
    """Without box, epilogue, marks and report, the spec has no output of its own that agrees with its row."""
    bare = [
        line for line in without(WHOLE, *box_of(WHOLE, CHECK)) if "passing" not in line and "✓" not in line
    ]
    view = judged(bare)

    assert (view.phase, view.reason["code"]) == ("FAILED", "results-missing")
    assert view.subruns[0].specs[1].detail == "no_report"


def test_marks_that_are_not_as_many_as_the_row_states_prove_nothing() -> None:
    lines = without(WHOLE, *box_of(WHOLE, CHECK), at(WHOLE, "passing", 1))
    more = [*lines[: at(lines, "✓", 1)], "    ✓ printed by the test itself", *lines[at(lines, "✓", 1) :]]

    assert judged(lines).phase == "COMPLETED"
    assert judged(more).phase == "FAILED"


def test_pending_tests_are_distinguished_from_marks_too() -> None:
    lines = [
        *prints.starting("a.cy.ts"),
        *prints.running("a.cy.ts"),
        *("", "  a", "    ✓ works (62ms)", "    - waits", ""),
        *prints.finished([prints.row("a.cy.ts", (2, 1, 0, 1, 0))], "All specs passed!", (2, 1, 0, 1, 0)),
    ]
    counted = [
        *lines[: at(lines, "- waits") + 1],
        "  1 passing (3s)",
        "  1 pending",
        *lines[at(lines, "- waits") + 1 :],
    ]

    assert judged(lines).phase == "COMPLETED"
    assert judged(counted).phase == "COMPLETED"
    assert (
        judged([line for line in counted if "- waits" not in line and "1 pending" not in line]).phase
        == "FAILED"
    )


def test_a_windows_log_is_decided_by_its_own_marks() -> None:
    lines = [
        line.replace("✓", "√") for line in without(WHOLE, *box_of(WHOLE, CHECK), at(WHOLE, "passing", 1))
    ]

    assert judged(lines).phase == "COMPLETED"


# --- sums ---


def test_three_boxes_and_a_table_of_two_contradict() -> None:
    more = [
        *WHOLE[: at(WHOLE, "(Run Finished)") - 2],
        *prints.results("w2k25.cy.ts"),
    ]
    view = judged([*more, *WHOLE[at(WHOLE, "(Run Finished)") - 2 :]])

    assert (view.phase, view.reason["code"]) == ("FAILED", "totals-contradict")


def finished(rows: Sequence[tuple[str, tuple[int, ...]]], totals: tuple[int, ...]) -> list[str]:
    return prints.finished([prints.row(spec, counts) for spec, counts in rows], "All specs passed!", totals)


@pytest.mark.parametrize(
    ("rows", "totals"),
    [
        ([(HOST, (1, 1, 0, 0, 0)), (CHECK, (1, 1, 0, 0, 0))], (3, 3, 0, 0, 0)),
        ([(HOST, (1, 1, 0, 0, 0)), (CHECK, (1, 1, 0, 0, 0))], (1, 1, 0, 0, 0)),
        ([(HOST, (2, 2, 0, 0, 0)), (CHECK, (1, 1, 0, 0, 0))], (3, 3, 0, 0, 0)),
        ([(HOST, (1, 1, 0, 0, 0))], (1, 1, 0, 0, 0)),
    ],
    ids=["totals too high", "totals too low", "a row and its box differ", "totals of one spec only"],
)
def test_numbers_that_do_not_add_up_contradict(
    rows: list[tuple[str, tuple[int, ...]]], totals: tuple[int, ...]
) -> None:
    view = judged([*WHOLE[: at(WHOLE, "(Run Finished)") - 2], *finished(rows, totals)])

    assert (view.phase, view.reason["code"]) == ("FAILED", "totals-contradict")


def test_a_sum_above_the_totals_contradicts_also_where_a_spec_has_no_result() -> None:
    lines = prints.starting(HOST, CHECK, "w2k25.cy.ts")
    lines += prints.whole_spec(HOST, 1, 3)
    lines += finished([(HOST, (1, 1, 0, 0, 0)), (CHECK, (1, 1, 0, 0, 0))], (1, 1, 0, 0, 0))

    assert judged(lines).reason["code"] == "totals-contradict"


def test_no_reason_states_that_a_result_is_missing_next_to_results_for_all() -> None:
    view = judged(WHOLE[: at(WHOLE, "(Run Finished)") - 2])

    assert view.reason["code"] == "results-missing"
    assert "All 2 planned specs have a result" in view.reason["text"]
    assert "final table" in view.reason["text"]
    assert view.ledger.passed == 2


def test_the_only_spec_is_spoken_of_as_one() -> None:
    lines = prints.whole_run(HOST)

    assert "The planned spec has a result" in judged(lines[: at(lines, "(Run Finished)")]).reason["text"]


def test_specs_whose_numbers_jump_are_all_where_the_totals_row_reports_it() -> None:
    """Without its first `Running:` line a child seems to start at 2; the numbers of a recorded group jump too."""
    lines = without(WHOLE, at(WHOLE, "Running:"))
    lost = without(lines, at(lines, "All specs passed!"))

    assert judged(lines).ledger.planned_source == "began"
    assert judged(lost).ledger.planned == 2
    assert judged(lost).ledger.planned_source == "running-line"


# --- a summary while a spec is open ---


def printed(text: Sequence[str]) -> list[str]:
    """Return a green run whose first spec prints `text`."""
    return [*WHOLE[: at(WHOLE, "✓") + 1], *text, *WHOLE[at(WHOLE, "✓") + 1 :]]


OWN = finished([(HOST, (1, 1, 0, 0, 0)), (CHECK, (1, 1, 0, 0, 0))], (2, 2, 0, 0, 0))
RED = prints.finished(
    [prints.row("other.cy.ts", (1, 0, 1, 0, 0), "✖")], "1 of 1 failed (100%)", (1, 0, 1, 0, 0), "✖"
)


@pytest.mark.parametrize("count", [1, 7])
def test_a_green_summary_that_a_test_prints_changes_nothing(count: int) -> None:
    view = judged(
        printed(
            [line for _ in range(count) for line in finished([("x.cy.ts", (9, 9, 0, 0, 0))], (9, 9, 0, 0, 0))]
        )
    )

    assert view.phase == "COMPLETED", view.reason


def test_a_summary_of_itself_that_a_test_prints_does_not_end_it() -> None:
    view = judged(printed(OWN))

    assert (view.phase, view.ledger.planned) == ("COMPLETED", 2)


@pytest.mark.parametrize("titled", [True, False])
def test_a_red_summary_that_a_test_prints_cannot_be_distinguished_from_a_second_run(*, titled: bool) -> None:
    view = judged(printed(RED if titled else RED[3:]))

    assert (view.phase, view.reason["code"]) == ("FAILED", "failure-unattributed")
    assert "other.cy.ts" in view.reason["text"]
    assert view.reason["evidence"][0]["kind"] == "log"


def test_a_summary_with_which_a_spec_ends_is_its_childs_own_without_a_results_box() -> None:
    lines = [*without(WHOLE, *box_of(WHOLE, CHECK), at(WHOLE, "passing", 1), at(WHOLE, "✓", 1))]
    view = judged(lines)

    assert (view.phase, view.reason["code"]) == ("FAILED", "results-missing")
    assert [spec.detail for spec in view.subruns[0].specs] == ["completed", "no_report"]
    assert "1 of 2 planned specs has no result" in view.reason["text"]


def test_a_box_behind_a_summary_that_was_believed_is_held_against_it() -> None:
    """A test prints an epilogue and a summary of its own run, and then fails."""
    lines = prints.whole_run(HOST)
    fake = [
        *lines[at(lines, "passing") : at(lines, "passing") + 1],
        *finished([(HOST, (1, 1, 0, 0, 0))], (1, 1, 0, 0, 0)),
    ]
    begin = lines[: at(lines, "✓") + 1]
    view = judged([*begin, *fake, *prints.results(HOST, passing=0, failing=1)])

    assert (view.phase, view.reason["code"]) == ("FAILED", "tests-failed")


# --- failures that belong to no known spec ---

NOWHERE: dict[str, list[str]] = {
    "a row": prints.row("w2k25.cy.ts", (1, 0, 1, 0, 0), "✖"),
    "a totals row": [
        "    ✖  1 of 2 failed (50%)                     01:06        5        4        1        -        -  "
    ],
    "a box": prints.results("w2k25.cy.ts", passing=0, failing=1),
    "a row of a box": [
        "  │ Failing:      1                                                                                │"
    ],
}


@pytest.mark.parametrize("text", NOWHERE.values(), ids=NOWHERE)
def test_a_failure_behind_the_end_of_a_run_is_named(text: list[str]) -> None:
    view = judged([*WHOLE, *text])

    assert (view.phase, view.reason["code"]) == ("FAILED", "failure-unattributed")
    assert "1 line of the log report" in view.reason["text"] or "2 lines" in view.reason["text"]


@pytest.mark.parametrize("text", [NOWHERE["a row"], NOWHERE["a totals row"]], ids=["a row", "a totals row"])
def test_a_failure_in_front_of_the_first_run_is_named(text: list[str]) -> None:
    view = judged([*text, *WHOLE])

    assert (view.phase, view.reason["code"]) == ("FAILED", "failure-unattributed")


@pytest.mark.parametrize(
    "text",
    [NOWHERE["a box"], NOWHERE["a row of a box"], NOWHERE["a row"]],
    ids=["a box", "a row of a box", "a row"],
)
def test_a_failure_that_a_test_may_have_printed_is_a_note(text: list[str]) -> None:
    view = judged(printed(text))

    assert view.phase == "COMPLETED"
    assert any("may have printed" in note for note in view.subruns[0].notes)


def test_a_failing_box_of_a_spec_that_a_running_line_named_is_more_than_a_note() -> None:
    foreign = [*prints.running("w2k25.cy.ts", 1, 2), *prints.results("w2k25.cy.ts", passing=0, failing=1)]

    assert judged(printed(foreign)).reason["code"] == "failure-unattributed"


SIGNAL = "The Test Runner unexpectedly exited via a close event with signal SIGSEGV"


def test_an_error_that_a_test_may_have_printed_is_a_note_unless_a_second_run_shows() -> None:
    noted, second = judged(printed([SIGNAL])), judged(printed([*prints.running("w2k25.cy.ts", 1, 2), SIGNAL]))

    assert noted.phase == "COMPLETED"
    assert any("SIGSEGV" in note for note in noted.subruns[0].notes)
    assert second.reason["code"] == "cypress-signalled"


def test_an_epilogue_with_failures_counts_between_specs_and_is_a_note_within_one() -> None:
    failing = ["  1 passing (3s)", "  2 failing", ""]
    between = [*WHOLE[: box_of(WHOLE, HOST)[-1] + 1], *failing, *WHOLE[box_of(WHOLE, HOST)[-1] + 1 :]]

    assert judged(between).reason["code"] == "failure-unattributed"
    assert any("2 failing" in note for note in judged(printed(failing)).subruns[0].notes)
    assert judged([*failing, *WHOLE]).phase == "COMPLETED"


def test_a_results_box_that_breaks_off_keeps_its_failures() -> None:
    box = prints.results(CHECK, passing=1, failing=1)
    broken = box[: at(box, "Failing:") + 1]
    lines = [*WHOLE[: box_of(WHOLE, CHECK)[0]], *broken, *prints.whole_run("w2k25.cy.ts")]

    assert judged(lines, categorize=True).phase == "FAILED"
    assert judged(lines, categorize=True).subruns[0].reason["code"] == "failure-unattributed"


def test_of_two_boxes_that_are_mixed_the_failure_counts() -> None:
    box, other = prints.results(CHECK, passing=1, failing=0), prints.results(CHECK, passing=1, failing=2)
    row = at(box, "Failing:")
    for first, second in ((box, other), (other, box)):
        mixed = [*first[: row + 1], second[row], *first[row + 1 :]]
        view = judged([*WHOLE[: box_of(WHOLE, CHECK)[0]], *mixed, *WHOLE[at(WHOLE, "(Run Finished)") - 2 :]])

        assert view.phase == "FAILED"


def test_many_lines_that_fit_nowhere_are_counted_and_bounded() -> None:
    view = judged([*WHOLE, *(row for _ in range(200) for row in NOWHERE["a row"])])

    assert "50 lines of the log report" in view.reason["text"]


def test_a_doubled_row_is_one_row() -> None:
    row = WHOLE[at(WHOLE, f"✔  {HOST}")]
    worse = prints.row(HOST, (1, 0, 1, 0, 0), "✖")[0]
    doubled = [*WHOLE[: at(WHOLE, row)], row, *WHOLE[at(WHOLE, row) :]]
    contradicted = [*WHOLE[: at(WHOLE, row) + 1], worse, *WHOLE[at(WHOLE, row) + 1 :]]

    assert judged(doubled).phase == "COMPLETED"
    assert judged(contradicted).reason["code"] == "tests-failed"


def test_a_doubled_box_is_one_box() -> None:
    box = [WHOLE[number] for number in box_of(WHOLE, HOST)]
    last = box_of(WHOLE, HOST)[-1] + 1

    assert judged([*WHOLE[:last], *box, *WHOLE[last:]]).phase == "COMPLETED"


def test_specs_of_one_base_name_in_two_directories_keep_their_own_boxes_and_rows() -> None:
    names = (HOST, f"regress/{HOST}")
    green, red = (1, 1, 0, 0, 0), (1, 0, 1, 0, 0)
    for failing in names:
        lines = prints.starting(*names)
        for number, name in enumerate(names, 1):
            lines += [
                *prints.running(name, number, 2),
                *prints.results(name, int(name != failing), int(name == failing)),
            ]
        rows = [
            prints.row(name, red if name == failing else green, "✖" if name == failing else "✔")
            for name in names
        ]
        for table in (rows, rows[1:]):
            view = judged([*lines, *prints.finished(table, "1 of 2 failed (50%)", (2, 1, 1, 0, 0), "✖")])

            assert [(spec.spec, spec.detail) for spec in view.subruns[0].specs] == [
                (name, "failed" if name == failing else "completed") for name in names
            ]


# --- two runs in one log ---


def weave(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Alternate the lines of two logs; the rest of the longer log comes at the end."""
    shorter = min(len(one), len(other))
    mixed = [line for pair in zip(one, other, strict=False) for line in pair]
    return [*mixed, *one[shorter:], *other[shorter:]]


OTHER = prints.whole_run("w2k25.cy.ts", CHECK)
MIXED: dict[str, list[str]] = {
    "line by line": weave(WHOLE, OTHER),
    "the second within the first spec": printed(OTHER),
    "the second between two specs": [
        *WHOLE[: box_of(WHOLE, HOST)[-1] + 1],
        *OTHER,
        *WHOLE[box_of(WHOLE, HOST)[-1] + 1 :],
    ],
    "the second before the summary": [
        *WHOLE[: at(WHOLE, "(Run Finished)")],
        *OTHER,
        *WHOLE[at(WHOLE, "(Run Finished)") :],
    ],
    "the second's title torn": printed([line for line in OTHER if "(Run Starting)" not in line]),
}


@pytest.mark.parametrize("lines", MIXED.values(), ids=MIXED)
@pytest.mark.parametrize("categorize", [False, True])
def test_two_green_runs_that_are_mixed_are_not_proven(lines: list[str], *, categorize: bool) -> None:
    view = judged(lines, categorize=categorize)

    assert view.phase == "FAILED"
    assert "log-mixed" in {view.reason["code"], *(subrun.reason["code"] for subrun in view.subruns)}
    assert all(subrun.phase == "FAILED" for subrun in view.subruns)


def test_a_box_more_than_there_are_specs_shows_a_mix() -> None:
    lines = [*WHOLE[: at(WHOLE, "✓")], *prints.whole_run(CHECK)]
    extra = ["", "  (Results)", "", "Opening Cypress...", "  (Results)", ""]

    assert judged(lines, categorize=True).subruns[1].phase == "COMPLETED"
    assert judged([*lines, *extra, *lines[:0]], categorize=True).subruns[1].reason["code"] == "log-mixed"


def test_a_group_after_one_that_died_is_decided_by_its_own_results() -> None:
    for end in (at(WHOLE, "Cypress:") + 1, at(WHOLE, "✓"), box_of(WHOLE, HOST)[3], at(WHOLE, "(Run Fin")):
        for second in (OTHER, WHOLE):
            view = judged([*WHOLE[:end], *second], categorize=True)

            assert (view.phase, view.subruns[-1].phase) == ("FAILED", "COMPLETED"), end


def test_a_child_whose_header_box_was_lost_starts_where_its_specs_count_from_one() -> None:
    second = [line for line in OTHER if not line.startswith("  │") or "✔" in line or "   " in line[4:14]]
    bare = [
        line
        for line in OTHER
        if not any(f"│ {key}:" in line for key in ("Cypress", "Browser", "Node Version", "Specs", "Searched"))
    ]
    view = judged([*WHOLE[: box_of(WHOLE, HOST)[-1] + 1], *bare], categorize=True)

    assert second
    assert [subrun.phase for subrun in view.subruns] == ["FAILED", "COMPLETED"]


def test_a_title_far_above_a_header_row_is_not_its_own() -> None:
    far = ["  (Run Starting)", *("x" * 100 for _ in range(700)), WHOLE[at(WHOLE, "Cypress:")]]

    assert len(judged(printed(far), categorize=True).subruns) == 1
    assert len(judged(printed(far[:1] + far[-1:]), categorize=True).subruns) == 2


def test_two_headers_that_are_mixed_show_two_runs_also_where_one_prints_no_more() -> None:
    end = at(WHOLE, "Running:") - 4
    mixed = [*weave(WHOLE[:end], OTHER[:end]), *OTHER[end:]]

    assert judged(mixed).reason["code"] == "log-mixed"
    assert judged([line for line in mixed if "Specs:" not in line]).reason["code"] == "log-mixed"


def test_a_second_summary_title_within_the_second_run_shows_a_mix() -> None:
    second = [*OTHER[: at(OTHER, "✓")], "  (Run Finished)", "", *OTHER[at(OTHER, "✓") :]]
    view = judged([*WHOLE[: at(WHOLE, "✓")], *second], categorize=True)

    assert view.subruns[1].reason["code"] == "log-mixed"
    assert judged(second).phase == "COMPLETED"


def test_a_header_row_within_a_results_box_starts_a_run_and_keeps_the_boxs_failure() -> None:
    box = prints.results(HOST, passing=0, failing=1)
    begin = WHOLE[: at(WHOLE, "✓")]
    lines = [*begin, "  (Run Starting)", *box[: at(box, "Failing:") + 1], *OTHER[at(OTHER, "Cypress:") :]]
    view = judged(lines, categorize=True)

    assert view.subruns[0].reason["code"] == "failure-unattributed"
    assert len(view.subruns) == 2


def test_rows_of_a_table_that_other_lines_interrupt_still_belong_to_it() -> None:
    first, second = at(WHOLE, f"✔  {HOST}"), at(WHOLE, f"✔  {CHECK}")
    noise = ["  (Results)", ""]
    between = [*WHOLE[: first + 1], *noise, *WHOLE[first + 1 :]]
    below = [*WHOLE[: second + 1], *noise, *WHOLE[second + 1 :]]

    for lines in (between, below):
        view = judged(lines)
        assert (view.phase, view.ledger.planned) == ("COMPLETED", 2)


def test_a_damaged_box_of_another_spec_ends_nothing() -> None:
    box = prints.results("w2k25.cy.ts")
    view = judged(printed(without(box, at(box, "Passing:"))))

    assert (view.phase, view.ledger.planned) == ("COMPLETED", 2)


def test_a_long_row_of_another_spec_with_nothing_behind_it_is_no_summary() -> None:
    row = prints.row("o" * 40, (1, 1, 0, 0, 0))
    end = box_of(WHOLE, HOST)[-1] + 1

    command = "+ npx cypress run --ci-build-id e2e-w2k25-fc"
    for behind in ([], [command]):
        view = judged([*WHOLE[:end], "  (Run Finished)", row[0], *behind, *WHOLE[end:]])
        assert (view.subruns[0].phase, view.ledger.planned) == ("FAILED" if behind else "COMPLETED", 2)


def test_a_totals_row_without_rows_that_a_test_prints_is_kept_if_it_is_red() -> None:
    bare = [line for line in RED if "other.cy.ts" not in line]
    green = ["  (Run Finished)", *WHOLE[at(WHOLE, "All specs passed!") :][:1]]

    assert judged(printed(bare)).reason["code"] == "failure-unattributed"
    assert judged(printed(green)).phase == "COMPLETED"
    assert judged(printed([*RED, *RED])).reason["code"] == "failure-unattributed"


def test_header_rows_and_epilogues_between_runs_change_nothing() -> None:
    rows = [WHOLE[at(WHOLE, "Specs:")], "  1 pending", "  1 passing (3s)"]

    assert judged([*WHOLE, *rows]).phase == "COMPLETED"


def test_a_header_without_its_title_starts_a_run() -> None:
    bare = [line for line in OTHER if "(Run Starting)" not in line]
    view = judged([*WHOLE, *bare], categorize=True)

    assert [subrun.phase for subrun in view.subruns] == ["COMPLETED", "COMPLETED"]
    assert judged([*WHOLE, OTHER[at(OTHER, "Cypress:")], ""], categorize=True).phase == "FAILED"


# --- wrappers ---


def cloud(verdict: str, counts: tuple[int, ...], mark: str = "✔") -> list[str]:
    """Return a cypress-cloud run of one spec, with its own table as drawn by its `lib/results/table.ts`."""
    cells = "".join((str(number) if number else "-").rjust(10) for number in counts)
    return [
        "Discovered 1 spec files",
        "Tags: ; Group: e2e-redhat9.6-fc; Parallel: false; Batch Size: 1",
        *prints.whole_run(HOST),
        *("=" * 100, "", "  Cloud Run Finished", ""),
        *(prints.edge("┌", "┐"), f"  │ {mark}   {HOST:<32}{'1m 5.7s':>8}{cells} │", prints.edge("├", "┤")),
        *(f"  │ {mark}   {verdict:<32}{'1m 5.7s':>8}{cells} │", prints.edge("└", "┘")),
        "🏁 Recorded Run: https://cloud.example.test/run/1",
    ]


@pytest.mark.parametrize("categorize", [False, True])
def test_a_wrappers_own_table_is_compared_with_its_specs(*, categorize: bool) -> None:
    def ending(verdict: str, counts: tuple[int, ...], mark: str = "✔") -> tuple[str, str]:
        view = judged(cloud(verdict, counts, mark), categorize=categorize)
        return view.phase.value, view.subruns[0].reason["code"]

    assert ending("All specs passed!", (1, 1, 0, 0, 0)) == ("COMPLETED", "all-passed")
    assert ending("1 of 1 failed", (1, 0, 1, 0, 0), "✖") == ("FAILED", "tests-failed")
    assert ending("All specs passed!", (2, 2, 0, 0, 0)) == ("FAILED", "totals-contradict")
    assert ending("No specs executed", (0, 0, 0, 0, 0)) == ("FAILED", "totals-contradict")
    assert ending("All specs passed!  1 2", (1,)) == ("COMPLETED", "all-passed")


def test_the_tables_of_two_wrappers_in_one_sub_run_add_up() -> None:
    assert judged([*cloud("All specs passed!", (1, 1, 0, 0, 0)) * 2]).phase == "COMPLETED"


def test_a_wrapper_without_its_end_line_is_named() -> None:
    lines = cloud("All specs passed!", (1, 1, 0, 0, 0))
    view = judged(lines[: at(lines, "Cloud Run Finished")])

    assert "end line of cypress-cloud" in view.reason["text"]


CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "nothing": list,
    "colours": lambda lines: [prints.coloured(line) for line in lines],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_colours_hide_no_line_that_fits_nowhere(change: Callable[[list[str]], list[str]]) -> None:
    view = judged(change([*WHOLE, *NOWHERE["a totals row"]]))

    assert view.reason["code"] == "failure-unattributed"
