"""Colour and width of the output: every decision about the terminal is made here. Standard library only, light to import.

A colour never replaces a word: without its colours, the text has the same meaning.
"""

import os
import sys
import unicodedata
from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would take longer than all of `--help`
    from typing import TextIO

CUT = "…"
DEFAULT_WIDTH = 80
"""Columns if the output is not a terminal, so that a file or a pipe always gets the same lines."""
WIDTH_MIN = 40
WIDTH_MAX = 160
"""Lines that are longer are hard to read, however wide the terminal is."""
_GREEN, _RED, _YELLOW, _CYAN, _DIM, _BOLD = "32", "31", "33", "36", "2", "1"
STYLES: dict[str, str] = {
    "passed": _GREEN,
    "failed": _RED,
    "warning": _YELLOW,
    "running": _CYAN,
    "muted": _DIM,
    "strong": _BOLD,
    "COMPLETED": _GREEN,
    "FAILED": _RED,
    "HUNG": _RED,
    "TERMINATED": _YELLOW,
    "UNKNOWN": _YELLOW,
    "CANCELLED": _YELLOW,
    "RUNNING": _CYAN,
    "PENDING": _DIM,
    "CORRUPT": _RED,
}
"""Style -> parameter of the SGR control sequence. A phase is a style too."""


def is_terminal(stream: "TextIO | None" = None) -> bool:
    """Return whether the stream (default: stdout) is a terminal."""
    try:
        return (stream or sys.stdout).isatty()
    except (AttributeError, ValueError, OSError):
        return False


def has_colour(stream: "TextIO | None" = None, environ: Mapping[str, str] | None = None) -> bool:
    """Return whether the output gets colours: a value in NO_COLOR forbids, CLICOLOR_FORCE other than 0 forces them.

    Without both, a terminal gets colours unless TERM is dumb or CLICOLOR is 0 (https://no-color.org, https://bixense.com/clicolors).
    """
    env = os.environ if environ is None else environ
    if env.get("NO_COLOR"):
        return False
    if env.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return env.get("TERM") != "dumb" and env.get("CLICOLOR") != "0" and is_terminal(stream)


def style(text: str, name: str, *, colour: bool | None = None) -> str:
    """Return `text` in the style of that name; unchanged for an unknown style or without colours.

    `colour` overrides `has_colour()`. Pad and cut a text before it gets its style.
    """
    code = STYLES.get(name)
    on = has_colour() if colour is None else colour
    return f"\x1b[{code}m{text}\x1b[0m" if on and code is not None and text else text


def width(stream: "TextIO | None" = None) -> int:
    """Return the columns that a line may use: of COLUMNS, else of the terminal, else 80; from 40 to 160."""
    given = os.environ.get("COLUMNS", "")
    columns = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0  # noqa: PLR2004 - a size
    if not columns and is_terminal(stream):
        try:
            columns = os.get_terminal_size((stream or sys.stdout).fileno()).columns
        except (OSError, ValueError):
            columns = 0
    return max(WIDTH_MIN, min(columns or DEFAULT_WIDTH, WIDTH_MAX))


def page_width() -> int | None:
    """Return the width of the terminal; None in a pipe, where a page is not wrapped, so that grep finds its sentences."""
    return width() if is_terminal() else None


def cells(text: str) -> int:
    """Return the columns that a text takes on a terminal: East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(char) for char in text)


def _cells_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, columns: int) -> str:
    """Return the text followed by spaces up to `columns` columns."""
    return text + " " * (columns - cells(text))


def cut_end(text: str, columns: int) -> str:
    """Return the text with its end replaced by an ellipsis if it takes more than `columns` columns."""
    return text if cells(text) <= columns else _head(text, columns - 1) + CUT


def cut_middle(text: str, columns: int) -> str:
    """Return the text with its middle replaced by an ellipsis if it takes more than `columns` columns.

    The end gets two thirds: it contains the most of what a reader needs of an error or of a path.
    """
    if cells(text) <= columns:
        return text
    room = max(0, columns - 1)
    tail = _head(text[::-1], room * 2 // 3)[::-1]
    return f"{_head(text, room - cells(tail)).rstrip()}{CUT}{tail.lstrip()}"


def _head(text: str, columns: int) -> str:
    """Return the longest start of the text that fits."""
    used = 0
    for at, char in enumerate(text):
        used += _cells_of(char)
        if used > columns:
            return text[:at]
    return text


def wrapped(text: str, columns: int, *, first: str = "", rest: str = "") -> list[str]:
    """Return the text as lines of at most `columns` columns; `first` precedes the first line, `rest` the others.

    A word that is longer than a line, such as a path, is not broken, so that it can be copied.
    """
    lines = []
    line, empty = first, True
    for word in text.split():
        if not empty and cells(line) + 1 + cells(word) > columns:
            lines.append(line)
            line, empty = rest, True
        line, empty = (line + word, False) if empty else (f"{line} {word}", False)
    return [*lines, line.rstrip()]
