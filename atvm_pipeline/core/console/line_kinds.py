"""The lines that structure Cypress's output: the kind of a line, and the values of the short lines.

`CANDIDATE` searches blocks of bytes and may find too many lines; `line_kind` decides on the text of one line.
`handlers.py` decides whether a line counts at its position.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from .counts_and_durations import table_count
from .error_blocks import ERROR_STARTS, error_in
from .lines import ANSI


class LineKind(Enum):
    """The kinds of lines that matter outside of a box."""

    START = auto()
    RUNNING = auto()
    RESULTS = auto()
    FINISH = auto()
    RECORDED = auto()
    SPEC_SKIPPED = auto()
    CANCELED = auto()
    PASSING = auto()
    PENDING = auto()
    FAILING = auto()
    FAILURE = auto()
    ATTEMPT = auto()
    ERROR = auto()
    BOXED = auto()
    """A line between two edges of a box: a row of a box or of the final table."""
    TOTALS = auto()
    DISCOVERED = auto()
    WRAPPER_PARAMS = auto()
    WRAPPER_END = auto()


SPEC_SKIPPED = "  This spec and its tests were skipped because the run has been canceled."
CANCELED = "  Exiting with non-zero exit code because the run was canceled."

_WHOLE = {
    "  (Run Starting)": LineKind.START,
    "  (Results)": LineKind.RESULTS,
    "  (Run Finished)": LineKind.FINISH,
    SPEC_SKIPPED: LineKind.SPEC_SKIPPED,
    CANCELED: LineKind.CANCELED,
    "  Cloud Run Finished": LineKind.WRAPPER_END,
}
"""Cypress indents its titles by exactly two; a test's text that looks like one is mostly indented further."""

_SHAPES = (
    (re.compile(r"  Running:  \S.*\)"), LineKind.RUNNING),
    (re.compile(r"  Recorded Run: \S+"), LineKind.RECORDED),
    (re.compile(r"  \d{1,9} passing(?: \(\d+\w{1,2}\))?"), LineKind.PASSING),
    (re.compile(r"  \d{1,9} pending"), LineKind.PENDING),
    (re.compile(r"  \d{1,9} failing"), LineKind.FAILING),
    (re.compile(r"  │ .*"), LineKind.BOXED),
    (
        re.compile(r"    \S{1,6}  (?:All specs passed!|\d{1,9} of \d{1,9} failed|The run was canceled) .*"),
        LineKind.TOTALS,
    ),
    (re.compile(r"  \d{1,9}\) \S.*"), LineKind.FAILURE),
    (re.compile(r"[ \t]*+[✖×✓√✔]?\(Attempt \d{1,9} of \d{1,9}\) .+"), LineKind.ATTEMPT),
    (re.compile(r"Discovered \d{1,9} spec files?"), LineKind.DISCOVERED),
    (
        # A lookahead, because two consecutive `.*` take quadratic time.
        re.compile(r"Tags: (?=.*; Group: ).*; Parallel: (?:true|false); Batch Size: \d+"),
        LineKind.WRAPPER_PARAMS,
    ),
)


def _literals(texts: tuple[str, ...]) -> bytes:
    """Return an alternation of literal starts, grouped by first letter, so that a line is compared with few of them."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(text[0], []).append(text[1:])
    branches = (
        re.escape(first) + "(?:" + "|".join(map(re.escape, rest)) + ")" for first, rest in groups.items()
    )
    return "|".join(branches).encode()


_STARTS = (
    "Running:",
    "Recorded Run:",
    SPEC_SKIPPED.strip(),
    CANCELED.strip(),
    "Cloud Run Finished",
    "Discovered ",
    "Tags: ",
    *ERROR_STARTS,
)


def _body(ansi: bytes, high: bytes, border: bytes) -> bytes:
    """Return a pattern for the start of a line that may be an anchor.

    `high` matches up to four characters that are not ASCII.
    """
    colours = b"(?:" + ansi + b")*+"
    lead = rb"[ \t]*+(?:" + ansi + rb"[ \t]*+)*+"
    totals = b"(?:All specs passed!|[0-9]++ of [0-9]++ failed|The run was canceled)"
    branches = (
        rb"\(" + colours + rb"(?:R(?:un (?:Starting|Finished)|esults)|Attempt [0-9])",
        rb"[0-9]++(?:\) | passing| pending| failing)",
        border,
        high + colours + rb"(?:\(Attempt [0-9]|  " + colours + totals + b")",
        rb"-  " + colours + b"The run was canceled",
        _literals(_STARTS),
    )
    return lead + b"(?:" + b"|".join(branches) + b")"


BODY = _body(ANSI, rb"[\x80-\xff]{1,12}+", "│".encode())
QUOTED_BODY = _body(
    rb"\\x1b\[[0-9;:?]*+[A-Za-z]",
    rb"(?:\\x[89a-f][0-9a-f]|[\x80-\xff]){1,12}+",
    rb"(?:\\xe2\\x94\\x82|\xe2\x94\x82)",
)
"""The same in Python's repr of bytes or text."""
CANDIDATE_FIRST = re.compile(BODY)
"""Matches at the start of a line that may be an anchor."""
CANDIDATE = re.compile(rb"\n" + BODY)
"""Finds the line feed before such a line. Anchored on it, the search runs at the speed of memchr."""


def line_kind(text: str) -> LineKind | None:
    """Return the kind of a cleaned line, None if it is not an anchor."""
    whole = _WHOLE.get(text)
    if whole is not None:
        return whole
    for shape, anchor in _SHAPES:
        if shape.fullmatch(text):
            return anchor
    return LineKind.ERROR if error_in(text) is not None else None


class RunningLine(NamedTuple):
    """The values of a `Running:` line; the name may be the first piece only."""

    piece: str
    position: int
    total: int


_POSITION = re.compile(r"\((\d{1,9}) of (\d{1,9})\)")


def running_in(text: str) -> RunningLine | None:
    """Return the parts of `  Running:  <name>   (<i> of <n>)`."""
    body, bracket, position = text.removeprefix("  Running:  ").rpartition("(")
    found = _POSITION.fullmatch(bracket + position)
    piece = body.rstrip()
    return RunningLine(piece, int(found[1]), int(found[2])) if found and piece else None


def counted_in(text: str) -> int:
    """Return N of `  N passing`, `  N pending`, `  N failing`."""
    return table_count(text.split(maxsplit=1)[0]) or 0


def failure_in(text: str) -> tuple[int, str]:
    """Return number and first title of `  N) title`."""
    number, _, title = text.strip().partition(") ")
    return table_count(number) or 0, title.strip()


def attempt_in(text: str) -> str:
    """Return the title of `(Attempt i of n) title`."""
    return text.partition(") ")[2].strip()
