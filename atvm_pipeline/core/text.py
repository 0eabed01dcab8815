"""Sanitises untrusted text for a chat message and for a terminal, and writes names, numbers and durations.

Test names, errors, labels and paths are untrusted. In a message they must not mention a user, link, format or leave their
place (Mattermost's rules: docs/status-template.md). On a terminal they must not contain control codes.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence

CUT = "…"
MIDDLE_READ_MAX = 4_096
"""Characters read from either end of a text that is cut in its middle."""
NAMES_JOINED_MAX = 5
"""Names listed in one sentence; the others are counted."""
_MINUTE_S = 60
_DAYS_SHOWN_MIN = 2
"""A shorter duration is written in hours."""
_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories: control, format (bidi marks), surrogates, private, unassigned, line and paragraph separators."""

_UNSEEN = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb]"
)
"""Characters, in UTF-8, that a terminal may interpret or hide and JSON leaves unescaped: DEL, C1, bidi marks, separators, BOM."""


def printable(text: str) -> str:
    """Return `text` for a terminal: a space replaces every character that could be a control code."""
    return "".join(" " if unicodedata.category(char) in _DANGEROUS else char for char in text)


def one_line(text: str, max_chars: int) -> str:
    """Return `text` on one line, without control and bidi characters, at most `max_chars` characters."""
    # Cut first: a megabyte must not be scanned for a hundred characters.
    head = text[: max_chars * 4]
    short = " ".join(printable(head).split())
    return (
        short if len(short) <= max_chars and len(head) == len(text) else short[: max_chars - 1].rstrip() + CUT
    )


def cut_middle(text: str, max_chars: int) -> str:
    """Return `text` on one line like `one_line`, but cut in its middle: the end of an error is what a reader needs."""
    start = end = " ".join(printable(text[:MIDDLE_READ_MAX]).split())
    if len(text) > MIDDLE_READ_MAX:
        end = " ".join(printable(text[-MIDDLE_READ_MAX:]).split())
    elif len(start) <= max_chars:
        return start
    head = (max_chars - 1) // 3
    return f"{start[:head].rstrip()}{CUT}{end[head + 1 - max_chars :].lstrip()}"


def code_span(text: str, max_chars: int = 120, *, keep_end: bool = False) -> str:
    """Return `text` as a code span that it cannot leave: no mention, no link, no formatting inside.

    A long text is cut at its end, with `keep_end` in its middle. Mattermost turns `<url|text>` and `<!all>` into links
    and mentions even in code, so `<` is replaced. U+200B after `@` prevents a mention where a client renders the span
    as text.
    """
    line = cut_middle(text, max_chars) if keep_end else one_line(text, max_chars)
    safe = line.replace("`", "'").replace("<", "‹").replace("@", "@\u200b")
    return f"`{safe}`" if safe.strip() else "`-`"


def escape_json(json: bytes) -> bytes:
    """Return equivalent JSON text, in UTF-8, without characters that a terminal could interpret."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0].decode()):04x}".encode(), json)


def join_names(
    items: Sequence[str], shown_max: int = NAMES_JOINED_MAX, *, show: Callable[[str], str] = str
) -> str:
    """Return a list for a sentence with at most `shown_max` items; `show` formats an item."""
    shown = ", ".join(map(show, items[:shown_max]))
    return shown if len(items) <= shown_max else f"{shown} and {len(items) - shown_max} more"


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: `1 line`, `3 lines`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_duration(seconds: float) -> str:
    """Return a duration for people, in its two largest units: `45 s`, `12 min`, `3 h 05 min`, `2 d 03 h`."""
    if round(seconds) < _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = round(seconds) // _MINUTE_S
    hours, days = minutes // 60, minutes // (24 * 60)
    if days >= _DAYS_SHOWN_MIN:
        return f"{days} d {hours % 24:02d} h"
    return f"{hours} h {minutes % 60:02d} min" if hours else f"{minutes} min"
