"""The reader of XML reports, and the fold of its results."""

from collections.abc import Iterator

import msgspec

from atvm_pipeline.core.codec import decode_event, encode_event
from atvm_pipeline.core.events import ArtifactWritten, ClockTicked, RunnerExited
from atvm_pipeline.core.junit.elements import REPORT_SPECS_MAX
from atvm_pipeline.core.junit.report import Refusal, Report, parse_report
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.reducer import phase_of
from tests.fuzz import checks, seeding
from tests.support.run_builder import Story, counts

MAX_LEN = 64 * 1024
SHORT_RUNS = 1000
WORDS = (
    *(
        b"<testsuites ",
        b"<testsuite ",
        b"<testcase ",
        b"<failure ",
        b"<error ",
        b"<skipped/>",
        b"</testsuite>",
    ),
    *(b"</testsuites>", b"</testcase>", b"</failure>", b' name="', b' tests="', b' failures="', b' errors="'),
    *(
        b' skipped="',
        b' time="',
        b' file="',
        b' message="',
        b"<![CDATA[",
        b"]]>",
        b"<?xml version='1.0'?>",
        b"<!--",
    ),
    *(
        b"-->",
        b"<!DOCTYPE x [",
        b"]>",
        b"<!ENTITY a 'b'>",
        b"&lt;",
        b"&#10;",
        b"&#x202e;",
        b"&a;",
        b"&#27;",
        b"\0",
        b"\x1b",
        b' timestamp="2026-11-23T10:00:00"',
        b' encoding="utf-16"',
        b' encoding="ISO-8859-1"',
    ),
    *(b"1e9", b"999999999", b"-1", b"NaN", b"redhat9.6.cy.ts", b"Root Suite", b"cypress/e2e/"),
)


def _passed() -> Story:
    return Story(categorized=False, hosts=("redhat9.6",)).started().child(("redhat9.6.cy.ts", counts(3)))


PASSED = _passed()
REPORT_BYTES_MAX = 8 * MAX_LEN
"""Maximum of an encoded report: it may not be much larger than its source."""


def target(data: bytes) -> None:
    """The result is a report or a refusal; bounded, sanitised, no negative sum, no document type; the fold accepts it."""
    early, found = parse_report(data), parse_report(data, final=True)
    assert parse_report(data) == early
    assert early == found or (isinstance(early, Refusal) and early.retry)
    for text in checks.texts(checks.plain((early, found))):
        checks.harmless(text, 500)
    if isinstance(found, Report):
        bounded(found, data)
    told(found)


def bounded(report: Report, data: bytes) -> None:
    """The report is proportional to its source, and no count is negative. A document type is never read."""
    assert b"<!DOCTYPE" not in outside_of_texts(data) or (report.incomplete and report.problem)
    assert len(report.specs) <= REPORT_SPECS_MAX
    assert len(msgspec.json.encode(report)) <= REPORT_BYTES_MAX
    for spec in report.specs:
        numbers = msgspec.structs.astuple(spec.counts)
        assert all(0 <= number < checks.NUMBER_MAX for number in numbers)
        assert len(spec.suites) <= 5
        assert len(spec.failed) <= 10
        assert not spec.failed or spec.counts.failing >= len(spec.failed)
        assert spec.duration_s is None or spec.duration_s >= 0


def outside_of_texts(data: bytes) -> bytes:
    """Return the text before the first element: only there can a document type be declared."""
    prolog = data.split(b"<testsuite", 1)[0]
    while b"<!--" in prolog:
        before, _, rest = prolog.partition(b"<!--")
        prolog = before + rest.partition(b"-->")[2]
    while b"<?" in prolog:
        before, _, rest = prolog.partition(b"<?")
        prolog = before + rest.partition(b"?>")[2]
    return prolog


def told(found: Report | Refusal) -> None:
    """A run whose log shows a pass: such a report never breaks it, and a report of a failure removes the pass."""
    report = found if isinstance(found, Report) else None
    refusal = found.reason if isinstance(found, Refusal) else None
    run = PASSED.run
    written = ArtifactWritten(
        seq=run.seq + 1,
        at=PASSED.at,
        path="cmcReporter/redhat9.6.xml",
        size=1,
        mtime=PASSED.at,
        report=report,
        refusal=refusal,
    )
    assert decode_event(encode_event(written)) == written
    run = seeding.fed(
        run, written, RunnerExited(at=PASSED.at, exit_code=0), ClockTicked(at=PASSED.at, watched_s=1000.0)
    )
    checks.run(run)
    if report is not None and any(
        spec.counts.failing for spec in report.specs if spec.spec == "cypress/e2e/redhat9.6.cy.ts"
    ):
        assert phase_of(run) is not Phase.COMPLETED


def damaged() -> Iterator[bytes]:
    """Yield a failing report in each malformed form that is read."""
    head = b'<?xml version="1.0" encoding="UTF-8"?>'
    root = (
        b'<testsuite name="Root Suite" timestamp="2026-11-23T10:00:00" file="cypress/e2e/redhat9.6.cy.ts"/>'
    )
    case = b'<testcase name="t" classname="c"><failure message="boom"><![CDATA[E: %s]]></failure></testcase>'
    own = b'<testsuite name="s" tests="1" failures="1">' + case + b"</testsuite>"
    report = b"<testsuites>" + root + own + b"</testsuites>"
    for text in (b"\x1b[31m", b"\0", b"\xef\xbf\xbf", b"\xed\xa0\x80", b"\xff"):
        yield head + report % text
    for text in (b"&#x1B;", b"&#27;", b"&#0;", b"&#xFFFE;", b"&nbsp;", b"a & b", b"\0" * 64):
        yield head + report.replace(b'"boom"', b'"' + text + b'"') % b""
    for name in ("ISO-8859-1", "windows-1252", "UTF-16", "UTF-7"):
        yield head.replace(b"UTF-8", name.encode()) + report % b"\xe9"
    yield (head + report % b"e").decode().encode("utf-16")
    yield (head + report % b"") * 2
    yield head + (report % b"")[:-40] + head + report % b""
    yield (head + report % b"")[:-40]
    xunit = b'<testsuite name="Mocha Tests" tests="1" failures="0" errors="1" timestamp="Mon, 23 Nov 2026 10:00:00 GMT">'
    yield (
        xunit
        + case.replace(b" classname", b' file="cypress/e2e/redhat9.6.cy.ts" classname') % b""
        + b"</testsuite>"
    )


def seeds() -> Iterator[bytes]:
    """Yield every report of our fixtures."""
    yield from seeding.written_reports()
    suite = b'<testsuites name="x" tests="1"><testsuite name="a" tests="1" file="a.cy.ts"/></testsuites>'
    yield from damaged()
    yield b"<!DOCTYPE x>" + suite
    yield b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>' + suite.replace(
        b'"x"', b'"&c;"'
    )
