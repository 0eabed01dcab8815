"""The console scanner: bytes of a runner's log in, facts with their offsets out, whatever size the blocks have.

Pure, linear in time, bounded in memory, never an exception from what it reads.  Only lines that may matter are
decoded; how a line is understood is `grammar.py`'s business.  What the facts mean for a run is nobody's here.
"""

from typing import NamedTuple

from msgspec.structs import replace

from atvm_pipeline.core.facts import ChildLaunched, Fact

from .anchors import CANDIDATE, CANDIDATE_FIRST
from .box import totals_row
from .dialect import Dialect
from .grammar import launched, progressed, read_line
from .lines import LINE_BYTES_MAX, clean, code_page_in
from .pending import Next, settle
from .phrases import Phrases
from .scanner_state import HeaderBox, ScannerState
from .story import Story

__all__ = ["Scan", "Scanner", "ScannerState"]


class Scan(NamedTuple):
    """What one block gave."""

    state: ScannerState
    facts: tuple[Fact, ...]


class Scanner:
    """Finds facts in a log, for one dialect.  Holds no state of a log: one instance serves many."""

    __slots__ = ("_phrases",)

    def __init__(self, dialect: Dialect) -> None:
        self._phrases = Phrases(dialect)

    def scan(self, state: ScannerState, data: bytes) -> Scan:
        """Read `data`, which follows directly on byte `state.offset` of the log."""
        block = state.tail + data
        base = state.offset - len(state.tail)
        begin = 0
        if state.skipping:
            begin = block.find(b"\n") + 1
            if not begin:
                return Scan(replace(state, offset=state.offset + len(data)), ())
        end = block.rfind(b"\n", begin) + 1 or begin
        tail, skipping = block[end:], False
        story = Story(replace(state, offset=state.offset + len(data), tail=b"", skipping=False))
        if end > begin:
            self._lines(story, block, begin, end, base)
        if len(tail) >= LINE_BYTES_MAX:
            self._line(story, tail, base + end)
            tail, skipping = b"", True
        story.take_marks()
        return Scan(replace(story.state, tail=tail, skipping=skipping), tuple(story.facts))

    def finish(self, state: ScannerState) -> Scan:
        """The log ends here: read a last line without line feed, and tell what was held back."""
        story = Story(replace(state, tail=b"", skipping=False))
        if state.tail and not _cut_in_a_number(state.tail):
            self._line(story, state.tail, state.offset - len(state.tail))
        settle(story, Next.END)
        story.leave_spec()
        return Scan(story.state, tuple(story.facts))

    def _lines(self, story: Story, block: bytes, begin: int, end: int, base: int) -> None:
        """Read the whole lines of `block` between `begin` and `end` that may matter."""
        marked = self._marked(block, begin, end)
        at, mark, candidate = begin, 0, -1
        while at < end:
            read = at
            if story.state.pending is None and marked is not None:
                # Searched again only behind the last hit: many marked lines must not cost many searches.
                if candidate < at:
                    candidate = _next_candidate(block, at, end)
                while mark < len(marked) and marked[mark] < at:
                    mark += 1
                at = min(candidate, marked[mark]) if mark < len(marked) else candidate
                story.count_marks(block, read, min(at, end), base)
                if at >= end:
                    return
            stop = block.find(b"\n", at, end)
            self._line(story, block[at : min(stop, at + LINE_BYTES_MAX)], base + at)
            at = stop + 1

    def _line(self, story: Story, raw: bytes, offset: int) -> None:
        raw = raw[:LINE_BYTES_MAX]
        text = clean(raw, story.state.code_page)
        if isinstance(story.state.pending, HeaderBox):
            story.learn(code_page_in(raw))
        if read_line(story, text, offset):
            return
        story.count_marks(raw, 0, len(raw), offset)
        literals = self._phrases.literals
        if literals is not None and not any(literal in raw for literal in literals):
            return
        fact = self._phrases.fact_in(text, offset)
        if isinstance(fact, ChildLaunched):
            launched(story, fact)
        elif fact is not None:
            progressed(story, fact)

    def _marked(self, block: bytes, begin: int, end: int) -> list[int] | None:
        """Where the lines begin that hold a literal of the dialect; None: every line has to be read."""
        if self._phrases.literals is None:
            return None
        starts: set[int] = set()
        for literal in self._phrases.literals:
            at = block.find(literal, begin, end)
            while at >= 0:
                starts.add(block.rfind(b"\n", begin, at) + 1 or begin)
                stop = block.find(b"\n", at, end)
                at = block.find(literal, stop, end)
        return sorted(starts)


def _cut_in_a_number(tail: bytes) -> bool:
    """Whether a last line without line feed is a totals row that ends in a count: more digits may be missing."""
    return tail[-1:].isdigit() and totals_row(clean(tail[:LINE_BYTES_MAX]), 0) is not None


def _next_candidate(block: bytes, at: int, end: int) -> int:
    """Where the next line begins, from the line at `at` on, that may be an anchor; `end` if there is none."""
    if CANDIDATE_FIRST.match(block, at, end):
        return at
    found = CANDIDATE.search(block, at, end)
    return end if found is None else found.start() + 1
