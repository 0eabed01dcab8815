"""What the console scanner remembers between two blocks of a log: part of the snapshot, bounded, never a verdict.

Unknown keys are let in and every field has a default, so that a snapshot of any release can be read.
"""

from typing import Literal

import msgspec

from atvm_pipeline.core.facts import ChildDescribed, Counts, LastLine

LOG_NAME_CHARS_MAX = 4096
"""A name may be this long; file systems allow no longer path."""
PIECES_MAX = 64
"""Lines that one wrapped name may take."""
LEFT_BEHIND_MAX = 8
"""Specs remembered that were followed by the next one without a box."""
EARLY_MAX = 3
"""First specs of a child remembered: a table whose first rows were lost still names one of them."""


class MemoryBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Common to everything the scanner remembers."""


class OpenSpec(MemoryBase, frozen=True, kw_only=True):
    """The spec whose `Running:` line was the last, and whose box has not come."""

    name: str
    position: int
    total: int
    failing: int = 0
    """N of the epilogue's `N failing`, 0 before it is printed: from then on the log holds failure texts."""
    failing_at: int = 0
    """Byte offset of that line."""
    number: int = 1
    """The number that the next failure block bears."""
    flaky: int = 0
    """Flaky tests told."""
    errors: tuple[str, ...] = ()
    """Codes of the error blocks told: after one, the box need not come."""
    passed: int = 0
    """Lines with the mark of a passed test."""
    pending: int = 0
    """Lines with the mark of a pending test."""
    marked_at: int | None = None
    """Byte offset of the first mark."""
    epilogue_at: int | None = None
    """Byte offset of `N passing`; None before it was read."""
    epilogue_passing: int = 0
    epilogue_pending: int = 0
    tables: int = 0
    """Summaries read while it is open."""


class HeldName(MemoryBase, frozen=True, kw_only=True, tag="name"):
    """A `Running:` line whose name may go on in the next line."""

    offset: int
    position: int
    total: int
    pieces: tuple[str, ...]


class HeaderBox(MemoryBase, frozen=True, kw_only=True, tag="header"):
    """`(Run Starting)` was read, its box not yet to the end."""

    offset: int
    adjacent: bool = True
    """Whether no line was read below the title yet: the same title there is the same line, doubled."""
    box_offset: int | None = None
    key: str = ""
    """The key of the row that was read last."""
    keys: tuple[str, ...] = ()
    """The keys of all rows read, each once."""
    pieces: tuple[str, ...] = ()
    """The value of that row so far."""
    found: ChildDescribed | None = None
    noise: int = 0


class ResultsBox(MemoryBase, frozen=True, kw_only=True, tag="results"):
    """`(Results)` was read, its box not yet to the end."""

    offset: int
    cells: dict[str, str] = {}
    pieces: tuple[str, ...] = ()
    """The value of `Spec Ran` so far."""
    torn: bool = False
    """A row came twice with two values: the rows of two boxes are mixed."""
    noise: int = 0


class SummaryRow(MemoryBase, frozen=True, kw_only=True):
    """A row of the final table whose name may go on in the next line."""

    offset: int
    mark: str
    pieces: tuple[str, ...]
    duration: str
    counts: Counts


class Table(MemoryBase, frozen=True, kw_only=True, tag="table"):
    """`(Run Finished)` or a first row was read, the totals row below the table not yet."""

    offset: int
    trusted: bool
    """False: not reported yet; a row has to show that this is the summary of the specs that ran."""
    titled: bool = True
    """Whether `(Run Finished)` was read; its line may be lost."""
    within: str = ""
    """The spec whose box had not come: a test may have printed the table, unless its lines agree with the spec's own."""
    row: SummaryRow | None = None
    sums: Counts = Counts()
    """Sums over the rows of a table within a spec."""
    own: Counts | None = None
    """The row that names that spec."""


class FailureBlock(MemoryBase, frozen=True, kw_only=True, tag="failure"):
    """A failure block of the epilogue whose error line has not come."""

    offset: int
    titles: tuple[str, ...]
    blank: int = 0


class RetriedTest(MemoryBase, frozen=True, kw_only=True, tag="attempt"):
    """A test was tried and failed, and will be tried again."""

    title: str
    noise: int = 0


class ServerError(MemoryBase, frozen=True, kw_only=True, tag="server-error"):
    """The recording server answered with an error; the next lines tell whether Cypress tries again."""

    offset: int
    text: str
    noise: int = 0


Pending = HeldName | HeaderBox | ResultsBox | Table | FailureBlock | RetriedTest | ServerError
"""What is being put together from several lines; one thing at a time."""


class RawLine(MemoryBase, frozen=True, kw_only=True):
    """A line of the log as it was read."""

    offset: int
    raw: bytes


class LineForm(MemoryBase, frozen=True, kw_only=True):
    """How each line of a log differs from what Cypress wrote."""

    prefix: str
    """A regular expression for what precedes each line, one character per byte; "" for nothing."""
    shown: str = ""
    """The prefix of the line that it was learnt from, for people."""
    stripped: bool = False
    """Whether the lines lost their indentation."""
    quoted: bool = False
    """Whether the lines are Python's repr of bytes or text."""


class Learner(MemoryBase, frozen=True, kw_only=True):
    """A title in an unknown form was read; rows of its box have to follow under the same prefix."""

    title: RawLine
    form: LineForm
    counted: str = ""
    """The prefix with its whole numbers taken for counters; "" if it has none."""
    rows: tuple[RawLine, ...] = ()
    counted_rows: tuple[RawLine, ...] = ()
    lines: int = 0


class ScannerState(MemoryBase, frozen=True, kw_only=True):
    """Everything that the scanner remembers.  The default is the beginning of a log."""

    offset: int = 0
    """Bytes consumed so far."""
    tail: bytes = b""
    """The bytes of the last line, which has not ended."""
    skipping: bool = False
    """The rest of a line that was too long is being passed over."""
    code_page: str | None = None
    """The code page that a Windows console read this child's UTF-8 in, as its header box shows."""
    child: Literal["none", "open", "summarised", "ended"] = "none"
    recorded: bool = False
    """`Recorded Run:` of this child was read."""
    discovered: int | None = None
    """N of a `Discovered N spec files` that may be a wrapper's first line."""
    wrapped: bool = False
    """A wrapper's first lines were read, its end line not."""
    wrapper_table: bool = False
    """A wrapper's end line was read; its own table follows."""
    joined: bool = False
    """This child's beginning was not seen: its first spec is not known."""
    early: tuple[str, ...] = ()
    """The first specs of this child, at most EARLY_MAX."""
    title_at: int | None = None
    """Byte offset of a `(Run Starting)` within an open child: a row of its header box has to follow."""
    position: int = 0
    """i of the last `(i of N)` that was believed."""
    unplaced: int = 0
    """Lines of this child reported as unplaced."""
    unplaced_failing: int = 0
    """Of these, lines that report a failure."""
    spec: OpenSpec | None = None
    left: tuple[str, ...] = ()
    """Specs of this child that were left behind without a box."""
    boxed: str | None = None
    """The spec whose box was the last, until the next one begins."""
    boxed_counts: Counts | None = None
    pending: Pending | None = None
    epilogues: int = 0
    """Epilogues reported in front of the first child."""
    strange: RawLine | None = None
    """The first line with Cypress's words that could not be read, before any line of Cypress was."""
    lost: RawLine | None = None
    """The first line that may be evidence of a run whose form was not known."""
    strayed: RawLine | None = None
    """The first line with the words of a box or a summary that has no known form, read while a child was open."""
    learners: tuple[Learner, ...] = ()
    forms: tuple[LineForm, ...] = ()
    """The forms that were learnt; without one, lines are read as they are."""
    stream: int = 0
    """The form whose lines the fields above speak of: an index into `forms`."""
    parked: dict[str, "ScannerState"] = {}
    """The same for other forms, by their index as text."""
    last: tuple[LastLine, ...] = ()
    """The last lines that say something, in order: what a reason quotes that has no better cause."""
