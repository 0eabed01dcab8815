"""The scanner finds the facts of ordinary runs, however they are printed and however the bytes arrive."""

from collections.abc import Sequence

import msgspec
import pytest

from atvm_pipeline.cli.fact_lines import describe_fact
from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from tests.support import cypress_output as prints

SCANNER = Scanner(Dialect())
LONG = "e2e/a-folder/" + "x" * 60 + "/redhat9.6 and ubuntu24.04 with a name longer than any column.cy.ts"


def read(data: bytes, scanner: Scanner = SCANNER) -> list[f.Fact]:
    scan = scanner.scan(ScannerState(), data)
    return [*scan.facts, *scanner.finish(scan.state).facts]


def found(lines: Sequence[str], end: str = "\n") -> list[f.Fact]:
    return read(prints.encoded(lines, end))


def without_offsets(facts: Sequence[f.Fact]) -> list[f.Fact]:
    return [msgspec.structs.replace(fact, offset=0) for fact in facts]


def only(facts, kind):
    (fact,) = (fact for fact in facts if isinstance(fact, kind))
    return fact


def test_a_passing_run_is_reported_from_its_start_to_its_totals_row() -> None:
    one = f.Counts(tests=1, passing=1)

    facts = without_offsets(found(prints.whole_run("a.cy.ts", "b.cy.ts")))

    assert facts == [
        f.ChildStarted(offset=0),
        f.ChildDescribed(
            offset=0,
            cypress="12.17.4",
            browser="Chrome 116 (headless)",
            specs_found=2,
            spec_names=("a.cy.ts", "b.cy.ts"),
        ),
        f.SpecStarted(offset=0, spec="a.cy.ts", position=1, total=2),
        f.SpecReported(offset=0, spec="a.cy.ts", counts=one, duration_s=3.0),
        f.SpecStarted(offset=0, spec="b.cy.ts", position=2, total=2),
        f.SpecReported(offset=0, spec="b.cy.ts", counts=one, duration_s=3.0),
        f.RunFinished(offset=0),
        f.SpecSummarised(offset=0, spec="a.cy.ts", mark="passed", counts=one, duration_s=3.0),
        f.SpecSummarised(offset=0, spec="b.cy.ts", mark="passed", counts=one, duration_s=3.0),
        f.TotalsReported(offset=0, verdict="passed", counts=f.Counts(tests=2, passing=2), duration_s=3.0),
    ]


def test_every_offset_is_where_the_line_starts() -> None:
    data = prints.encoded(prints.whole_run("a.cy.ts"))
    starts = {
        f.ChildStarted: b"  (Run Starting)",
        f.ChildDescribed: "  ┌".encode(),
        f.SpecStarted: b"  Running:  a.cy.ts",
        f.SpecReported: b"  (Results)",
        f.RunFinished: b"  (Run Finished)",
        f.SpecSummarised: "  │ ✔  a.cy.ts".encode(),
        f.TotalsReported: "    ✔  All specs".encode(),
    }

    for fact in read(data):
        assert data[fact.offset :].startswith(starts[type(fact)])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("paint", [str, prints.coloured], ids=["plain", "coloured"])
def test_colours_and_carriage_returns_change_nothing(paint, end: str) -> None:
    lines = prints.whole_run("a.cy.ts", LONG, "c d.cy.ts")

    assert without_offsets(found([paint(line) for line in lines], end)) == without_offsets(found(lines))


@pytest.mark.parametrize("code_page", ["cp437", "cp850", "cp1252"])
def test_a_log_that_a_windows_console_misread_is_understood(code_page: str) -> None:
    lines = prints.whole_run("zoë-ã.cy.ts", "b.cy.ts")

    def misread(line: str) -> str:
        return "".join(
            bytes([byte]).decode(code_page, errors="ignore") or chr(byte) for byte in line.encode()
        )

    assert without_offsets(found([misread(line) for line in lines])) == without_offsets(found(lines))


def test_a_log_whose_special_characters_became_question_marks_is_understood() -> None:
    lines = prints.whole_run("a.cy.ts", "b.cy.ts")
    asked = [line.encode("ascii", errors="replace").decode() for line in lines]

    assert without_offsets(found(asked)) == without_offsets(found(lines))


def test_a_line_that_only_looks_misread_is_left_as_it_is() -> None:
    """It contains `─` as misread with a code page, and a character that no single-byte code page has."""
    name = "ΓöÇ-Ôö-漢.cy.ts"

    assert only(found(prints.whole_run(name)), f.SpecStarted).spec == name


def test_of_utf_16_only_cypresss_words_are_found() -> None:
    (fact,) = read("\n".join(prints.whole_run("a.cy.ts")).encode("utf-16"))

    assert isinstance(fact, f.WordsUnread)
    assert "(Run Starting)" in fact.text


@pytest.mark.parametrize("length", [30, 34, 35, 36, 66, 67, 68, 69, 70, 78, 79, 80, 81, 136, 137, 161, 250])
@pytest.mark.parametrize("filling", ["x", "x y ", "é/"])
def test_a_wrapped_name_is_put_together_in_every_place(length: int, filling: str) -> None:
    spec = (filling * length)[: length - 6].strip() + "/a.cy."

    facts = found(prints.whole_run(spec, "next.cy.ts"))

    told = {
        fact.spec for fact in facts if isinstance(fact, f.SpecStarted | f.SpecReported | f.SpecSummarised)
    }
    assert told == {spec, "next.cy.ts"}
    assert only(facts, f.ChildDescribed).specs_found == 2


def test_a_name_is_measured_as_javascript_counts() -> None:
    lines = prints.running("𝒳" * 34 + "rest.cy.ts")
    assert len(lines) == 3
    lines[2:] = [f"  Running:  {'𝒳' * 34}   (1 of 1)", " " * 12 + "rest.cy.ts"]

    assert only(found(lines), f.SpecStarted).spec == "𝒳" * 34 + "rest.cy.ts"


def test_a_short_name_is_reported_at_once() -> None:
    """With `reporter: junit` the next line may be printed hours later."""
    scan = SCANNER.scan(ScannerState(), prints.encoded(prints.running("x" * 67)))

    assert only(scan.facts, f.SpecStarted).spec == "x" * 67


def test_a_name_that_may_continue_is_held_until_the_next_line() -> None:
    scan = SCANNER.scan(ScannerState(), prints.encoded(prints.running("x" * 68)))
    following = SCANNER.scan(scan.state, b"\n")

    assert scan.facts == ()
    assert only(following.facts, f.SpecStarted).spec == "x" * 68
    assert only(SCANNER.finish(scan.state).facts, f.SpecStarted).spec == "x" * 68


def test_a_box_is_reported_with_its_last_row_and_a_table_row_by_row() -> None:
    lines = prints.whole_run("a.cy.ts")
    spec_ran = next(at for at, line in enumerate(lines) if "Spec Ran" in line)
    first_row = next(at for at, line in enumerate(lines) if "✔  a.cy.ts" in line)

    until_box = SCANNER.scan(ScannerState(), prints.encoded(lines[: spec_ran + 1])).facts
    until_row = SCANNER.scan(ScannerState(), prints.encoded(lines[: first_row + 1])).facts

    assert isinstance(until_box[-1], f.SpecReported)
    assert isinstance(until_row[-1], f.SpecSummarised)


def test_noise_between_and_inside_the_boxes_is_skipped() -> None:
    lines = prints.whole_run("a.cy.ts", LONG)
    noise = (
        "tput: No value for $TERM and no -T specified",
        "DevTools listening on ws://127.0.0.1:5/devtools/browser/x",
    )
    noisy = [
        text
        for line in lines
        for text in (
            (*noise, line) if line.startswith(("  │", "  (", "  ┌", "  └", "    ✔  All")) else (line,)
        )
    ]

    assert without_offsets(found(noisy)) == without_offsets(found(lines))


def test_the_recorded_run_and_its_parameters_are_reported() -> None:
    run = prints.whole_run("a.cy.ts")
    header = prints.starting(
        "a.cy.ts", params="Tag: x, Group: e2e-redhat9.6, Parallel: true", run_url="http://s/run/1"
    )
    facts = found([*header, *run[len(prints.starting("a.cy.ts")) :], *prints.recorded("http://s/run/1")])

    described = only(facts, f.ChildDescribed)
    assert (described.group, described.parallel, described.run_url) == (
        "e2e-redhat9.6",
        True,
        "http://s/run/1",
    )
    assert only(facts, f.RunRecorded).url == "http://s/run/1"


@pytest.mark.parametrize("group", ["false", "e2e-redhat9.6-ubuntu2…"])
def test_a_group_that_is_null_or_was_cut_is_not_reported(group: str) -> None:
    header = prints.starting("a.cy.ts", params=f"Tag: false, Group: {group}, Parallel: false")

    assert only(found(header), f.ChildDescribed).group is None


def test_spec_names_that_were_cut_are_not_trusted() -> None:
    lines = prints.starting("a.cy.ts", "b.cy.ts")
    cut = [line.replace("(a.cy.ts, b.cy.ts) ", "(a.cy.ts, b.cy...) ") for line in lines]

    assert only(found(cut), f.ChildDescribed).specs_found == 2
    assert only(found(cut), f.ChildDescribed).spec_names == ()


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [
        ("3 seconds", 3.0),
        ("1 second", 1.0),
        ("1 minute, 1 second", 61.0),
        ("90 minutes, 0 seconds", 5400.0),
        ("X seconds", None),
    ],
)
def test_the_durations_of_a_box(printed: str, seconds: float | None) -> None:
    lines = [
        *prints.starting("a.cy.ts"),
        *prints.running("a.cy.ts"),
        *prints.results("a.cy.ts", duration=printed),
    ]

    assert only(found(lines), f.SpecReported).duration_s == seconds


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [("62ms", 0.062), ("04:55", 295.0), ("1:02:03", 3723.0), ("XX:XX", None), ("0ms", 0.0)],
)
def test_the_durations_of_the_table(printed: str, seconds: float | None) -> None:
    table = prints.finished(
        [prints.row("a.cy.ts", (1, 0, 1, 0, 0), "✖", printed)], "1 of 1 failed (100%)", (1, 0, 1, 0, 0), "✖"
    )
    facts = found([*prints.starting("a.cy.ts"), *prints.whole_spec("a.cy.ts"), *table])

    summarised, totals = only(facts, f.SpecSummarised), only(facts, f.TotalsReported)
    assert (summarised.mark, summarised.duration_s) == ("failed", seconds)
    assert (totals.verdict, totals.failed, totals.total, totals.counts.failing) == ("failed", 1, 1, 1)


def test_a_canceled_run_skips_specs_and_reports_it_at_its_end() -> None:
    canceled = "  This spec and its tests were skipped because the run has been canceled."
    rows = [prints.row("a.cy.ts", (1, 1, 0, 0, 0)), prints.row("b.cy.ts", (0, 0, 0, 0, 0), "-", "SKIPPED")]
    facts = found(
        [
            *prints.starting("a.cy.ts", "b.cy.ts"),
            *prints.whole_spec("a.cy.ts", 1, 2),
            *prints.running("b.cy.ts", 2, 2),
            "",
            canceled,
            "",
            *prints.finished(rows, "The run was canceled", (1, 1, 0, 0, 0), "-"),
            "  Exiting with non-zero exit code because the run was canceled.",
        ]
    )

    assert [fact.skipped for fact in facts if isinstance(fact, f.SpecSummarised)] == [False, True]
    assert only(facts, f.TotalsReported).verdict == "canceled"
    assert (only(facts, f.ErrorReported).code, facts[-1].offset) == (
        "run-canceled",
        only(facts, f.ErrorReported).offset,
    )


def test_a_summary_without_a_table_is_reported_at_once() -> None:
    """The ci-build-id was used before: the server assigns no specs, and Cypress exits with 0."""
    lines = [*prints.starting("a.cy.ts"), "=" * 80, "", "  (Run Finished)"]
    facts = SCANNER.scan(ScannerState(), prints.encoded(lines)).facts

    assert [type(fact) for fact in facts] == [f.ChildStarted, f.ChildDescribed, f.RunFinished]


def test_failing_tests_are_reported_with_their_suites_and_errors() -> None:
    lines = [
        *prints.starting("a.cy.ts"),
        *prints.running("a.cy.ts"),
        *("  0 passing (3s)", "  3 failing", ""),
        *(
            "  1) Suite:",
            "       inner suite",
            "         a title: with a colon:",
            "     CypressError: it broke",
            "http://x/",
            "",
        ),
        *(
            "  2) Suite",
            "       differs:",
            "",
            "      AssertionError: expected 1 to equal 2",
            "      + expected - actual",
            "",
        ),
        *("  9) not the next one", "       at all:", "     no error", ""),
        *("  3) An uncaught error was detected outside of a test:", "     Error: boom", ""),
        *prints.results("a.cy.ts", passing=0, failing=3),
    ]

    told = [(fact.title, fact.error) for fact in found(lines) if isinstance(fact, f.TestFailed)]
    assert told == [
        ("Suite: > inner suite > a title: with a colon", "CypressError: it broke"),
        ("Suite > differs", "AssertionError: expected 1 to equal 2"),
        ("An uncaught error was detected outside of a test", "Error: boom"),
    ]


def test_no_more_than_fifty_failing_tests_of_a_spec_are_reported() -> None:
    failures = [("Suite", f"test {number}", "Error: no") for number in range(1, 71)]
    lines = [*prints.starting("a.cy.ts"), *prints.running("a.cy.ts"), *prints.epilogue(0, failures)]
    facts = found([*lines, *prints.results("a.cy.ts", passing=0, failing=70)])

    assert len([fact for fact in facts if isinstance(fact, f.TestFailed)]) == 50
    assert only(facts, f.SpecReported).counts.failing == 70


@pytest.mark.parametrize(
    ("tests", "flaky"),
    [
        (["    (Attempt 1 of 3) opens", "    ✓ opens (62ms)"], ["opens"]),
        (["    (Attempt 1 of 3) opens", "    (Attempt 2 of 3) opens", "    √ opens"], ["opens"]),
        (["    ✖(Attempt 1 of 3) opens", "    ✓(Attempt 2 of 3) opens", "    ✓ opens (1ms)"], ["opens"]),
        (["    (Attempt 1 of 2) opens", "noise", "", "    ✓ opens (62ms)"], ["opens"]),
        (["    (Attempt 1 of 2) opens", "    1) opens", "    ✓ opens"], []),
        (["    (Attempt 1 of 2) opens", "    ✓ closes", "    ✓ opens"], []),
        (["    ✓ opens (62ms)"], []),
    ],
)
def test_a_test_that_passed_after_a_retry_is_flaky(tests: list[str], flaky: list[str]) -> None:
    lines = [*prints.starting("a.cy.ts"), *prints.running("a.cy.ts"), "", "  Suite", *tests]

    assert [fact.title for fact in found(lines) if isinstance(fact, f.TestFlaky)] == flaky


def test_the_lines_of_cypress_cloud_frame_its_children() -> None:
    lines = [
        *("=" * 100, "Discovered 2 spec files", "Tags: false; Group: fc; Parallel: true; Batch Size: 1"),
        *prints.whole_run("a.cy.ts"),
        *prints.whole_run("b.cy.ts"),
        *("  Cloud Run Finished", "    All specs passed!", "🏁 Recorded Run: http://x/"),
    ]
    facts = without_offsets(found(lines))

    assert facts[0] == f.WrapperStarted(offset=0, wrapper="cypress-cloud", total=2, group="fc")
    assert facts[-1] == f.WrapperFinished(offset=0, wrapper="cypress-cloud")
    assert sum(isinstance(fact, f.ChildStarted) for fact in facts) == 2


def test_a_runner_that_discovers_spec_files_is_no_wrapper_nor_is_a_test_that_reports_it() -> None:
    alone = without_offsets(found(["Discovered 2 spec files", *prints.whole_run("a.cy.ts")]))
    within = prints.whole_run("a.cy.ts")
    at = next(i for i, line in enumerate(within) if "(Results)" in line)
    within[at:at] = [
        "Discovered 2 spec files",
        "Tags: false; Group: fc; Parallel: true; Batch Size: 1",
        "  Cloud Run Finished",
    ]

    assert not any(isinstance(fact, f.WrapperStarted) for fact in alone)
    assert not any(isinstance(fact, f.WrapperStarted | f.WrapperFinished) for fact in found(within))


@pytest.mark.parametrize(
    "line",
    [
        "cy2 run --ci-build-id e2e-redhat9.6-fc --parallel",
        "+ npx cypress run --ci-build-id=e2e-redhat9.6-fc",
        "\x1b[90m[run] --ci-build-id 'e2e-redhat9.6-fc'\x1b[39m",
    ],
)
def test_a_command_line_in_the_log_shows_the_label(line: str) -> None:
    facts = found([*prints.whole_run("a.cy.ts"), line, *prints.whole_run("b.cy.ts")])

    assert only(facts, f.ChildLaunched).label == "e2e-redhat9.6-fc"
    assert sum(isinstance(fact, f.TotalsReported) for fact in facts) == 2


@pytest.mark.parametrize(
    "label", [r"group=(?P<quoted>\S+)", r"(?i)GROUP=(?P<label>\S+)", r"starting group=(?P<label>\S+)"]
)
def test_a_dialect_states_how_labels_and_progress_look(label: str) -> None:
    scanner = Scanner(Dialect(label=label, progress=r"^progress: \d+"))
    facts = read(b"starting group=fc\nprogress: 40 %\nprogress: none\n", scanner)

    assert without_offsets(facts) == [
        f.ChildLaunched(offset=0, label="fc"),
        f.RunnerProgressed(offset=0, text="progress: 40 %"),
    ]


def test_progress_is_reported_while_an_empty_summary_waits_for_its_table_but_not_within_a_box() -> None:
    scanner = Scanner(Dialect(progress=r"^progress: \d+"))
    empty = [*prints.starting("a.cy.ts"), "  (Run Finished)", "progress: 1"]
    run = prints.whole_run("a.cy.ts")
    boxed = [text for line in run for text in ((line, "progress: 2") if "Passing:" in line else (line,))]

    assert isinstance(read(prints.encoded(empty), scanner)[-1], f.RunnerProgressed)
    assert without_offsets(read(prints.encoded(boxed), scanner)) == without_offsets(found(run))


def test_a_pattern_that_does_not_compile_is_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        Scanner(Dialect(label="(unclosed"))


def test_a_totals_row_that_is_cut_in_a_number_is_not_reported() -> None:
    data = prints.encoded(prints.whole_run("a.cy.ts")).rstrip().removesuffix(b"-") + b"1"

    assert not [fact for fact in read(data) if isinstance(fact, f.TotalsReported)]


def test_every_fact_has_a_line_for_a_person() -> None:
    facts = found(prints.whole_run("a.cy.ts"))
    facts += [
        f.ChildLaunched(offset=1, label="x\x1b[31m"),
        f.TestFailed(offset=1, title="t", error="e"),
        f.TestFlaky(offset=1, title="t"),
        f.ScreenshotsListed(offset=1, spec="a.cy.ts", paths=("x\x1b.png",)),
        f.RunRecorded(offset=1, url="http://x/"),
        f.ErrorReported(offset=1, code="run-canceled", scope="run", text="t"),
        f.WrapperStarted(offset=1, wrapper="cypress-cloud", total=1, group="g"),
        f.WrapperFinished(offset=1, wrapper="cypress-cloud"),
        f.RunnerProgressed(offset=1, text="t"),
        f.TestsCounted(offset=1, spec="a.cy.ts", passed=1, epilogue=f.Counts(tests=1, passing=1)),
        f.LineUnplaced(offset=1, kind="totals", text="1 of 2 failed", failing=True),
        f.WrapperTotals(offset=1, counts=f.Counts(tests=1, passing=1)),
        f.EpilogueRead(offset=1, passing=1),
        f.WordsUnread(offset=1, text="(Run Starting)"),
        f.FormLearnt(offset=1, prefix="[label]", stripped=True, quoted=True),
    ]

    assert {type(fact) for fact in facts} == set(f.Fact.__args__)
    for fact in facts:
        line = describe_fact(fact)
        assert line
        assert line.isprintable()
