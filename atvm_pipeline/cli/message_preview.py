"""Rendering of a message on a terminal, as a reader would see it."""

import re
import textwrap
from typing import Any

from atvm_pipeline.core.text import one_line

from . import terminal

INDENT = 8
"""Columns of the frame."""
BAR = "\N{BOX DRAWINGS LIGHT VERTICAL}"
BLOCK = "\N{LEFT HALF BLOCK}"
_STYLES = {"#2e7d32": "passed", "#c62828": "failed"}
"""Colour of an attachment -> style of its bar."""
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_CODE = re.compile(r"`([^`]*)`")
_ESCAPED = re.compile(r"\\([\\`*_~\[\]#|])")


def render_message(message: dict[str, Any]) -> str:
    """Return the text and its attachments, with bold and code in the style of a terminal."""
    columns = terminal.width() - INDENT
    lines = [*_wrapped(str(message.get("text", "")), columns)]
    for attachment in message.get("attachments", ()):
        bar = terminal.style(BLOCK, _STYLES.get(attachment.get("color", ""), "muted"))
        for field in attachment.get("fields", ()):
            shown = _wrapped(f"{field['title']}: {field['value']}", columns)
            lines += [f"{bar} {line}" for line in shown]
        if attachment.get("footer"):
            lines.append(f"{bar} {one_line(attachment['footer'], columns)}")
    return "\n".join(f"    {BAR} {line}" for line in lines)


def _wrapped(text: str, columns: int) -> list[str]:
    lines = []
    for line in text.split("\n"):
        indent = "  " if line.startswith("- ") else ""
        plain = one_line(line, 2000).replace("\u200b", "")
        parts = textwrap.wrap(plain, columns, subsequent_indent=indent, break_on_hyphens=False) or [""]
        lines += [_styled(part) for part in _closed(parts)]
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


def _styled(line: str) -> str:
    bold = _BOLD.sub(lambda found: terminal.style(found[1], "strong"), line)
    code = _CODE.sub(lambda found: terminal.style(found[1], "running"), bold)
    return _ESCAPED.sub(r"\1", code)
