"""Running totals while a JUnit report is parsed: per spec, per open suite, per open test case.

This module contains the rules for numbers that the reporter omits (a pending test has no testcase, a failed hook is not
a test). It does not handle XML.
"""

import math
import re
from datetime import UTC, datetime

import msgspec

from atvm_pipeline.core.case_list import Case, CaseResult, case_key, packed
from atvm_pipeline.core.facts import Counts, Instant

SUITES_MAX = 5
FAILED_MAX = 10
"""Failed cases kept per spec; a message shows ten."""
TITLES_MAX = 50
"""Titles of pending and of flaky tests kept per spec."""
CASES_MAX = 2_000
"""Tests of a spec that are listed with their results."""
REPORT_TEXT_CHARS_MAX = 300
NUMBER_MAX = 10**9
"""A larger count or duration is invalid."""
YEARS = range(1990, 2900)
"""A suite's own time outside these years is ignored."""

_SEVERITY: tuple[CaseResult, ...] = ("passed", "flaky", "pending", "failed")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d:\d\d) GMT")


class FailedCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A failed test or hook by name."""

    title: str
    error: str = ""
    """The error's message, at most 300 characters on one line; may be empty."""


class ReportedSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The results of one spec in a report."""

    spec: str = ""
    """The spec file as a suite or its test cases name it, with `/`; "" if no file is named."""
    within: str = ""
    """The spec file of the surrounding suite, if test cases name a file of their own."""
    suites: tuple[str, ...] = ()
    """Names of the first suites, then of the first classes: they identify a host if no spec file is named."""
    counts: Counts = Counts()
    """`tests` is the number that the suites declare. Failures may exceed it: a failed hook is not a test."""
    duration_s: float | None = None
    """Sum over the suites; in Cypress a failed test adds nothing to it."""
    failed: tuple[FailedCase, ...] = ()
    started_at: Instant | None = None
    """Start of its first suite, from its `timestamp`, cut to the second."""
    incomplete: bool = False
    """Only a part could be read: failures count, and it proves no pass."""
    cases: str = ""
    """Its tests with their results (`case_list.packed`), in order and each one once."""
    cases_left_out: int = 0
    """Tests that are not in `cases` because of its limit."""
    flaky: tuple[str, ...] = ()
    """Titles of tests that the reporter names as passed after a retry."""
    pending: tuple[str, ...] = ()
    """Titles of pending tests that have a testcase."""


class SpecTotals:
    """One spec while it is read: a root suite and the suites that follow it, or the test cases of one file."""

    def __init__(self, spec: str, within: str = "") -> None:
        """Start with no numbers; `within` is the spec file of the surrounding suite."""
        self.spec = spec
        self.within = within
        self.suites: list[str] = []
        self.classes: dict[str, None] = {}
        self.tests = 0
        self.failures = 0
        self.skipped = 0
        self.cases = 0
        self.failed_cases = 0
        self.pending_cases = 0
        self.duration_s: float | None = None
        self.started_at: datetime | None = None
        self.failed: list[FailedCase] = []
        self.results: dict[str, CaseResult] = {}
        """Key of a test -> its result; the worst of several with the same title."""
        self.results_left_out = 0
        self.flaky: list[str] = []
        self.pending_titles: list[str] = []

    @property
    def passing(self) -> int:
        """The number of testcases that neither failed nor are pending."""
        return self.cases - self.failed_cases - self.pending_cases

    @property
    def failing(self) -> int:
        """Failed tests and hooks: the number that the suites declare, or the number of cases, whichever is larger."""
        return max(self.failures, self.failed_cases)

    @property
    def pending(self) -> int:
        """Tests that their author marked as skipped."""
        return max(self.pending_cases, self.skipped)

    @property
    def without_case(self) -> int:
        """Declared tests that have no testcase: pending tests, or tests skipped after a failed hook."""
        return max(0, self.tests - self.passing - self.failing - self.pending)

    @property
    def says_something(self) -> bool:
        """Whether it names a spec or has any count."""
        return bool(self.spec or self.tests or self.cases or self.failing)

    def add_suite(self, name: str, attributes: dict[str, str], *, outermost: bool) -> None:
        """Add a suite at its start tag."""
        if len(self.suites) < SUITES_MAX:
            self.suites.append(name)
        took_s = seconds(attributes.get("time")) if outermost else None
        if took_s is not None:
            self.duration_s = round((self.duration_s or 0.0) + took_s, 3)
        began = instant(attributes.get("timestamp"))
        if began is not None:
            self.started_at = began if self.started_at is None else min(self.started_at, began)

    def add_class(self, name: str) -> None:
        """Add the class of a test case: if no file is named, it may name the host."""
        if name and len(self.classes) < SUITES_MAX:
            self.classes[name] = None

    def add_result(self, case: "CaseTotals", *, listed: bool) -> None:
        """Add the result of a test case at its end; `listed`: the limit of the report permits one more."""
        result = case.result
        titles = {"flaky": self.flaky, "pending": self.pending_titles}.get(result)
        if titles is not None and len(titles) < TITLES_MAX:
            titles.append(case.title)
        key = case_key(case.full_title)
        if key in self.results:
            self.results[key] = max(self.results[key], result, key=_SEVERITY.index)
        elif listed and len(self.results) < CASES_MAX:
            self.results[key] = result
        else:
            self.results_left_out += 1

    def reported(self, *, rest_pending: int, incomplete: bool) -> ReportedSpec:
        """Return the result; `rest_pending` of the tests without a testcase are pending, the others were skipped."""
        counts = Counts(
            tests=self.tests,
            passing=self.passing,
            failing=self.failing,
            pending=self.pending + rest_pending,
            skipped=self.without_case - rest_pending,
        )
        return ReportedSpec(
            spec=self.spec,
            within=self.within,
            suites=(*self.suites, *(name for name in self.classes if name not in self.suites))[:SUITES_MAX],
            counts=counts,
            duration_s=self.duration_s,
            failed=tuple(self.failed),
            started_at=self.started_at,
            incomplete=incomplete,
            cases=packed(Case(key, result) for key, result in self.results.items()),
            cases_left_out=self.results_left_out,
            flaky=tuple(self.flaky),
            pending=tuple(self.pending_titles),
        )


class SuiteTotals:
    """An open `<testsuite>`; its numbers are the declared ones or the sums of its content, whichever are larger."""

    def __init__(self, group: SpecTotals, attributes: dict[str, str]) -> None:
        """Start with the spec that it belongs to and the numbers that it declares."""
        self.group = group
        self.tests = report_count(attributes.get("tests"))
        failures, errors = report_count(attributes.get("failures")), report_count(attributes.get("errors"))
        self.failures = (failures or 0) + (errors or 0)
        self.skipped = report_count(attributes.get("skipped")) or 0
        self.cases = 0
        self.inner = (0, 0, 0)
        """Tests, failures, skipped tests of the suites within it."""
        self.elsewhere = (0, 0, 0)
        """Those of the declared numbers that belong to another spec."""

    def believe_cases_only(self) -> None:
        """Drop the declared numbers: the report is cut, so not all declared cases were read."""
        self.tests, self.failures, self.skipped = None, 0, 0

    def count_elsewhere(self, case: "CaseTotals") -> None:
        """Count a test case inside it that belongs to another spec."""
        self.elsewhere = _sum(self.elsewhere, (1, case.failed, case.pending and not case.failed))

    def end(self, outer: "SuiteTotals | None") -> None:
        """Add its numbers to its spec, or to the surrounding suite of the same spec."""
        tests = self.cases + self.inner[0]
        if self.tests is not None:
            tests = max(self.tests - self.elsewhere[0], self.inner[0])
        failures = max(self.failures - self.elsewhere[1], self.inner[1])
        own = (tests, failures, max(self.skipped - self.elsewhere[2], self.inner[2]))
        if outer is not None:
            outer.elsewhere = _sum(outer.elsewhere, self.elsewhere)
        if outer is not None and outer.group is self.group:
            outer.inner = _sum(outer.inner, own)
            return
        if outer is not None:
            outer.elsewhere = _sum(outer.elsewhere, own)
        self.group.tests += own[0]
        self.group.failures += own[1]
        self.group.skipped += own[2]


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


class CaseTotals:
    """An open `<testcase>`."""

    def __init__(self, group: SpecTotals, title: str, class_name: str = "") -> None:
        """Start with the spec that it belongs to, and the names that the reporter writes."""
        self.group = group
        self.title = title
        self.class_name = class_name
        self.failed = False
        self.flaky = False
        self.pending = False
        self.error = ""

    @property
    def result(self) -> CaseResult:
        """Its result; a failure decides."""
        if self.failed:
            return "failed"
        if self.pending:
            return "pending"
        return "flaky" if self.flaky else "passed"

    @property
    def full_title(self) -> str:
        """Its title with those of its suites.

        mocha-junit-reporter writes it as name, or as class if the two are switched; plain Mocha has the suites as class.
        """
        if not self.class_name or self.title.endswith(self.class_name):
            return self.title
        return self.class_name if self.class_name.endswith(self.title) else f"{self.class_name} {self.title}"


def report_count(text: str | None) -> int | None:
    """Return a count from an attribute, None if it is invalid."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(NUMBER_MAX)):
        return None
    return min(int(text), NUMBER_MAX)


def seconds(text: str | None) -> float | None:
    """Return a duration from an attribute, None if it is invalid (`NaN`, `1,234.5`)."""
    if text is None or len(text) > REPORT_TEXT_CHARS_MAX:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= NUMBER_MAX else None


def instant(text: str | None) -> datetime | None:
    """Return a time as mocha-junit-reporter (UTC without a zone) or Mocha's xunit (an HTTP date) writes it, else None."""
    if text is None or len(text) > REPORT_TEXT_CHARS_MAX:
        return None
    http = _HTTP_DATE.fullmatch(text)
    try:
        if http is not None:
            day, month, year, time = http.groups()
            found = datetime.fromisoformat(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{time}")
        elif _ISO_TIME.fullmatch(text):
            found = datetime.fromisoformat(text)
        else:
            return None
    except ValueError:
        return None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return found.astimezone(UTC) if found.year in YEARS else None
