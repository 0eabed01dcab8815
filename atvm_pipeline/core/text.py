"""Foreign text made harmless for a chat message and for a terminal.

Test names, errors, labels and paths come from outside.  In a message they must not mention anybody, link, format or
break out of their place (Mattermost's rules: docs/status-template.md); on a terminal they must not be control codes.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence

CUT = "…"
NAMES_JOINED_MAX = 5
"""Names listed in one sentence; the rest is counted."""
_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories: control, format (bidi marks), surrogates, private, unassigned, line and paragraph separators."""

_UNSEEN = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb]"
)
"""What a terminal may obey or hide and JSON lets through as it is, in UTF-8: DEL, C1, bidi marks, separators, BOM."""


def printable(text: str) -> str:
    """`text` for a terminal: what could be a control code is a space, everything else stays where it is."""
    return "".join(" " if unicodedata.category(char) in _DANGEROUS else char for char in text)


def one_line(text: str, max_chars: int) -> str:
    """`text` on one line, without control and bidi characters, at most `max_chars` characters."""
    # Cut first: a megabyte must not be walked through for a hundred characters.
    head = text[: max_chars * 4]
    short = " ".join(printable(head).split())
    return (
        short if len(short) <= max_chars and len(head) == len(text) else short[: max_chars - 1].rstrip() + CUT
    )


def code_span(text: str, max_chars: int = 120) -> str:
    """`text` as a code span that it cannot leave: no mention, no link, no formatting inside.

    Mattermost turns `<url|text>` and `<!all>` into links and mentions even in code, so `<` goes; U+200B behind `@`
    keeps its mention scanner out where a client renders the span as text.
    """
    safe = one_line(text, max_chars).replace("`", "'").replace("<", "‹").replace("@", "@\u200b")
    return f"`{safe}`" if safe.strip() else "`-`"


def escape_json(json: bytes) -> bytes:
    """JSON text, UTF-8, that says the same and holds no character that a terminal could obey, whoever prints it."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0].decode()):04x}".encode(), json)


def join_names(
    items: Sequence[str], shown_max: int = NAMES_JOINED_MAX, *, show: Callable[[str], str] = str
) -> str:
    """Return a list for a sentence, its length bounded; `show` makes an item fit for it."""
    shown = ", ".join(map(show, items[:shown_max]))
    return shown if len(items) <= shown_max else f"{shown} and {len(items) - shown_max} more"
