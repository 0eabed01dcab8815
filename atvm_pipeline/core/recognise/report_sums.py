"""The numbers of a report while it is read: of a spec, of an open suite, of an open case.

Knows what the reporter leaves out (a pending test has no testcase, a failed hook is no test), no XML.
"""

import math

import msgspec

from atvm_pipeline.core.facts import Counts

SUITES_MAX = 5
FAILED_MAX = 10
"""Failed cases kept per spec; a message shows ten."""
TEXT_CHARS_MAX = 300
NUMBER_MAX = 10**9
"""A count or a duration above this is no count."""


class FailedCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A failed test or hook by name."""

    title: str
    error: str = ""
    """The error's message, at most 300 characters on one line; may be empty."""


class ReportedSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a report says about one spec."""

    spec: str = ""
    """The spec file as the root suite names it, with `/`; "" where no suite names a file."""
    suites: tuple[str, ...] = ()
    """Names of the first suites, for finding a host where there is no spec file."""
    counts: Counts = Counts()
    """`tests` is what the suites declare. Failures may exceed it: a failed hook is no test."""
    duration_s: float | None = None
    """Sum over the suites; in Cypress a failed test adds nothing to it."""
    failed: tuple[FailedCase, ...] = ()


class Group:
    """One spec while it is read: a root suite and the suites that follow it."""

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.suites: list[str] = []
        self.tests = 0
        self.failures = 0
        self.skipped = 0
        self.cases = 0
        self.failed_cases = 0
        self.pending_cases = 0
        self.duration_s: float | None = None
        self.failed: list[FailedCase] = []

    @property
    def passing(self) -> int:
        """Testcases that neither failed nor are pending."""
        return self.cases - self.failed_cases - self.pending_cases

    @property
    def failing(self) -> int:
        """Failed tests and hooks: what the suites declare, or the cases, whichever is more."""
        return max(self.failures, self.failed_cases)

    @property
    def pending(self) -> int:
        """Tests marked as skipped by their author."""
        return max(self.pending_cases, self.skipped)

    @property
    def without_case(self) -> int:
        """Tests that the suites declare and that have no testcase: pending ones, or skipped after a failed hook."""
        return max(0, self.tests - self.passing - self.failing - self.pending)

    def reported(self, *, rest_pending: int) -> ReportedSpec:
        """What is kept of it; `rest_pending` of the tests without a testcase are pending, the others were skipped."""
        counts = Counts(
            tests=self.tests,
            passing=self.passing,
            failing=self.failing,
            pending=self.pending + rest_pending,
            skipped=self.without_case - rest_pending,
        )
        return ReportedSpec(
            spec=self.spec,
            suites=tuple(self.suites),
            counts=counts,
            duration_s=self.duration_s,
            failed=tuple(self.failed),
        )


class OpenSuite:
    """An open `<testsuite>`; its numbers are the declared ones or those of what it holds, whichever is more."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.tests = count(attributes.get("tests"))
        failures, errors = count(attributes.get("failures")), count(attributes.get("errors"))
        self.failures = (failures or 0) + (errors or 0)
        self.skipped = count(attributes.get("skipped")) or 0
        self.cases = 0
        self.inner_tests = 0
        self.inner_failures = 0
        self.inner_skipped = 0


class OpenCase:
    """An open `<testcase>`."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.failed = False
        self.pending = False
        self.error = ""


def count(text: str | None) -> int | None:
    """A count as an attribute states it, None for anything that is none."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(NUMBER_MAX)):
        return None
    return min(int(text), NUMBER_MAX)


def seconds(text: str | None) -> float | None:
    """A duration as an attribute states it, None for anything that is none (`NaN`, `1,234.5`)."""
    if text is None or len(text) > TEXT_CHARS_MAX:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= NUMBER_MAX else None
