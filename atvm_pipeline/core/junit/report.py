"""Parsing of JUnit XML as mocha-junit-reporter and similar reporters write it: bytes in, one entry per spec out.

The input is never trusted: no DTD, no entities, no choice of a codec, every size bounded, no exception. A report that
is not well-formed is read as far as that is safe, and the problem is part of the result.
`core/verdict/report_matching.py` assigns a report to a spec.
"""

import re
from typing import NamedTuple
from xml.parsers import expat

import msgspec

from .elements import Budget, Document, RefusedError, SecondDocumentError
from .totals import FailedCase, ReportedSpec
from .xml_text import (
    DECLARATION,
    DECLARATION_BYTES_MAX,
    DOCTYPE,
    DOCTYPE_BYTES_MAX,
    HOLE_BYTES,
    ReportText,
    clean_blocks,
    encoding_of,
    text_blocks,
)

REPORT_BYTES_MAX = 32 * 1024 * 1024
"""The largest report that is read; 2,000 failing tests with stacks need half a megabyte."""
TOKEN_BYTES_MAX = 2 * 1024 * 1024
"""The longest tag, so that its attributes stay bounded; a `message` holds one error with its diff."""
DOCUMENTS_MAX = 100
"""Documents that are read from one file; a reporter that appends writes several."""
SKIPPED_MAX = 1000
"""Declarations, comments and document types skipped in one file that is damaged."""

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
"""The errors of a report of which only the start is written: the reporter writes in place, not atomically."""
_BEGIN = re.compile(rb"<\?xml\s|<!DOCTYPE|<!--|<testsuites?[\s/>]")
"""The start of a document after a complete one."""
_BEGIN_WITHIN = re.compile(rb"<\?xml\s|<testsuites[\s/>]")
"""The start of a document after a broken one, whose own suites are not documents."""
_BEGIN_WORDS = (b"<?xml ", b"<!DOCTYPE", b"<!--", b"<testsuites ")
_BEGIN_BYTES_MAX = 16
_COMMENT_END = re.compile(rb"-->")


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A report of which at least a part can be read."""

    specs: tuple[ReportedSpec, ...] = ()
    declared_tests: int | None = None
    """The count in `<testsuites>`; None if it has none."""
    declared_failures: int | None = None
    problem: str = ""
    """Line and reason if it is not well-formed XML; "" for a well-formed report."""
    incomplete: bool = False
    """A part of it could not be read: it can show failures, and proves no pass."""
    unfinished: bool = False
    """It is probably half-written."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The reason why bytes are not a report."""

    reason: str
    retry: bool = False
    """True if the file may still be in the process of being written."""


class _End(NamedTuple):
    """How the reading of a document ended."""

    problem: str = ""
    unfinished: bool = False
    """The text ended within the document."""
    give_up: bool = False
    """The rest of the file is not read either."""


def parse_report(data: bytes, *, final: bool = False) -> Report | Refusal:
    """Read a report file; never raises.

    `final`: the file will not grow, so a half-written one is read as far as possible.
    """
    if len(data) > REPORT_BYTES_MAX:
        return Refusal(reason=f"larger than {REPORT_BYTES_MAX} bytes")
    if not data.strip(b"\0 \t\r\n"):
        return Refusal(reason="empty", retry=True)
    encoding = encoding_of(data)
    document = Document(Budget())
    # Nearly every report is well-formed. Only a damaged one is cleaned, and read again.
    end = _read_document(document, ReportText(text_blocks(data, encoding)))
    if not end.problem:
        return _sound_report(document)
    damaged = _DamagedFile(ReportText(clean_blocks(data, encoding)), end)
    damaged.read()
    damaged.note_hole(data)
    specs = damaged.specs()
    if not specs or (damaged.unfinished and not final):
        return Refusal(reason=damaged.problem, retry=damaged.unfinished)
    return Report(
        specs=specs,
        problem=damaged.problem,
        incomplete=damaged.incomplete,
        unfinished=damaged.unfinished,
    )


def _sound_report(document: Document) -> Report:
    """Return a well-formed report.

    If it declares more failures than its suites, any of its specs may have failed.
    """
    declared = document.declared
    specs = document.specs(incomplete=False)
    shown = sum(spec.counts.failing for spec in specs)
    problem = ""
    if (declared.failures or 0) > shown:
        problem = f"<testsuites> declares {declared.failures} failing, its suites {shown}"
        specs = document.specs(incomplete=True)
    return Report(
        specs=tuple(specs),
        declared_tests=declared.tests,
        declared_failures=declared.failures,
        problem=problem,
        incomplete=bool(problem),
    )


def _read_document(document: Document, text: ReportText) -> _End:
    """Read one document up to its end, or as far as possible."""
    # With a fixed encoding, no document can load another codec.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.ordered_attributes = False
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    line = text.lines
    fed, block = 0, b""
    try:
        for block in text.blocks():
            fed += len(block)
            parser.Parse(block, False)
            if fed - max(parser.CurrentByteIndex, 0) > TOKEN_BYTES_MAX:
                return _End(
                    f"line {line + parser.CurrentLineNumber}: a tag longer than {TOKEN_BYTES_MAX} bytes",
                    give_up=True,
                )
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        text.move_back(min(fed - max(parser.ErrorByteIndex, 1), len(block)))
        why = expat.ErrorString(error.code).removeprefix("not well-formed ").strip("()")
        return _End(
            f"line {line + error.lineno}: not well-formed XML ({why})", unfinished=error.code in _NOT_YET
        )
    except SecondDocumentError:
        # The parser is after the tag. A tag that starts in the previous block is skipped.
        begin = block.rfind(b"<testsuites", 0, len(block) - fed + parser.CurrentByteIndex)
        text.move_back(len(block) - max(begin, 0))
        return _End(
            f"line {line + parser.CurrentLineNumber}: not well-formed XML (a <testsuites> within another)"
        )
    except RefusedError as refused:
        return _End(f"line {line + parser.CurrentLineNumber}: {refused}", give_up=True)
    return _End()


def _refuse_doctype(name: str, system_id: str | None, public_id: str | None, has_subset: bool) -> None:  # noqa: ARG001 - expat's signature
    raise RefusedError("it has a document type declaration, which is never read")


class _DamagedFile:
    """A file that is not one well-formed document. All documents in it are read, each as far as possible."""

    def __init__(self, text: ReportText, sound: _End) -> None:
        """Start with the cleaned text and the problem of the unchanged file."""
        self._text = text
        self._budget = Budget()
        self._found: list[ReportedSpec] = []
        self._skips = SKIPPED_MAX
        self._lost = False
        """A part that may belong to any spec could not be read."""
        self.problem = sound.problem
        self.unfinished = sound.unfinished

    @property
    def incomplete(self) -> bool:
        """Whether any part could not be read."""
        return self._lost or any(spec.incomplete for spec in self._found)

    def specs(self) -> tuple[ReportedSpec, ...]:
        """Return the specs that were read."""
        return tuple(
            msgspec.structs.replace(spec, incomplete=True) if self._lost else spec for spec in self._found
        )

    def read(self) -> None:
        """Read one document after the other."""
        begin = _BEGIN
        for _ in range(DOCUMENTS_MAX):
            if not self._move_to_document(begin):
                return
            document = Document(self._budget)
            end = _read_document(document, self._text)
            broken = bool(end.problem) and not document.is_complete
            if broken:
                document.cut()
            specs = document.specs(incomplete=broken)
            self._found += specs
            self._lost = self._lost or end.give_up or (broken and not specs)
            self.unfinished = self.unfinished or (broken and end.unfinished)
            if end.give_up or self.unfinished:
                return
            begin = _BEGIN_WITHIN if broken else _BEGIN
        self._lost = True

    def note_hole(self, data: bytes) -> None:
        """Record a part that was never written: it reads as zero bytes, and any content may be missing there."""
        hole = data.find(b"\0" * HOLE_BYTES)
        if hole >= 0:
            line = data.count(b"\n", 0, hole) + 1
            self.problem = f"line {line}: zero bytes where text should be"
            self._lost = self.unfinished = True

    def _move_to_document(self, begin: re.Pattern[bytes]) -> bool:
        """Move to the next root element, past declarations, comments and a document type; return False without one."""
        while self._skips:
            match, junk = self._text.find(begin, _BEGIN_BYTES_MAX)
            if junk and begin is _BEGIN:
                self._lost = True
                # Another document may be half-written.
                half_written = not match and any(word.startswith(junk) for word in _BEGIN_WORDS)
                self.unfinished = self.unfinished or half_written
            if not match or match.startswith(b"<testsuite"):
                return bool(match)
            self._skips -= 1
            self._skip(match)
            begin = _BEGIN
        self._lost = True
        return False

    def _skip(self, match: bytes) -> None:
        """Move past the declaration, document type or comment at the position."""
        text = self._text
        if match == b"<!--":
            text.advance(len(match))
            self.unfinished = not text.find(_COMMENT_END, len(match)).match or self.unfinished
            text.skip(_COMMENT_END, len(match))
        elif match == b"<!DOCTYPE":
            self._lost = True
            if not text.skip(DOCTYPE, DOCTYPE_BYTES_MAX):
                self.unfinished = self.unfinished or text.left() < DOCTYPE_BYTES_MAX
                self._skips = 0
        elif not text.skip(DECLARATION, DECLARATION_BYTES_MAX):
            text.advance(len(match))


__all__ = ["FailedCase", "Refusal", "Report", "ReportedSpec", "parse_report"]
