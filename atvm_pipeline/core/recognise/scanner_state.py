"""What the console scanner remembers between two blocks of a log: part of the snapshot, bounded, never a verdict.

Unknown keys are let in and every field has a default, so that a snapshot of any release can be read.
"""

from typing import Literal

import msgspec

from atvm_pipeline.core.facts import ChildDescribed, Counts

NAME_CHARS_MAX = 4096
"""A name may be this long; file systems allow no longer path."""
PIECES_MAX = 64
"""Lines that one wrapped name may take."""
LEFT_BEHIND_MAX = 8
"""Specs remembered that were followed by the next one without a box."""


class MemoryBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Common to everything the scanner remembers."""


class OpenSpec(MemoryBase, frozen=True, kw_only=True):
    """The spec whose `Running:` line was the last, and whose box has not come."""

    name: str
    position: int
    total: int
    failing: int = 0
    """N of the epilogue's `N failing`, 0 before it is printed: from then on the log holds failure texts."""
    number: int = 1
    """The number that the next failure block bears."""
    flaky: int = 0
    """Flaky tests told."""
    errors: tuple[str, ...] = ()
    """Codes of the error blocks told: after one, the box need not come."""


class HeldName(MemoryBase, frozen=True, kw_only=True, tag="name"):
    """A `Running:` line whose name may go on in the next line."""

    offset: int
    position: int
    total: int
    pieces: tuple[str, ...]


class HeaderBox(MemoryBase, frozen=True, kw_only=True, tag="header"):
    """`(Run Starting)` was read, its box not yet to the end."""

    offset: int
    trusted: bool
    """False: it stands within a spec, and only its box will show that it is not the spec's own output."""
    box_offset: int | None = None
    key: str = ""
    """The key of the row that was read last."""
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
    noise: int = 0


class Row(MemoryBase, frozen=True, kw_only=True):
    """A row of the final table whose name may go on in the next line."""

    offset: int
    mark: str
    pieces: tuple[str, ...]
    duration: str
    counts: Counts


class Table(MemoryBase, frozen=True, kw_only=True, tag="table"):
    """`(Run Finished)` was read, the totals row below its table not yet."""

    offset: int
    trusted: bool
    """False: not told yet, the first row has to show that this is the summary of the specs that ran."""
    row: Row | None = None


class FailureBlock(MemoryBase, frozen=True, kw_only=True, tag="failure"):
    """A failure block of the epilogue whose error line has not come."""

    offset: int
    titles: tuple[str, ...]
    blank: int = 0


class Attempt(MemoryBase, frozen=True, kw_only=True, tag="attempt"):
    """A test was tried and failed, and will be tried again."""

    title: str
    noise: int = 0


class ServerError(MemoryBase, frozen=True, kw_only=True, tag="server-error"):
    """The recording server answered with an error; the next lines tell whether Cypress tries again."""

    offset: int
    text: str
    noise: int = 0


Pending = HeldName | HeaderBox | ResultsBox | Table | FailureBlock | Attempt | ServerError
"""What is being put together from several lines; one thing at a time."""


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
    joined: bool = False
    """This child's beginning was not seen: its first spec is not known."""
    first: str | None = None
    """The first spec that this child was seen to begin."""
    spec: OpenSpec | None = None
    left: tuple[str, ...] = ()
    """Specs of this child that were left behind without a box."""
    boxed: str | None = None
    """The spec whose box was the last, until the next one begins."""
    boxed_counts: Counts | None = None
    pending: Pending | None = None
