import json

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit import report as reports
from atvm_pipeline.core.junit.report import Refusal, Report, ReportedSpec, parse_report
from tests.support.reference_corpus import JUNIT

FAILING = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="Mocha Tests" time="30.2" tests="4" failures="2" skipped="1">
  <testsuite name="Root Suite" tests="0" file="cypress\\e2e\\w2k25.cy.ts" time="0.000" failures="0">
  </testsuite>
  <testsuite name="resync w2k25" tests="4" time="30.200" failures="2">
    <testcase name="resync starts" time="30.200" classname="starts">
    </testcase>
    <testcase name="resync waits" time="0.000" classname="waits">
      <failure message="Timed out &lt;b&gt;
 twice" type="AssertionError"><![CDATA[AssertionError: Timed out ]]]]><![CDATA[>]]></failure>
    </testcase>
    <testcase name="resync verifies" time="0.000" classname="verifies">
      <failure message="" type="Error"><![CDATA[
   Error: é from the stack
    at Context]]></failure>
    </testcase>
  </testsuite>
</testsuites>""".encode()


def suites(inner: str, attributes: str = "") -> bytes:
    return f"<testsuites {attributes}>{inner}</testsuites>".encode()


def root(spec: str, inner: str = "", attributes: str = 'tests="0" failures="0"') -> str:
    return f'<testsuite name="Root Suite" file="{spec}" {attributes}>{inner}</testsuite>'


def suite(inner: str, attributes: str = "") -> str:
    return f'<testsuite name="s" {attributes}>{inner}</testsuite>'


def read(data: bytes) -> Report:
    report = parse_report(data)
    assert isinstance(report, Report), report
    return report


def only(data: bytes) -> ReportedSpec:
    (spec,) = read(data).specs
    return spec


def refused(data: bytes) -> Refusal:
    refusal = parse_report(data)
    assert isinstance(refusal, Refusal)
    return refusal


def test_a_report_names_its_spec_its_counts_and_its_failures() -> None:
    report = read(FAILING)
    spec = only(FAILING)

    assert (report.declared_tests, report.declared_failures) == (4, 2)
    assert spec.spec == "cypress/e2e/w2k25.cy.ts"
    assert spec.suites == ("Root Suite", "resync w2k25")
    assert spec.counts == Counts(tests=4, passing=1, failing=2, pending=1)
    assert spec.duration_s == 30.2
    assert [(case.title, case.error) for case in spec.failed] == [
        ("resync waits", "Timed out <b> twice"),
        ("resync verifies", "Error: é from the stack"),
    ]


def test_every_start_of_a_report_is_not_yet_a_report() -> None:
    for end in range(len(FAILING)):
        assert refused(FAILING[:end]).retry, FAILING[:end]


@pytest.mark.parametrize("data", [b"", b" \r\n\t", b"\0" * 4096, FAILING[:200] + b"\0" * 100])
def test_empty_and_unwritten_files_are_not_yet_reports(data: bytes) -> None:
    assert refused(data).retry


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"<!DOCTYPE x><testsuites/>", "document type"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuites>&a;</testsuites>', "document type"),
        (b"<testsuites>&undefined;</testsuites>", "undefined entity"),
        (b"<html></html>", "<html>"),
        (b"no xml at all", "well-formed"),
        (b"<testsuites></testsuite>", "mismatched tag"),
        ("\ufeff<t/>".encode("utf-16-le"), "<t>"),
        (b"<testsuites name='\xff'/>", "well-formed"),
        (b"<testsuites>" + b"<x>" * 70, "deeper than 64"),
        (b"<testsuites a='" + b"x" * (3 * 1024 * 1024), "longer than"),
        (b"x" * (reports.REPORT_BYTES_MAX + 1), "larger than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_report_is_refused_for_a_reason(data: bytes, word: str) -> None:
    refusal = refused(data)

    assert word in refusal.reason
    assert not refusal.retry
    assert "\n" not in refusal.reason


def test_a_document_cannot_choose_its_codec() -> None:
    assert (
        only(b'<?xml version="1.0" encoding="utf-7"?>' + suites(root("a", attributes='tests="1"'))).spec
        == "a"
    )


@pytest.mark.exhaustive
def test_too_many_elements_are_refused() -> None:
    assert "500000 elements" in refused(b"<testsuites>" + b"<x/>" * 500_001 + b"</testsuites>").reason


def test_a_failed_before_hook_counts_once_and_the_rest_was_skipped() -> None:
    hook = '<testcase name="&quot;before all&quot; hook"><failure message="boom"/></testcase>'

    assert only(suites(root("a") + suite(hook, 'tests="3" failures="1"'))).counts == Counts(
        tests=3, failing=1, skipped=2
    )


def test_a_failed_root_hook_is_a_failure_without_a_test() -> None:
    hook = '<testcase name="hook"><failure message="boom"/></testcase>'

    assert only(suites(root("a", hook, 'tests="0" failures="1"'))).counts == Counts(tests=0, failing=1)


def test_tests_that_only_the_document_calls_skipped_are_pending() -> None:
    """Without includePending a pending test has no testcase: a spec with only pending tests must not look passed."""
    data = suites(root("a") + suite("", 'tests="2" failures="0"'), 'tests="2" failures="0" skipped="2"')

    assert only(data).counts == Counts(tests=2, pending=2)


def test_pending_and_skipped_are_distinguished_in_one_spec() -> None:
    hook = '<testcase name="hook"><failure message="boom"/></testcase>'
    data = suites(root("a") + suite(hook, 'tests="4" failures="1"'), 'skipped="1"')

    assert only(data).counts == Counts(tests=4, failing=1, pending=1, skipped=2)


def test_a_skipped_testcase_is_pending() -> None:
    data = suites(
        root("a") + suite('<testcase name="x"><skipped/></testcase>', 'tests="1" failures="0" skipped="1"')
    )

    assert only(data).counts == Counts(tests=1, pending=1)


def test_failures_are_believed_wherever_they_are_declared() -> None:
    passed = '<testcase name="x"/>'

    assert only(suites(root("a") + suite(passed, 'tests="1" failures="1"'))).counts.failing == 1
    assert only(suites(root("a") + suite(passed, 'tests="1" errors="1"'))).counts.failing == 1
    assert only(suites(root("a") + suite(passed, 'tests="1"'), 'failures="2"')).counts.failing == 2
    assert (
        only(
            suites(root("a") + suite("<testcase><error/></testcase>", 'tests="1" failures="0"'))
        ).counts.failing
        == 1
    )


def test_every_root_suite_is_a_spec_of_its_own() -> None:
    data = suites(
        root("a.ts")
        + suite("<testcase/>", 'tests="1"')
        + root("b.ts")
        + root("a.ts")
        + suite("", 'tests="2"')
    )

    assert [(spec.spec, spec.counts.tests) for spec in read(data).specs] == [
        ("a.ts", 1),
        ("b.ts", 0),
        ("a.ts", 2),
    ]


def test_a_suite_that_is_called_like_the_root_suite_stays_in_its_spec() -> None:
    data = suites(root("a.ts") + '<testsuite name="Root Suite" tests="1"><testcase/></testsuite>')

    assert only(data).counts == Counts(tests=1, passing=1)


def test_in_plain_mocha_every_suite_but_the_root_names_its_file() -> None:
    inner = '<testsuite name="Root Suite" tests="0"/>'
    inner += "".join(
        f'<testsuite name="s" file="{name}" tests="1"><testcase/></testsuite>' for name in ("/a", "/a", "/b")
    )

    assert [(spec.spec, spec.counts.passing) for spec in read(suites(inner)).specs] == [("/a", 2), ("/b", 1)]


def test_a_report_without_a_file_is_one_spec_without_a_name() -> None:
    spec = only(b'<testsuite name="redhat9.6" tests="1"><testcase name="x"/></testsuite>')

    assert (spec.spec, spec.suites, spec.counts) == ("", ("redhat9.6",), Counts(tests=1, passing=1))


def test_a_report_of_zero_tests_has_no_spec() -> None:
    report = read(suites("", 'name="Mocha Tests" time="0.000" tests="0" failures="0"'))

    assert report == Report(declared_tests=0, declared_failures=0)


def test_nested_suites_are_counted_once() -> None:
    inner = suite("<testcase/><testcase><failure/></testcase>", 'tests="2" failures="1"')

    assert only(suites(suite(inner, 'tests="2" failures="1"'))).counts == Counts(
        tests=2, passing=1, failing=1
    )


def test_oddly_nested_cases_hide_no_failure() -> None:
    data = b"<testsuites><testcase><testsuite><testcase><testcase/><failure/></testcase></testsuite></testcase></testsuites>"

    assert only(data).counts == Counts(tests=1, failing=1)


@pytest.mark.parametrize("number", ["-1", "1e3", "٣", "9" * 30, "NaN", "", "1.5"])
def test_numbers_that_are_none_are_not_declared(number: str) -> None:
    data = suites(root("a") + suite("<testcase/>", f'tests="{number}" time="{number}"'), f'tests="{number}"')

    assert read(data).declared_tests is None
    assert only(data).counts == Counts(tests=1, passing=1)
    assert msgspec.json.decode(msgspec.json.encode(read(data)), type=Report) == read(data)


def test_what_is_kept_is_bounded_and_on_one_line() -> None:
    case = f'<testcase name="{"t" * 9000}&#10;\u202eevil"><failure message="{"m " * 9000}"/></testcase>'
    spec = only(suites(root("p" * 9000) + suite(case * 50, 'tests="50" failures="50"') + suite("") * 50))

    assert len(spec.failed) == 10
    assert len(spec.suites) == 5
    assert all(len(case.title) <= 300 and len(case.error) <= 300 for case in spec.failed)
    assert len(msgspec.json.encode(spec)) < 10_000
    assert "\u202e" not in json.dumps(msgspec.to_builtins(spec), ensure_ascii=False)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(FAILING)), st.integers(0, len(FAILING)))
def test_nothing_that_is_written_over_a_report_raises(noise: bytes, start: int, end: int) -> None:
    for data in (noise, FAILING[:start] + noise + FAILING[end:]):
        found = parse_report(data)

        if isinstance(found, Report):
            assert msgspec.json.decode(msgspec.json.encode(found), type=Report) == found
            for spec in found.specs:
                assert min(msgspec.structs.astuple(spec.counts)) >= 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["testsuite", "testcase", "failure", "skipped", "x"]), max_size=40), st.data()
)
def test_no_nesting_of_known_elements_raises(names: list[str], data: st.DataObject) -> None:
    text, opened = "<testsuites>", []
    for name in names:
        while opened and data.draw(st.booleans()):
            text += f"</{opened.pop()}>"
        text += f"<{name}>"
        opened.append(name)
    text += "".join(f"</{name}>" for name in reversed(opened)) + "</testsuites>"

    assert isinstance(parse_report(text.encode()), Report)


@pytest.mark.corpus
def test_every_recorded_report_is_read_and_its_sums_are_the_declared_ones() -> None:
    files = sorted(JUNIT.glob("*.xml"))
    assert len(files) >= 50
    for path in files:
        report = read(path.read_bytes())

        failing = sum(spec.counts.failing for spec in report.specs)
        tests = sum(spec.counts.tests for spec in report.specs)
        assert report.declared_failures in (None, failing), path.name
        assert report.declared_tests in (None, tests), path.name
        for spec in report.specs:
            counts = spec.counts
            hooks = failing if "hook" in path.name else 0  # a failed hook is not a test
            assert (
                counts.tests
                <= counts.passing + counts.failing + counts.pending + counts.skipped
                <= counts.tests + hooks
            )
            assert len(spec.failed) == min(counts.failing, 10), path.name


@pytest.mark.corpus
def test_a_grouped_report_may_hold_only_the_check() -> None:
    spec = only((JUNIT / "gen-check-xml-files.xml").read_bytes())

    assert spec.spec.endswith("/check-xml-files.spec.js")
    assert spec.counts == Counts(tests=1, passing=1)
