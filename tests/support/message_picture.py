"""Draw a message as an SVG picture that looks like a post in a Mattermost channel, for the README.

The picture contains only shapes and text, so the same message always has the same bytes. A browser places the words: only the line
breaks are decided here.
"""

import re
import textwrap
from html import escape
from typing import Any

from atvm_pipeline.cli.message_preview import closed_code_spans

WIDTH = 760
LEFT = 68
LINE_HEIGHT = 21
CHARACTERS = 86
"""Characters in one line of text: the widest line that fits into `WIDTH` with the usual fonts."""
ATTACHMENT_CHARACTERS = 80

STYLE = """
text { font: 14px "Open Sans", "Segoe UI", Helvetica, Arial, sans-serif; fill: #3f4350; white-space: pre }
.bold { font-weight: 600 }
.code { font: 12.5px "SFMono-Regular", Menlo, Consolas, monospace; fill: #1b1d22 }
.quiet { fill: #77797f; font-size: 12px }
""".strip()

_SPANS = re.compile(r"\*\*(?P<bold>.+?)\*\*|`(?P<code>[^`]*)`")
_ESCAPED = re.compile(r"\\([\\`*_~\[\]#|])")


def draw_message(body: dict[str, Any], *, sender: str, time: str) -> str:
    """Return the SVG of one message.

    `body` is the JSON object that the webhook gets, `sender` the name shown above it and `time` the text next to the name.
    """
    rows = [_text(line, LEFT) for line in _wrapped(body["text"], CHARACTERS)]
    bars = []
    for attachment in body.get("attachments", ()):
        first = len(rows)
        rows += [_text(line, LEFT + 18) for line in _attachment_lines(attachment)]
        bars.append((first, len(rows), attachment.get("color", "#bbbbbb")))
    return _picture(rows, bars, sender, time)


def _attachment_lines(attachment: dict[str, Any]) -> list[str]:
    lines = _wrapped(attachment["text"], ATTACHMENT_CHARACTERS) if attachment.get("text") else []
    for field in attachment.get("fields", ()):
        lines += _wrapped(f"**{field['title']}:** {field['value']}", ATTACHMENT_CHARACTERS)
    return [*lines, *([attachment["footer"]] if attachment.get("footer") else [])]


def _wrapped(text: str, width: int) -> list[str]:
    lines = []
    for line in text.split("\n"):
        bullet, rest = ("\N{BULLET} ", line[2:]) if line.startswith("- ") else ("", line)
        indent = "  " if bullet or line.startswith("  ") else ""
        parts = textwrap.wrap(f"{bullet}{rest}", width, subsequent_indent=indent) or [""]
        lines += closed_code_spans(parts)
    return lines


def _text(line: str, x: int) -> str:
    """Return the text element of one line, without its height; `{y}` takes its place."""
    parts, position = [], 0
    for span in _SPANS.finditer(line):
        parts.append(_plain(line[position : span.start()]))
        kind = "bold" if span["bold"] else "code"
        parts.append(f'<tspan class="{kind}">{_plain(span[kind] or "")}</tspan>')
        position = span.end()
    parts.append(_plain(line[position:]))
    return f'<text x="{x}" y="{{y}}">{"".join(parts)}</text>'


def _plain(text: str) -> str:
    plain = escape(_ESCAPED.sub(r"\1", text.replace("\u200b", "")))
    return plain.replace("{", "&#123;").replace("}", "&#125;")


def _picture(rows: list[str], bars: list[tuple[int, int, str]], sender: str, time: str) -> str:
    top = 62
    height = top + LINE_HEIGHT * len(rows) + 6
    name, clock = (
        f'<tspan class="bold">{escape(sender)}</tspan>',
        f'<tspan class="quiet">  BOT  {escape(time)}</tspan>',
    )
    shapes = [
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff" stroke="#dcdde1"/>',
        '<circle cx="36" cy="38" r="18" fill="#1c58d9"/>',
        '<path d="M28 38l6 6 11-12" fill="none" stroke="#ffffff" stroke-width="3"/>',
        f'<text x="{LEFT}" y="35">{name}{clock}</text>',
    ]
    for first, last, colour in bars:
        shapes.append(
            f'<rect x="{LEFT}" y="{top - 14 + LINE_HEIGHT * first}" width="4" '
            f'height="{LINE_HEIGHT * (last - first)}" fill="{escape(colour)}"/>'
        )
    shapes += [row.format(y=top + LINE_HEIGHT * number) for number, row in enumerate(rows)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *shapes, "</svg>", ""])
