"""JUnit XML as mocha-junit-reporter writes it: bytes in, one entry per spec out.

Never trusts its input: no DTD, no entities, no choice of a codec, every size bounded, never an exception.
Says what a report states, never whose it is (`core/matching.py`) nor what follows from it.
"""

from xml.parsers import expat

import msgspec

from atvm_pipeline.core.harmless import one_line

from .report_sums import (
    FAILED_MAX,
    SUITES_MAX,
    TEXT_CHARS_MAX,
    FailedCase,
    Group,
    OpenCase,
    OpenSuite,
    ReportedSpec,
    count,
    seconds,
)

REPORT_BYTES_MAX = 32 * 1024 * 1024
"""The largest report that is read; 2,000 failing tests with stacks need half a megabyte."""
TOKEN_BYTES_MAX = 2 * 1024 * 1024
"""The longest tag, so that its attributes stay bounded; a `message` holds one error with its diff."""
FEED_BYTES = 256 * 1024
DEPTH_MAX = 64
ELEMENTS_MAX = 500_000
SPECS_MAX = 1_000
FAILED_TOTAL_MAX = 1_000
"""Failed cases kept per report."""
PATH_CHARS_MAX = 500

_NOT_YET = frozenset(
    {
        expat.errors.codes[message]
        for message in (
            expat.errors.XML_ERROR_NO_ELEMENTS,
            expat.errors.XML_ERROR_UNCLOSED_TOKEN,
            expat.errors.XML_ERROR_PARTIAL_CHAR,
            expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        )
    }
)
"""How a report looks while only its beginning is written: the reporter writes in place, not atomically."""


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A readable report."""

    specs: tuple[ReportedSpec, ...] = ()
    declared_tests: int | None = None
    """As `<testsuites>` states it; None where it does not."""
    declared_failures: int | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why bytes are no report."""

    reason: str
    retry: bool = False
    """True for what an unfinished write looks like: "not yet"."""


class _RefusedError(Exception):
    """Ends the parse from inside a handler."""


def parse_report(data: bytes) -> Report | Refusal:
    """Read a whole report file; never raises, whatever the bytes are."""
    if len(data) > REPORT_BYTES_MAX:
        return Refusal(reason=f"larger than {REPORT_BYTES_MAX} bytes")
    if not data.strip(b"\0 \t\r\n"):
        return Refusal(reason="empty", retry=True)
    reader = _Reader()
    # The encoding is given, so that no document makes Python look for a codec; the reporter always writes UTF-8.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.ordered_attributes = False
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        _feed(parser, data)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset + 1}"
        reason = f"not complete, well-formed XML in UTF-8: {expat.ErrorString(error.code)} ({where})"
        return Refusal(reason=reason, retry=error.code in _NOT_YET or data.endswith(b"\0"))
    except _RefusedError as refused:
        return Refusal(reason=str(refused))
    return reader.report()


def _feed(parser: expat.XMLParserType, data: bytes) -> None:
    for start in range(0, len(data), FEED_BYTES):
        block = data[start : start + FEED_BYTES]
        parser.Parse(block, False)
        if start + len(block) - max(parser.CurrentByteIndex, 0) > TOKEN_BYTES_MAX:
            raise _RefusedError(f"a tag longer than {TOKEN_BYTES_MAX} bytes")
    parser.Parse(b"", True)


def _refuse_doctype(name: str, system_id: str | None, public_id: str | None, has_subset: bool) -> None:  # noqa: ARG001 - expat's signature
    raise _RefusedError("it has a document type declaration; reports have none")


class _Reader:
    """The handlers of one parse."""

    def __init__(self) -> None:
        self.elements = 0
        self.path: list[str] = []
        self.root: dict[str, str] | None = None
        self.root_suite: tuple[str, bool] | None = None
        """Name of the document's first suite, and whether it names a file."""
        self.groups: list[Group] = []
        self.suites: list[OpenSuite] = []
        self.case: OpenCase | None = None
        self.case_depth = 0
        self.failed_total = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        self.path.append(name)
        if self.elements > ELEMENTS_MAX or len(self.path) > DEPTH_MAX:
            raise _RefusedError(f"more than {ELEMENTS_MAX} elements, or nested deeper than {DEPTH_MAX}")
        if self.root is None:
            if name not in ("testsuites", "testsuite"):
                raise _RefusedError(f"its root element is <{one_line(name, 40)}>, not <testsuites>")
            self.root = attributes if name == "testsuites" else {}
        if name == "testsuite" and self.case is None:
            self._suite_started(attributes)
        elif name == "testcase" and self.suites and self.case is None:
            self.case = OpenCase(one_line(attributes.get("name", ""), TEXT_CHARS_MAX))
            self.case_depth = len(self.path)
        elif self.case is not None and name in ("failure", "error"):
            self.case.failed = True
            self.case.error = self.case.error or one_line(attributes.get("message", ""), TEXT_CHARS_MAX)
        elif self.case is not None and name == "skipped":
            self.case.pending = True

    def _suite_started(self, attributes: dict[str, str]) -> None:
        name, spec = attributes.get("name", ""), attributes.get("file", "").replace("\\", "/")
        spec = one_line(spec, PATH_CHARS_MAX)
        if self.root_suite is None:
            self.root_suite = (name, bool(spec))
        if not self.suites and self._begins_group(name, spec):
            if len(self.groups) > SPECS_MAX:
                raise _RefusedError(f"more than {SPECS_MAX} specs")
            self.groups.append(Group(spec))
        group = self.groups[-1]
        if len(group.suites) < SUITES_MAX:
            group.suites.append(one_line(name, TEXT_CHARS_MAX))
        if not self.suites:
            took_s = seconds(attributes.get("time"))
            if took_s is not None:
                group.duration_s = round((group.duration_s or 0.0) + took_s, 3)
        self.suites.append(OpenSuite(attributes))

    def _begins_group(self, name: str, spec: str) -> bool:
        """In Cypress only root suites name a file; in plain Mocha all but the root suite do."""
        if not self.groups:
            return True
        root_name, root_has_file = self.root_suite or ("", False)
        if root_has_file:
            return bool(spec) and (name == root_name or spec != self.groups[-1].spec)
        return name == root_name or (bool(spec) and spec != self.groups[-1].spec)

    def text(self, data: str) -> None:
        case = self.case
        if case is not None and case.failed and not case.error and self.path[-1] in ("failure", "error"):
            lines = (line for line in data[: TEXT_CHARS_MAX * 4].splitlines() if line.strip())
            case.error = one_line(next(lines, ""), TEXT_CHARS_MAX)

    def end(self, name: str) -> None:
        depth = len(self.path)
        self.path.pop()
        if self.case is not None and depth == self.case_depth:
            self._case_ended(self.case)
            self.case = None
        elif name == "testsuite" and self.suites and self.case is None:
            self._suite_ended(self.suites.pop())

    def _case_ended(self, case: OpenCase) -> None:
        group = self.groups[-1]
        group.cases += 1
        self.suites[-1].cases += 1
        if case.failed:
            group.failed_cases += 1
            if len(group.failed) < FAILED_MAX and self.failed_total < FAILED_TOTAL_MAX:
                self.failed_total += 1
                group.failed.append(FailedCase(title=case.title, error=case.error))
        elif case.pending:
            group.pending_cases += 1

    def _suite_ended(self, suite: OpenSuite) -> None:
        own = suite.cases + suite.inner_tests if suite.tests is None else suite.tests
        tests = max(own, suite.inner_tests)
        failures = max(suite.failures, suite.inner_failures)
        skipped = max(suite.skipped, suite.inner_skipped)
        if self.suites:
            outer = self.suites[-1]
            outer.inner_tests += tests
            outer.inner_failures += failures
            outer.inner_skipped += skipped
            return
        group = self.groups[-1]
        group.tests += tests
        group.failures += failures
        group.skipped += skipped

    def report(self) -> Report:
        root = self.root or {}
        groups = [group for group in self.groups if group.spec or group.tests or group.cases or group.failing]
        failures = count(root.get("failures"))
        if len(groups) == 1:
            # Where the document contradicts itself, the worse is what it states.
            groups[0].failures = max(groups[0].failures, failures or 0)
        # `<testsuites skipped>` counts pending tests; if it names all that have no testcase, that is what they are.
        told = sum(group.pending for group in groups)
        rest = sum(group.without_case for group in groups)
        declared = count(root.get("skipped")) or 0
        every = rest <= declared - told
        specs = []
        for group in groups[:SPECS_MAX]:
            pending = group.without_case if every else 0
            if not every and len(groups) == 1:
                pending = max(0, min(group.without_case, declared - told))
            specs.append(group.reported(rest_pending=pending))
        return Report(specs=tuple(specs), declared_tests=count(root.get("tests")), declared_failures=failures)


__all__ = ["FailedCase", "Refusal", "Report", "ReportedSpec", "parse_report"]
