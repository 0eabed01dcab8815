"""Spec files and times named by the suites and test cases themselves."""

import pytest

from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.totals import instant
from tests.core.junit.test_report_damage import ROOT, SPEC, only, read, report, suite


def xunit(*cases: str, declared: str = 'tests="3" failures="0" errors="1"') -> bytes:
    head = f'<testsuite name="Mocha Tests" {declared} timestamp="Mon, 23 Nov 2026 10:00:00 GMT" time="2">'
    return f"{head}{''.join(cases)}</testsuite>".encode()


def case(file: str, inner: str = "", classname: str = "c") -> str:
    named = f' file="{file}"' if file else ""
    return f'<testcase classname="{classname}" name="t"{named} time="1">{inner}</testcase>'


def test_a_test_case_belongs_to_the_file_that_it_names() -> None:
    found = read(xunit(case("a.cy.ts"), case("b.cy.ts", "<failure>boom</failure>"), case("a.cy.ts")))

    assert [(spec.spec, spec.counts) for spec in found.specs] == [
        ("a.cy.ts", Counts(tests=2, passing=2)),
        ("b.cy.ts", Counts(tests=1, failing=1)),
    ]
    assert found.specs[1].failed[0].error == "boom"


def test_what_a_suite_declares_beyond_the_cases_of_files_stays_its_own() -> None:
    found = read(
        xunit(case("a.cy.ts", "<skipped/>"), case(""), declared='tests="3" failures="1" skipped="1"')
    )

    assert [(spec.spec, spec.counts) for spec in found.specs] == [
        ("", Counts(tests=2, passing=1, failing=1)),
        ("a.cy.ts", Counts(tests=1, pending=1)),
    ]


def test_the_class_of_a_case_names_the_host_where_nothing_names_a_file() -> None:
    cases = [case("", "<error/>" if n == 2 else "", f"redhat9.{n}") for n in range(9)]
    (spec,) = read(xunit(*cases)).specs

    assert spec.suites == ("Mocha Tests", "redhat9.0", "redhat9.1", "redhat9.2", "redhat9.3")
    assert spec.counts.failing == 1


def test_a_case_of_a_helper_remembers_the_spec_around_it() -> None:
    data = f'<testsuites>{ROOT}<testsuite name="s" tests="1" failures="1">{case("support/shared.ts", "<error/>")}'
    (own,) = read(f"{data}</testsuite></testsuites>".encode()).specs[1:]

    assert (own.spec, own.within, own.counts.failing) == ("support/shared.ts", SPEC, 1)


def test_the_same_file_in_a_longer_or_shorter_form_is_no_other_file() -> None:
    for file in (SPEC, f"/root/{SPEC}", "e2e/redhat9.6.cy.ts", "e2e\\redhat9.6.cy.ts"):
        data = f'<testsuite name="s" file="{SPEC}" tests="1">{case(file, "<failure/>")}</testsuite>'

        assert only(data.encode()).counts == Counts(tests=1, failing=1)


def test_an_inner_suite_of_another_file_is_counted_there_alone() -> None:
    inner = f'<testsuite name="i" file="b.cy.ts" tests="1" failures="1">{case("", "<failure/>")}</testsuite>'
    deep = f'<testsuite name="d" tests="1" failures="1">{inner}</testsuite>'
    data = f'<testsuite name="s" file="a.cy.ts" tests="2" failures="1" time="3">{case("")}{deep}</testsuite>'

    assert [(spec.spec, spec.counts) for spec in read(data.encode()).specs] == [
        ("a.cy.ts", Counts(tests=1, passing=1)),
        ("b.cy.ts", Counts(tests=1, failing=1)),
    ]


def test_a_case_outside_of_any_suite_counts() -> None:
    data = f"<testsuites>{case('', '<failure/>', 'redhat9.6')}{case('a.cy.ts')}</testsuites>"

    assert [(spec.spec, spec.suites, spec.counts) for spec in read(data.encode()).specs] == [
        ("", ("redhat9.6",), Counts(tests=1, failing=1)),
        ("a.cy.ts", (), Counts(tests=1, passing=1)),
    ]


def test_a_long_path_keeps_its_end() -> None:
    path = "x/" * 400 + "redhat9.6.cy.ts"

    assert only(report().replace(SPEC, path).encode()).spec.endswith("/redhat9.6.cy.ts")


# --- times ---


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00+00:00"),
        ("2026-11-23T10:00:00.250Z", "2026-11-23T10:00:00.250000+00:00"),
        ("2026-11-23 12:00:00+02:00", "2026-11-23T10:00:00+00:00"),
        ("Mon, 23 Nov 2026 10:00:00 GMT", "2026-11-23T10:00:00+00:00"),
        ("Mon, 33 Nov 2026 10:00:00 GMT", None),
        ("Mon, 23 Foo 2026 10:00:00 GMT", None),
        ("2026-11-23", None),
        ("2026-13-23T10:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        ("9" * 1000, None),
        (None, None),
    ],
)
def test_a_suite_states_when_it_started(text: str | None, found: str | None) -> None:
    began = instant(text)

    assert (began and began.isoformat()) == found


def test_a_spec_started_with_its_first_suite() -> None:
    late = suite().replace("<testsuite ", '<testsuite timestamp="2026-11-23T10:05:00" ')
    spec = only(f"<testsuites>{suite()}{late.replace('redhat9.6', 'more')}</testsuites>".encode())

    assert spec.started_at is not None
    assert spec.started_at.isoformat() == "2026-11-23T10:05:00+00:00"
