"""The form of a log whose lines are all changed in one way: a prefix, stripped blanks, or Python's repr of bytes.

A runner that relays its child's output writes such a log, and so do Jenkins, GitHub Actions, docker compose, pnpm,
TeamCity and Python's logging. The form is learnt from a run header: its title and three rows of its box under one
prefix, never from a single line. A prefix is either fixed (a label), or contains a clock or a counter, which is
recognised by its shape. After that, a line without the prefix is not Cypress's, and the text after the prefix is read
as Cypress wrote it.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec.structs import replace

from atvm_pipeline.core.dialect import PATTERN_INPUT_MAX

from .boxes import is_border, key_row
from .lines import ANSI, clean
from .scanner_state import FailureBlock, HeldName, Learner, LineForm, Pending, RawLine

FORMS_MAX = 16
"""Forms of one log: one for each label under which a header was read."""
LEARNERS_MAX = 4
LEARNING_LINES_MAX = 120
"""Lines within which the rows of a header box must follow its title, even if several processes write."""
ROWS_MIN = 3
PREFIX_CHARS_MAX = 160
RAW_BYTES_MAX = 1024
"""A row of a header box is shorter, including all its colour codes."""
TITLE_WORDS = b"Run Starting"
"""Text that every possible title of a header contains, whatever surrounds it."""

_TITLE = re.compile(
    rb"\((?:" + ANSI + rb"|\\x1b\[[0-9;]*m)*Run Starting(?:" + ANSI + rb"|\\x1b\[[0-9;]*m)*\)"
)
_ESCAPED_ANSI = re.compile(rb"\\x1b\[[0-9;:?]*[A-Za-z]")
_ANSI = re.compile(ANSI)
_LEADING_ANSI = re.compile(b"(?:" + ANSI + b")*+")
_QUOTE = re.compile(r"b?['\"]$")
_END_OF_REPR = re.compile(r"(?:\\[rn]| )*['\"]$")
_CLOCK = re.compile(
    r"[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}|[0-9]{2}[-/.](?:[0-9]{2}|[A-Z][a-z]{2})[-/.][0-9]{4}|"
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?![0-9:])|(?<![0-9])[0-9]{10,19}(?:[.,][0-9]{1,9})?(?![0-9])|"
    r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}[0-9]{1,2}\b|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b|"
    r"[+-][0-9]{2}:?[0-9]{2}\b|\b[AP]M\b"
)
_COUNTER = re.compile(r"(?<![A-Za-z0-9._/-])[0-9]{1,12}(?:\.[0-9]{1,9})?s?(?![A-Za-z0-9._/-])")
"""A number that grows from line to line: the line's number, or the seconds since the start."""
_ANY_ANSI = b"(?:" + ANSI + b")*+"
_STRIPPED_TITLES = frozenset(("(Run Starting)", "(Results)", "(Run Finished)", "Cloud Run Finished"))
_STRIPPED_STARTS = (
    "Running:  ",
    "Recorded Run: ",
    "This spec and its tests were skipped because the run has been canceled.",
    "Exiting with non-zero exit code because the run was canceled.",
)
_STRIPPED_SHAPES = re.compile(r"│ .*|\d{1,9} (?:passing|pending|failing)\b.*|\d{1,9}\) \S.*")
_STRIPPED_TOTALS = re.compile(
    r"\S{1,6}  (?:All specs passed!|\d{1,9} of \d{1,9} failed|The run was canceled) "
)


def begin_learning(raw: bytes, offset: int) -> Learner | None:
    """Start learning from a title in an unknown form.

    Return None if the line is not a title, or the text before it is too long.
    """
    raw = raw[:RAW_BYTES_MAX]
    found = _TITLE.search(raw)
    if found is None:
        return None
    lead = _plain(raw[: found.start()])
    behind = _plain(raw[found.end() :]).strip()
    quote = _QUOTE.search(lead.rstrip(" "))
    blanks = 2 if lead.endswith("  ") else 0
    if quote is not None:
        behind = _END_OF_REPR.sub("", behind)
    if len(lead) > PREFIX_CHARS_MAX or behind:
        return None
    form = LineForm(
        prefix=_pattern(raw[: found.start()], len(lead) - blanks, counted=False),
        shown=lead[: len(lead) - blanks].rstrip()[:PREFIX_CHARS_MAX],
        stripped=not blanks,
        quoted=quote is not None,
    )
    counted = _pattern(raw[: found.start()], len(lead) - blanks, counted=True)
    return Learner(
        title=RawLine(offset=offset, raw=raw), form=form, counted="" if counted == form.prefix else counted
    )


def continue_learning(learner: Learner, raw: bytes, offset: int) -> Learner | None:
    """Return the learner after one more line; None if too many lines came between.

    Once the form is known, `learnt` returns it.
    """
    if learner.lines >= LEARNING_LINES_MAX:
        return None
    learner = replace(learner, lines=learner.lines + 1)
    raw = raw[:RAW_BYTES_MAX]
    if _is_row(learner.form, raw):
        return replace(learner, rows=(*learner.rows, RawLine(offset=offset, raw=raw)))
    if learner.counted:
        counting = replace(learner.form, prefix=learner.counted)
        if _is_row(counting, raw) and _counts_up(learner, raw):
            return replace(learner, counted_rows=(*learner.counted_rows, RawLine(offset=offset, raw=raw)))
    return learner


def learnt(learner: Learner) -> LineForm | None:
    """Return the form of a header if enough of it was read, else None."""
    if len(learner.rows) >= ROWS_MIN:
        return learner.form
    if len(learner.counted_rows) >= ROWS_MIN:
        return replace(learner.form, prefix=learner.counted)
    return None


def header_lines(learner: Learner) -> tuple[RawLine, ...]:
    """Return the lines that taught the form, in order. They are read once the form is known."""
    rows = learner.rows if len(learner.rows) >= ROWS_MIN else learner.counted_rows
    return (learner.title, *rows)


def original_line(form: LineForm, raw: bytes) -> bytes | None:
    """Return the line as Cypress wrote it; None if it does not have this form."""
    found = _compiled(form.prefix).match(raw)
    if found is None:
        return None
    rest = raw[found.end() :]
    return _unquoted(rest) if form.quoted else rest


def without_prefix(prefix: re.Pattern[str], raw: bytes) -> bytes | None:
    """Return a line without a dialect's `line_prefix`, keeping its colour codes; None if it has no such prefix."""
    lead = _LEADING_ANSI.match(raw)
    begin = lead.end() if lead is not None else 0
    found = prefix.match(raw[begin : begin + PATTERN_INPUT_MAX].decode("utf-8", "surrogateescape"))
    if found is None:
        return None
    return raw[:begin] + raw[begin + len(found[0].encode("utf-8", "surrogateescape")) :]


def restore_indent(text: str, pending: Pending | None) -> str:
    """Restore the indentation that Cypress printed, for a line of a log that lost it, as far as the line shows its kind."""
    if not text:
        return text
    if isinstance(pending, HeldName) and not text.startswith(_STRIPPED_STARTS):
        return " " * 12 + text
    if isinstance(pending, FailureBlock) and not pending.blank:
        return " " * (5 + 2 * len(pending.titles) if text.endswith(":") else 5) + text
    if text in _STRIPPED_TITLES or text.startswith(_STRIPPED_STARTS) or _STRIPPED_SHAPES.fullmatch(text):
        return "  " + text
    if _STRIPPED_TOTALS.match(text):
        return "    " + text
    return "  " + text if is_border("  " + text) and set(text) != {"="} and text[0] != "─" else text


def candidate_patterns(
    forms: tuple[LineForm, ...], body: bytes, quoted_body: bytes
) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return two patterns for lines worth reading: one matches at a line's start, one finds the line feed before it."""
    return _candidates(tuple((form.prefix, form.quoted) for form in forms), body, quoted_body)


@lru_cache(maxsize=64)
def _candidates(
    forms: tuple[tuple[str, bool], ...], body: bytes, quoted_body: bytes
) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    either = b"|".join(
        prefix.encode("latin-1") + (quoted_body if quoted else body) for prefix, quoted in forms
    )
    return re.compile(b"(?:" + either + b")"), re.compile(rb"\n(?:" + either + b")")


@lru_cache(maxsize=64)
def _compiled(prefix: str) -> re.Pattern[bytes]:
    return re.compile(prefix.encode("latin-1"))


def _plain(raw: bytes) -> str:
    return _ESCAPED_ANSI.sub(b"", _ANSI.sub(b"", raw)).decode("utf-8", "replace")


def _is_row(form: LineForm, raw: bytes) -> bool:
    line = original_line(form, raw)
    if line is None:
        return False
    text = clean(line)
    row = key_row("  " + text if form.stripped else text)
    return row is not None and row.key in (
        "Cypress",
        "Browser",
        "Node Version",
        "Specs",
        "Searched",
        "Params",
        "Run URL",
    )


def _counts_up(learner: Learner, raw: bytes) -> bool:
    """Return whether the counters of a line are those of the previous line with at least one higher. Labels do not grow."""
    before = learner.counted_rows[-1].raw if learner.counted_rows else learner.title.raw
    one, other = (_numbers(line, learner.counted) for line in (before, raw))
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def _numbers(raw: bytes, prefix: str) -> tuple[float, ...]:
    found = _compiled(prefix).match(raw)
    text = _CLOCK.sub("", _plain(found[0] if found else b""))
    return tuple(float(number.rstrip("s")) for number in _COUNTER.findall(text))


def _unquoted(rest: bytes) -> bytes:
    rest = rest.rstrip()
    if rest[-1:] in (b"'", b'"'):
        rest = rest[:-1]
    try:
        return rest.decode("unicode_escape").encode("latin-1").rstrip(b"\r\n")
    except UnicodeError:
        return rest


def _pattern(lead: bytes, chars: int, *, counted: bool) -> str:
    """Return a regular expression, one character per byte, for the first `chars` characters of a lead, with any colours."""
    pieces: list[bytes] = []
    left = chars
    for part in _parts(lead):
        pieces.append(_ANY_ANSI if part is None else _piece(part[:left], counted=counted))
        left -= min(left, len(part or ""))
    return b"".join(pieces).decode("latin-1")


def _parts(lead: bytes) -> Iterator[str | None]:
    """Yield the texts between the colour codes of a lead, and None for a code."""
    at = 0
    for code in _ANSI.finditer(lead):
        yield lead[at : code.start()].decode("utf-8", "surrogateescape")
        yield None
        at = code.end()
    yield lead[at:].decode("utf-8", "surrogateescape")


def _piece(text: str, *, counted: bool) -> bytes:
    found = _CLOCK.search(text)
    if found is not None:
        clock = re.sub(rb"[0-9]+", rb"[0-9]+", re.escape(found[0]).encode())
        clock = re.sub(rb"[A-Z][a-z]{2}", rb"[A-Z][a-z]{2}", clock)
        clock = re.sub(rb"^[AP]M$", rb"[AP]M", clock)
        clock = re.sub(rb"(?:\\ )+", rb"\\ {1,2}", clock)  # the day of a month may have one digit
        return (
            # The blanks before an hour of one digit.
            _piece(text[: found.start()].rstrip(" "), counted=counted)
            + b"\\ *+"
            + clock
            + _piece(text[found.end() :], counted=counted)
        )
    if not counted:
        return re.escape(text.encode("utf-8", "surrogateescape"))
    *before, last = re.split(_COUNTER, text)
    # The blanks before a counter pad its column to the width of its last number.
    parts = [*(part.rstrip(" ") for part in before), last]
    return rb" *+[0-9]+(?:\.[0-9]+)?s?".join(
        re.escape(part.encode("utf-8", "surrogateescape")) for part in parts
    )
