"""Rendering of a message on a terminal, as a reader would see it."""

import re
import textwrap
from typing import Any

from atvm_pipeline.core.text import one_line

WIDTH = 96
BAR = "\N{BOX DRAWINGS LIGHT VERTICAL}"
BLOCK = "\N{LEFT HALF BLOCK}"
_COLOURS = {"#2e7d32": "32", "#c62828": "31"}
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_CODE = re.compile(r"`([^`]*)`")
_ESCAPED = re.compile(r"\\([\\`*_~\[\]#|])")


def render_message(message: dict[str, Any], *, colour: bool) -> str:
    """Return the text and its attachments, with bold and code in the style of a terminal."""
    lines = [*_wrapped(str(message.get("text", "")), colour=colour)]
    for attachment in message.get("attachments", ()):
        shade = _COLOURS.get(attachment.get("color", ""), "90")
        bar = f"\x1b[{shade}m{BLOCK}\x1b[0m" if colour else BLOCK
        for field in attachment.get("fields", ()):
            shown = _wrapped(f"{field['title']}: {field['value']}", colour=colour)
            lines += [f"{bar} {line}" for line in shown]
        if attachment.get("footer"):
            lines.append(f"{bar} {one_line(attachment['footer'], WIDTH)}")
    return "\n".join(f"    {BAR} {line}" for line in lines)


def _wrapped(text: str, *, colour: bool) -> list[str]:
    lines = []
    for line in text.split("\n"):
        indent = "  " if line.startswith("- ") else ""
        plain = one_line(line, 2000).replace("\u200b", "")
        parts = textwrap.wrap(plain, WIDTH, subsequent_indent=indent) or [""]
        lines += [_styled(part, colour=colour) for part in _closed(parts)]
    return lines


def _closed(parts: list[str]) -> list[str]:
    """Return the parts of a line with every code span closed within its part."""
    closed = []
    within = False
    for part in parts:
        opened = f"`{part}" if within else part
        within = opened.count("`") % 2 == 1
        closed.append(f"{opened}`" if within else opened)
    return closed


def _styled(line: str, *, colour: bool) -> str:
    bold, code = ("\x1b[1m\\1\x1b[0m", "\x1b[36m\\1\x1b[0m") if colour else (r"\1", r"\1")
    return _ESCAPED.sub(r"\1", _CODE.sub(code, _BOLD.sub(bold, line)))
