"""The elements of one JUnit document as the XML parser reports them, and their sums per spec."""

from typing import NamedTuple

from atvm_pipeline.core.text import cut_middle, one_line

from .totals import (
    FAILED_MAX,
    REPORT_TEXT_CHARS_MAX,
    CaseTotals,
    FailedCase,
    ReportedSpec,
    SpecTotals,
    SuiteTotals,
    report_count,
)

XML_DEPTH_MAX = 64
ELEMENTS_MAX = 500_000
REPORT_SPECS_MAX = 1_000
FAILED_TOTAL_MAX = 1_000
"""Failed cases kept per report."""
CASES_TOTAL_MAX = 10_000
"""Tests of a report that are listed with their results."""
SPEC_PATH_CHARS_MAX = 500


class RefusedError(Exception):
    """Ends a document from inside a handler: it is not a report, or it exceeds a limit."""


class SecondDocumentError(Exception):
    """A new document starts inside one that has not ended."""


class Budget:
    """The remaining limits of one file, shared by all its documents."""

    def __init__(self) -> None:
        """Start with the full limits."""
        self.elements = ELEMENTS_MAX
        self.specs = REPORT_SPECS_MAX
        self.failed = FAILED_TOTAL_MAX
        self.cases = CASES_TOTAL_MAX


class Declared(NamedTuple):
    """The attributes of `<testsuites>`; None for a missing one."""

    tests: int | None = None
    failures: int | None = None


class Document:
    """The handlers of one document, and its sums."""

    def __init__(self, budget: Budget) -> None:
        """Start before its root element."""
        self._budget = budget
        self._path: list[str] = []
        self._root: dict[str, str] | None = None
        self._root_suite: tuple[str, bool] | None = None
        """Name of the document's first suite, and whether it names a file."""
        self._current: SpecTotals | None = None
        """The spec of the last outermost suite."""
        self._groups: list[SpecTotals] = []
        self._by_file: dict[str, SpecTotals] = {}
        """Spec files that test cases or inner suites name."""
        self._suites: list[SuiteTotals] = []
        self._case: CaseTotals | None = None
        self._case_depth = 0

    @property
    def is_complete(self) -> bool:
        """Whether the root element started and ended."""
        return self._root is not None and not self._path

    @property
    def declared(self) -> Declared:
        """The numbers of the root element."""
        root = self._root or {}
        return Declared(report_count(root.get("tests")), report_count(root.get("failures")))

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Process a start tag; raise RefusedError or SecondDocumentError."""
        if name == "testsuites" and self._path:
            raise SecondDocumentError
        self._budget.elements -= 1
        self._path.append(name)
        if self._budget.elements < 0 or len(self._path) > XML_DEPTH_MAX:
            raise RefusedError(f"more than {ELEMENTS_MAX} elements, or nested deeper than {XML_DEPTH_MAX}")
        if self._root is None:
            if name not in ("testsuites", "testsuite"):
                raise RefusedError(f"its root element is <{one_line(name, 40)}>, not <testsuites>")
            self._root = attributes if name == "testsuites" else {}
        if self._case is not None:
            self._inside_case(self._case, name, attributes)
        elif name == "testsuite":
            self._suite_started(attributes)
        elif name == "testcase":
            self._case_started(attributes)

    def _inside_case(self, case: CaseTotals, name: str, attributes: dict[str, str]) -> None:
        if name in ("failure", "error"):
            case.failed = True
            case.error = case.error or cut_middle(attributes.get("message", ""), REPORT_TEXT_CHARS_MAX)
        elif name == "skipped":
            case.pending = True
        elif name in ("flakyFailure", "flakyError"):
            case.flaky = True

    def _suite_started(self, attributes: dict[str, str]) -> None:
        name, spec = attributes.get("name", ""), spec_path(attributes.get("file", ""))
        if self._root_suite is None:
            self._root_suite = (name, bool(spec))
        if self._suites:
            group = self._group_of(spec, self._suites[-1].group)
        else:
            if self._current is None or self._starts_group(name, spec, self._current):
                self._current = self._new_group(SpecTotals(spec))
            group = self._current
        outermost = not self._suites or group is not self._suites[-1].group
        group.add_suite(one_line(name, REPORT_TEXT_CHARS_MAX), attributes, outermost=outermost)
        self._suites.append(SuiteTotals(group, attributes))

    def _starts_group(self, name: str, spec: str, current: SpecTotals) -> bool:
        """Return whether a suite starts a new spec.

        In Cypress only root suites name a file; in plain Mocha all suites except the root suite do.
        """
        root_name, root_has_file = self._root_suite or ("", False)
        if root_has_file:
            return bool(spec) and (name == root_name or spec != current.spec)
        return name == root_name or (bool(spec) and spec != current.spec)

    def _new_group(self, group: SpecTotals) -> SpecTotals:
        self._budget.specs -= 1
        if self._budget.specs < 0:
            raise RefusedError(f"more than {REPORT_SPECS_MAX} specs")
        self._groups.append(group)
        return group

    def _group_of(self, spec: str, around: SpecTotals) -> SpecTotals:
        """Return the spec of an element inside a suite of `around`, which may name a file of its own."""
        if not spec or _same_file(spec, around.spec):
            return around
        if spec not in self._by_file:
            self._by_file[spec] = self._new_group(SpecTotals(spec, around.spec))
        return self._by_file[spec]

    def _case_started(self, attributes: dict[str, str]) -> None:
        if self._suites:
            around = self._suites[-1].group
        else:
            around = self._current = self._current or self._new_group(SpecTotals(""))
        file = attributes.get("file")
        group = self._group_of(spec_path(file), around) if file else around
        class_name = one_line(attributes.get("classname", ""), REPORT_TEXT_CHARS_MAX)
        if not group.spec:
            group.add_class(class_name)
        self._case = CaseTotals(
            group, one_line(attributes.get("name", ""), REPORT_TEXT_CHARS_MAX), class_name
        )
        self._case_depth = len(self._path)

    def text(self, data: str) -> None:
        """Process character data: the first line of a failure that has no message."""
        case = self._case
        if case is not None and case.failed and not case.error and self._path[-1] in ("failure", "error"):
            lines = (line for line in data[: REPORT_TEXT_CHARS_MAX * 4].splitlines() if line.strip())
            case.error = cut_middle(next(lines, ""), REPORT_TEXT_CHARS_MAX)

    def end(self, name: str) -> None:
        """Process an end tag."""
        depth = len(self._path)
        self._path.pop()
        if self._case is not None and depth == self._case_depth:
            self._case_ended(self._case)
            self._case = None
        elif name == "testsuite" and self._suites and self._case is None:
            self._suite_ended()

    def _suite_ended(self) -> None:
        suite = self._suites.pop()
        suite.end(self._suites[-1] if self._suites else None)

    def _case_ended(self, case: CaseTotals) -> None:
        group = case.group
        group.cases += 1
        self._budget.cases -= 1
        group.add_result(case, listed=self._budget.cases >= 0)
        suite = self._suites[-1] if self._suites else None
        if suite is not None and suite.group is group:
            suite.cases += 1
        else:
            group.tests += 1
            if suite is not None:
                suite.count_elsewhere(case)
        if case.failed:
            group.failed_cases += 1
            if len(group.failed) < FAILED_MAX and self._budget.failed:
                self._budget.failed -= 1
                group.failed.append(FailedCase(title=case.title, error=case.error))
        elif case.pending:
            group.pending_cases += 1

    def cut(self) -> None:
        """Close all open elements because the text ends here. An open case counts if it failed."""
        if self._case is not None and self._case.failed:
            self._case_ended(self._case)
        self._case = None
        while self._suites:
            self._suites[-1].believe_cases_only()
            self._suite_ended()
        self._root = {}
        self._path = []

    def specs(self, *, incomplete: bool) -> list[ReportedSpec]:
        """Return the result of each spec; `incomplete` if only a part of the document could be read."""
        groups = [group for group in self._groups if group.says_something]
        if len(groups) == 1:
            # If the document contradicts itself, the larger number of failures counts.
            groups[0].failures = max(groups[0].failures, self.declared.failures or 0)
        # `<testsuites skipped>` counts pending tests. If it accounts for all tests without a testcase, all of them are pending.
        counted = sum(group.pending for group in groups)
        rest = sum(group.without_case for group in groups)
        declared = report_count((self._root or {}).get("skipped")) or 0
        every = rest <= declared - counted
        specs = []
        for group in groups:
            pending = group.without_case if every else 0
            if not every and len(groups) == 1:
                pending = max(0, min(group.without_case, declared - counted))
            specs.append(group.reported(rest_pending=pending, incomplete=incomplete))
        return specs


def spec_path(text: str) -> str:
    """Return the path of a spec file with `/` and on one line; if it is too long, only its end."""
    path = text.replace("\\", "/")
    return one_line(path[-SPEC_PATH_CHARS_MAX:], SPEC_PATH_CHARS_MAX)


def _same_file(one: str, other: str) -> bool:
    return one == other or (bool(other) and (one.endswith(f"/{other}") or other.endswith(f"/{one}")))
