"""The console scanner: bytes of a runner's log in, facts with their offsets out, for blocks of any size.

It is pure, runs in linear time and bounded memory, and raises no exception for any input. It decodes only lines that
may matter; `handlers.py` reads them. Other modules interpret the facts.
"""

import re
from typing import NamedTuple

from msgspec.structs import replace

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.facts import ChildLaunched, Fact

from .boxes import totals_row
from .form_learning import BOX_WORDS, LOST_WORDS, STRAY_WORDS, is_unread, keep_strange, learn, report_unread
from .handlers import launched, progressed, read_line
from .last_lines import aged, remember
from .line_forms import TITLE_WORDS, candidate_patterns, original_line, restore_indent, without_prefix
from .line_kinds import BODY, CANDIDATE, CANDIDATE_FIRST, QUOTED_BODY
from .lines import LINE_BYTES_MAX, clean, code_page_in
from .multiline import NextKind, finish_pending
from .runner_lines import RunnerLineMatcher
from .scan_context import ScanContext
from .scanner_state import HeaderBox, LineForm, ScannerState

__all__ = ["Scan", "Scanner", "ScannerState"]


class Scan(NamedTuple):
    """The state after one block, and the facts found in it."""

    state: ScannerState
    facts: tuple[Fact, ...]


class Scanner:
    """A log reader for one dialect. An instance holds no state of a log, so it can read several logs."""

    __slots__ = ("_phrases", "_prefix")

    def __init__(self, dialect: Dialect) -> None:
        self._phrases = RunnerLineMatcher(dialect)
        self._prefix = re.compile(dialect.line_prefix) if dialect.line_prefix else None

    def scan(self, state: ScannerState, data: bytes) -> Scan:
        """Read `data`, which directly follows byte `state.offset` of the log."""
        block = state.tail + data
        base = state.offset - len(state.tail)
        begin = 0
        if state.skipping:
            begin = block.find(b"\n") + 1
            if not begin:
                offset = state.offset + len(data)
                return Scan(replace(state, offset=offset, last=aged(state.last, offset)), ())
        end = block.rfind(b"\n", begin) + 1 or begin
        tail, skipping = block[end:], False
        context = ScanContext(replace(state, offset=state.offset + len(data), tail=b"", skipping=False))
        if end > begin:
            self._lines(context, block, begin, end, base)
        if len(tail) >= LINE_BYTES_MAX:
            self._line(context, tail, base + end)
            tail, skipping = b"", True
        context.stamp()
        last = remember(state.last, block, begin, end, base, read=base + len(block))
        return Scan(replace(context.state, tail=tail, skipping=skipping, last=last), tuple(context.facts))

    def finish(self, state: ScannerState) -> Scan:
        """Read a last line without line feed and emit the pending facts: the log ends here."""
        context = ScanContext(replace(state, tail=b"", skipping=False))
        if state.tail and not _cut_in_a_number(state.tail):
            self._line(context, state.tail, state.offset - len(state.tail))
        report_unread(context)
        for stream in (state.stream, *map(int, state.parked)):
            context.switch(stream)
            finish_pending(context, NextKind.END)
            context.leave_spec()
        context.switch(state.stream)
        context.stamp()
        whole, base = state.tail + b"\n", state.offset - len(state.tail)
        last = remember(state.last, whole, 0, len(whole), base, read=state.offset)
        return Scan(replace(context.state, learners=(), last=last), tuple(context.facts))

    def _lines(self, context: ScanContext, block: bytes, begin: int, end: int, base: int) -> None:
        """Read those complete lines of `block` between `begin` and `end` that may matter."""
        # The start of a Cypress line cannot be searched for after a prefix that only the dialect defines.
        literals = self._phrases.literals if self._prefix is None else None
        marked = Marks(
            block,
            begin,
            end,
            (*literals, TITLE_WORDS, BOX_WORDS) if literals is not None else (),
        )
        words = Marks(block, begin, end, LOST_WORDS if is_unread(context.state) else ())
        at, candidate = begin, -1
        forms: tuple[LineForm, ...] | None = None
        first, following = CANDIDATE_FIRST, CANDIDATE
        while at < end:
            read = at
            if literals is not None and not context.is_busy:
                if context.state.forms is not forms:
                    forms, candidate = context.state.forms, -1
                    if forms:
                        first, following = candidate_patterns(forms, BODY, QUOTED_BODY)
                        marked = Marks(block, at, end, (*literals, TITLE_WORDS, BOX_WORDS, *STRAY_WORDS))
                # Search again only after the last match, so that many marked lines do not cause many searches.
                if candidate < at:
                    candidate = _next_candidate(first, following, block, at, end)
                unread = words.next(at) if is_unread(context.state) else end
                at = min(candidate, marked.next(at), unread)
                context.count_marks(block, read, at, base)
                if at >= end:
                    return
            stop = block.find(b"\n", at, end)
            self._line(context, block[at : min(stop, at + LINE_BYTES_MAX)], base + at)
            if context.cut_off:
                context.tell_last(remember(context.state.last, block, begin, at, base, read=base + at))
            at = stop + 1

    def _line(self, context: ScanContext, raw: bytes, offset: int) -> None:
        raw = raw[:LINE_BYTES_MAX]
        form, body = self._form_of(context.state, raw)
        if form is not None:
            context.switch(form)
        if body is not None and self._read(context, body, offset):
            return
        if self._prefix is None:
            learn(context, raw, offset, self._read)
        else:
            keep_strange(context, raw, offset)
        literals = self._phrases.literals
        if literals is not None and not any(literal in raw for literal in literals):
            return
        fact = self._phrases.fact_in(clean(raw if body is None else body, context.state.code_page), offset)
        if isinstance(fact, ChildLaunched):
            launched(context, fact)
        elif fact is not None:
            progressed(context, fact)

    def _form_of(self, state: ScannerState, raw: bytes) -> tuple[int | None, bytes | None]:
        if self._prefix is not None:
            return None, without_prefix(self._prefix, raw)
        return _form_of(state, raw)

    def _read(self, context: ScanContext, raw: bytes, offset: int) -> bool:
        """Read a line as Cypress wrote it. Return True if Cypress or its wrapper printed it."""
        text = clean(raw, context.state.code_page)
        if isinstance(context.state.pending, HeaderBox):
            context.learn(code_page_in(raw))
        forms = context.state.forms
        if forms and forms[context.state.stream].stripped:
            text = restore_indent(text, context.state.pending)
        if read_line(context, text, offset):
            return True
        context.count_marks(raw, 0, len(raw), offset)
        return False


class Marks:
    """The starts of those lines of a block that contain one of several literals, from front to back."""

    __slots__ = ("_at", "_end", "_starts")

    def __init__(self, block: bytes, begin: int, end: int, literals: tuple[bytes, ...]) -> None:
        starts: set[int] = set()
        for literal in literals:
            at = block.find(literal, begin, end)
            while at >= 0:
                starts.add(block.rfind(b"\n", begin, at) + 1 or begin)
                stop = block.find(b"\n", at, end)
                at = block.find(literal, stop, end)
        self._starts = sorted(starts)
        self._at = 0
        self._end = end

    def next(self, at: int) -> int:
        """Return the first line start at or after `at`, or the block's end. `at` must not decrease between calls."""
        while self._at < len(self._starts) and self._starts[self._at] < at:
            self._at += 1
        return self._starts[self._at] if self._at < len(self._starts) else self._end


def _form_of(state: ScannerState, raw: bytes) -> tuple[int | None, bytes | None]:
    """Return the index of a line's form, and the line as Cypress wrote it.

    A form without a prefix matches every line, so it is tried last.
    """
    forms = state.forms
    if not forms:
        return None, raw
    for index in sorted(range(len(forms)), key=lambda index: (not forms[index].prefix, index)):
        body = original_line(forms[index], raw)
        if body is not None:
            return index, body
    return None, None


def _cut_in_a_number(tail: bytes) -> bool:
    """Return whether a last line without line feed is a totals row that ends in a count: digits may be missing."""
    return tail[-1:].isdigit() and totals_row(clean(tail[:LINE_BYTES_MAX]), 0) is not None


def _next_candidate(
    first: re.Pattern[bytes], following: re.Pattern[bytes], block: bytes, at: int, end: int
) -> int:
    """Return the start of the next line, from the line at `at`, that may be an anchor; `end` without one."""
    if first.match(block, at, end):
        return at
    found = following.search(block, at, end)
    return end if found is None else found.start() + 1
