"""The results of single tests in a report: which test a testcase is, and how many are listed."""

import pytest

from atvm_pipeline.core.case_list import Case, case_key, unpacked
from atvm_pipeline.core.junit import elements, totals
from atvm_pipeline.core.junit.report import Report, ReportedSpec, parse_report


def specs(*suites: str) -> tuple[ReportedSpec, ...]:
    report = parse_report(f"<testsuites>{''.join(suites)}</testsuites>".encode())
    assert isinstance(report, Report)
    return report.specs


def suite(*cases: str, file: str = "a.cy.ts") -> str:
    return f'<testsuite name="Root Suite" file="{file}" tests="{len(cases)}">{"".join(cases)}</testsuite>'


def case(name: str, inner: str = "", classname: str = "") -> str:
    return f'<testcase name="{name}" classname="{classname}">{inner}</testcase>'


def test_each_test_is_listed_with_its_result() -> None:
    (spec,) = specs(
        suite(
            case("s passes"),
            case("s fails", '<failure message="boom"/>'),
            case("s is pending", "<skipped/>"),
            case("s is flaky", '<flakyFailure message="once"/>'),
            case("s errs", '<flakyError/><error message="x"/>'),
        )
    )

    assert list(unpacked(spec.cases)) == [
        Case(case_key("s passes"), "passed"),
        Case(case_key("s fails"), "failed"),
        Case(case_key("s is pending"), "pending"),
        Case(case_key("s is flaky"), "flaky"),
        Case(case_key("s errs"), "failed"),
    ]
    assert (spec.flaky, spec.pending) == (("s is flaky",), ("s is pending",))
    assert spec.cases_left_out == 0


@pytest.mark.parametrize(
    ("name", "classname"),
    [("s > t", ""), ("s t", "t"), ("t", "s t"), ("t", "s")],
    ids=["no class", "mocha-junit-reporter", "name and class switched", "plain Mocha"],
)
def test_a_test_has_the_same_key_whatever_the_reporter_calls_name_and_class(
    name: str, classname: str
) -> None:
    (spec,) = specs(suite(case(name, classname=classname)))

    assert list(unpacked(spec.cases)) == [Case(case_key("s t"), "passed")]


def test_of_two_results_with_one_title_the_worst_counts() -> None:
    (spec,) = specs(suite(case("t"), case("t", "<failure/>"), case("t")))

    assert list(unpacked(spec.cases)) == [Case(case_key("t"), "failed")]


def test_tests_beyond_the_limit_of_a_spec_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "CASES_MAX", 2)
    (spec,) = specs(suite(*(case(f"t{number}") for number in range(5))))

    assert len(list(unpacked(spec.cases))) == 2
    assert spec.cases_left_out == 3


def test_tests_beyond_the_limit_of_a_report_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "CASES_TOTAL_MAX", 2)
    first, second = specs(suite(case("t1"), case("t2")), suite(case("t3"), file="b.cy.ts"))

    assert (len(first.cases), first.cases_left_out) == (24, 0)
    assert (second.cases, second.cases_left_out) == ("", 1)


def test_titles_of_flaky_and_pending_tests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "TITLES_MAX", 1)
    (spec,) = specs(suite(*(case(f"t{number}", "<skipped/>") for number in range(3))))

    assert spec.pending == ("t0",)
    assert len(list(unpacked(spec.cases))) == 3
