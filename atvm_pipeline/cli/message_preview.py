"""Rendering of a message on a terminal, as a reader would see it."""

import re
import textwrap
from typing import Any

from atvm_pipeline.core.text import one_line

from . import terminal

INDENT = 8
"""Columns of the frame."""
LINE_CHARS_MAX = 2000
BAR = "\N{BOX DRAWINGS LIGHT VERTICAL}"
BLOCK = "\N{LEFT HALF BLOCK}"
_STYLES = {"#2e7d32": "passed", "#c62828": "failed"}
"""Colour of an attachment -> style of its bar."""
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_CODE = re.compile(r"`([^`]*)`")
_LINK = re.compile(r"\[([^\]]*)\]\((https?://[^)]*)\)")
_ESCAPED = re.compile(r"\\([\\`*_~\[\]#|])")


def render_message(message: dict[str, Any]) -> str:
    """Return the text and its attachments, with bold and code in the style of a terminal."""
    lines = message_lines(message, terminal.width() - INDENT, colour=terminal.has_colour())
    return "\n".join(f"    {BAR} {line}" for line in lines)


def message_lines(message: dict[str, Any], columns: int, *, colour: bool = False) -> list[str]:
    """Return the lines of a message on a screen of that width: the text, then each attachment next to its bar."""
    lines = _wrapped(str(message.get("text", "")), columns, colour=colour)
    for attachment in message.get("attachments", ()):
        bar = terminal.style(BLOCK, _STYLES.get(attachment.get("color", ""), "muted"), colour=colour)
        parts = [str(attachment.get("text", ""))]
        parts += [f"**{field['title']}:** {field['value']}" for field in attachment.get("fields", ())]
        parts.append(str(attachment.get("footer", "")))
        shown = [line for part in parts if part for line in _wrapped(part, columns - 2, colour=colour)]
        lines += [f"{bar} {line}" for line in shown]
    return lines


def _wrapped(text: str, columns: int, *, colour: bool) -> list[str]:
    lines = []
    for line in text.split("\n"):
        indent = "  " if line.startswith(("- ", "  ")) else ""
        first = indent if line.startswith("  ") else ""
        plain = one_line(_LINK.sub(r"\1: \2", line), LINE_CHARS_MAX).replace("\u200b", "")
        # Without colours, the formatting takes no place on the screen.
        shown = plain if colour else _styled(plain, colour=False)
        parts = textwrap.wrap(
            shown, columns, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
        ) or [""]
        lines += [_styled(part, colour=True) for part in closed_code_spans(parts)] if colour else parts
    return lines


def closed_code_spans(parts: list[str]) -> list[str]:
    """Return the parts of a line with every code span closed within its part."""
    closed = []
    within = False
    for part in parts:
        opened = f"`{part}" if within else part
        within = opened.count("`") % 2 == 1
        closed.append(f"{opened}`" if within else opened)
    return closed


def _styled(line: str, *, colour: bool) -> str:
    bold = _BOLD.sub(lambda found: terminal.style(found[1], "strong", colour=colour), line)
    code = _CODE.sub(lambda found: terminal.style(found[1], "running", colour=colour), bold)
    return _ESCAPED.sub(r"\1", code)
