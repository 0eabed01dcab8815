"""State of the console scanner between two blocks of a log. It is bounded, part of the snapshot, and contains no verdict.

Unknown keys are accepted and every field has a default, so that a snapshot of any release can be read.
"""

from typing import Literal

import msgspec

from atvm_pipeline.core.facts import ChildDescribed, Counts, LastLine

LOG_NAME_CHARS_MAX = 4096
"""Longest name that is kept; no file system allows a longer path."""
PIECES_MAX = 64
"""Lines that one wrapped name may span."""
LEFT_BEHIND_MAX = 8
"""Specs remembered that were followed by the next spec without a results box."""
EARLY_MAX = 3
"""First specs of a child that are remembered. A table whose first rows were lost still names one of them."""


class MemoryBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything the scanner remembers."""


class OpenSpec(MemoryBase, frozen=True, kw_only=True):
    """The spec of the last `Running:` line, whose results box has not been read."""

    name: str
    position: int
    total: int
    failing: int = 0
    """N of the epilogue's `N failing`, 0 before that line. After it, the log contains failure texts."""
    failing_at: int = 0
    """Byte offset of that line."""
    number: int = 1
    """The number of the next failure block."""
    flaky: int = 0
    """Flaky tests reported."""
    errors: tuple[str, ...] = ()
    """Codes of the error blocks reported. After an error block the results box may be missing."""
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
    """Summaries read while the spec is open."""


class HeldName(MemoryBase, frozen=True, kw_only=True, tag="name"):
    """A `Running:` line whose name may continue on the next line."""

    offset: int
    position: int
    total: int
    pieces: tuple[str, ...]


class HeaderBox(MemoryBase, frozen=True, kw_only=True, tag="header"):
    """The header box after `(Run Starting)`, not yet read to its end."""

    offset: int
    adjacent: bool = True
    """Whether no line was read below the title yet: the same title there is a duplicate of that line."""
    box_offset: int | None = None
    key: str = ""
    """The key of the last row read."""
    keys: tuple[str, ...] = ()
    """The keys of all rows read, without repeats."""
    pieces: tuple[str, ...] = ()
    """The value of that row so far."""
    found: ChildDescribed | None = None
    noise: int = 0


class ResultsBox(MemoryBase, frozen=True, kw_only=True, tag="results"):
    """The results box after `(Results)`, not yet read to its end."""

    offset: int
    cells: dict[str, str] = {}
    pieces: tuple[str, ...] = ()
    """The value of `Spec Ran` so far."""
    torn: bool = False
    """A row was read twice with different values: the rows of two boxes are mixed."""
    noise: int = 0


class SummaryRow(MemoryBase, frozen=True, kw_only=True):
    """A row of the final table whose name may continue on the next line."""

    offset: int
    mark: str
    pieces: tuple[str, ...]
    duration: str
    counts: Counts


class Table(MemoryBase, frozen=True, kw_only=True, tag="table"):
    """The final table: `(Run Finished)` or a first row was read, the totals row below it was not."""

    offset: int
    trusted: bool
    """False: not reported yet. A row must show that this is the summary of the specs that ran."""
    titled: bool = True
    """Whether `(Run Finished)` was read; that line may be lost."""
    within: str = ""
    """The open spec. A test may have printed the table, unless its rows agree with the spec's own lines."""
    row: SummaryRow | None = None
    sums: Counts = Counts()
    """Sums over the rows of a table within a spec."""
    own: Counts | None = None
    """The row that names that spec."""


class FailureBlock(MemoryBase, frozen=True, kw_only=True, tag="failure"):
    """A failure block of the epilogue whose error line has not been read."""

    offset: int
    titles: tuple[str, ...]
    blank: int = 0


class RetriedTest(MemoryBase, frozen=True, kw_only=True, tag="attempt"):
    """A test failed and will be retried."""

    title: str
    noise: int = 0


class ServerError(MemoryBase, frozen=True, kw_only=True, tag="server-error"):
    """The recording server answered with an error; the next lines show whether Cypress retries."""

    offset: int
    text: str
    noise: int = 0


Pending = HeldName | HeaderBox | ResultsBox | Table | FailureBlock | RetriedTest | ServerError
"""An element that is being assembled from several lines. There is one at a time."""


class RawLine(MemoryBase, frozen=True, kw_only=True):
    """A line of the log as it was read."""

    offset: int
    raw: bytes


class LineForm(MemoryBase, frozen=True, kw_only=True):
    """How each line of a log differs from the text that Cypress wrote."""

    prefix: str
    """A regular expression for the text before each line, one character per byte; "" for no prefix."""
    shown: str = ""
    """The prefix of the line that taught the form, for display."""
    stripped: bool = False
    """Whether the lines lost their indentation."""
    quoted: bool = False
    """Whether the lines are Python's repr of bytes or text."""


class Learner(MemoryBase, frozen=True, kw_only=True):
    """A title in an unknown form was read; rows of its box must follow under the same prefix."""

    title: RawLine
    form: LineForm
    counted: str = ""
    """The prefix with its integers treated as counters; "" if it has no integers."""
    rows: tuple[RawLine, ...] = ()
    counted_rows: tuple[RawLine, ...] = ()
    lines: int = 0


class ScannerState(MemoryBase, frozen=True, kw_only=True):
    """Everything that the scanner remembers. The default is the start of a log."""

    offset: int = 0
    """Bytes consumed so far."""
    tail: bytes = b""
    """The bytes of the last line, which has not ended."""
    skipping: bool = False
    """The rest of a line that was too long is being skipped."""
    code_page: str | None = None
    """The code page in which a Windows console read this child's UTF-8, detected in its header box."""
    child: Literal["none", "open", "summarised", "ended"] = "none"
    recorded: bool = False
    """The line `Recorded Run:` of this child was read."""
    discovered: int | None = None
    """N of a `Discovered N spec files` that may be a wrapper's first line."""
    wrapped: bool = False
    """A wrapper's first lines were read, its end line was not."""
    wrapper_table: bool = False
    """A wrapper's end line was read; its own table follows."""
    joined: bool = False
    """The start of this child was not seen, so its first spec is not known."""
    early: tuple[str, ...] = ()
    """The first specs of this child, at most EARLY_MAX."""
    title_at: int | None = None
    """Byte offset of a `(Run Starting)` within an open child; a row of its header box must follow."""
    position: int = 0
    """i of the last accepted `(i of N)`."""
    unplaced: int = 0
    """Lines of this child reported as unplaced."""
    unplaced_failing: int = 0
    """How many of these report a failure."""
    spec: OpenSpec | None = None
    left: tuple[str, ...] = ()
    """Specs of this child that were left without a results box."""
    boxed: str | None = None
    """The spec of the last results box, until the next spec starts."""
    boxed_counts: Counts | None = None
    pending: Pending | None = None
    epilogues: int = 0
    """Epilogues reported before the first child."""
    strange: RawLine | None = None
    """The first line with Cypress's words that could not be read, before any line of Cypress was read."""
    lost: RawLine | None = None
    """The first line that may be evidence of a run whose form was not known."""
    strayed: RawLine | None = None
    """The first line with the words of a box or a summary in no known form, read while a child was open."""
    learners: tuple[Learner, ...] = ()
    forms: tuple[LineForm, ...] = ()
    """The forms that were learnt. Without a form, lines are read unchanged."""
    stream: int = 0
    """The form whose lines the fields above describe: an index into `forms`."""
    parked: dict[str, "ScannerState"] = {}
    """The same fields for the other forms, by their index as text."""
    last: tuple[LastLine, ...] = ()
    """The last meaningful lines, in order. A reason quotes them where no better cause is known."""
