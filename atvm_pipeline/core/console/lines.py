"""From the bytes of one log line to the text that Cypress meant: colours, carriage returns, lost encodings, wrapping.

Nothing in this module depends on the meaning of a line.
"""

import re
from functools import lru_cache
from itertools import pairwise

LINE_BYTES_MAX = 64 * 1024
"""A longer line is read up to this length and skipped after it: no line of Cypress is longer than 8 KiB."""
LINES_CACHED_MAX = 128
KEPT_BYTES_MAX = 2 * 1024
"""Longest line that is cached; the edge of a box with all its colour codes has 1.2 KiB."""

ANSI = rb"\x1b(?:\[[0-9;:?]*+[A-Za-z]|\([0-9A-Z]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\))"
"""One control sequence: colours and cursor (CSI), a character set (`ESC ( B`, which `tput sgr0` prints), a title or link (OSC).

Possessive: a greedy one takes quadratic time over a line of nothing but colour codes."""

_ANSI_TEXT = re.compile(ANSI.decode("latin-1"))
_BETWEEN_BOXED = "\x1b[39m\x1b[90m"
"""The text between two characters of a box edge: Cypress colours each character separately, a hundred times in an edge."""

_CODE_PAGES = ("cp437", "cp850", "cp1252")
"""The code pages in which a Windows console may read UTF-8 before it writes UTF-8 itself."""

_BOX_LEAD = "\N{BOX DRAWINGS LIGHT HORIZONTAL}".encode()[:2]
_MARK_LEADS = tuple(mark.encode()[:2] for mark in "✓√")


def _back_to_bytes(code_page: str) -> dict[int, str]:
    """Return, for each character, the byte (as a Latin-1 character) that the code page displays as it."""
    table: dict[int, str] = {}
    for byte in range(0x80, 0x100):
        shown = bytes([byte]).decode(code_page, errors="ignore") or chr(byte)
        table[ord(shown)] = chr(byte)
    return table


_TABLES = {code_page: _back_to_bytes(code_page) for code_page in _CODE_PAGES}
_SIGNS = {
    code_page: tuple(
        lead.decode(code_page, errors="ignore") for lead in (_BOX_LEAD, *_MARK_LEADS, "×".encode())
    )
    for code_page in _CODE_PAGES
}
"""Code page -> how the first bytes of Cypress's own characters appear in it."""
_ANY_SIGN = re.compile("|".join(re.escape(sign) for signs in _SIGNS.values() for sign in signs))


def clean(raw: bytes, code_page: str | None = None) -> str:
    """Return the text of one line without colours, line end and trailing blanks; never raise.

    `code_page`: the code page that the log went through, if it is known. A line that shows it itself does not need it.
    """
    return (_kept if len(raw) <= KEPT_BYTES_MAX else _clean)(raw, code_page)


def _clean(raw: bytes, code_page: str | None) -> str:
    text = _plain(raw)
    if text.isascii() or (code_page is None and _ANY_SIGN.search(text) is None):
        return text
    pages = _signs_in(text) if code_page is None else (code_page, *_signs_in(text))
    return next((undone for undone in (_undo(text, page) for page in pages) if undone is not None), text)


_kept = lru_cache(maxsize=LINES_CACHED_MAX)(_clean)
"""Cached `_clean`: boxes have the same edges every time and mostly the same rows, so each is cleaned once."""


def code_page_in(raw: bytes) -> str | None:
    """Return the code page that a line with parts of a box went through, else None."""
    if raw.isascii():
        return None
    text = _plain(raw)
    return next((page for page in _signs_in(text) if _undo(text, page) is not None), None)


def _plain(raw: bytes) -> str:
    text = raw.decode("utf-8", errors="replace")
    if "\x1b" in text:
        # The pairs first, as plain text: that takes a quarter of the time.
        text = _ANSI_TEXT.sub("", text.replace(_BETWEEN_BOXED, ""))
    return text.rstrip()


def _signs_in(text: str) -> tuple[str, ...]:
    if _ANY_SIGN.search(text) is None:
        return ()
    return tuple(page for page, signs in _SIGNS.items() if any(sign in text for sign in signs))


def _undo(text: str, code_page: str) -> str | None:
    """Read `ΓöÇ` as `─` again; return None if the line never was in that code page."""
    try:
        return text.translate(_TABLES[code_page]).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return None


def width(text: str) -> int:
    """Return the length as JavaScript counts it, in UTF-16 units: Cypress wraps by that."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def may_wrap(piece: str, columns: int) -> bool:
    """Return whether the text may continue on the next line.

    Cypress cuts exactly at `columns`. A blank at the cut is invisible, so for a text with blanks one column less is
    enough.
    """
    found = width(piece)
    return found >= columns or (found == columns - 1 and " " in piece)


def unwrap(pieces: tuple[str, ...], columns: int) -> str:
    """Join the pieces of a hard-wrapped text and restore a blank that was lost at a cut."""
    filled = [piece + " " * (columns - width(piece)) for piece, _ in pairwise(pieces)]
    return "".join((*filled, *pieces[-1:]))
