"""The bytes of a report as blocks of XML that expat can read: one encoding, no forbidden character, no unknown entity.

Nothing is resolved or looked up: the encodings are a closed list, an entity that XML does not predefine becomes its own
name, and a document type declaration is skipped without being read.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

FEED_BYTES = 256 * 1024
"""Bytes that are cleaned in one step, so that a large report is not copied at once."""
REFERENCE_CHARS_MAX = 32
"""Digits of the longest character reference; a longer one is text."""
DECLARATION_BYTES_MAX = 512
DOCTYPE_BYTES_MAX = 16 * 1024
"""The longest document type declaration that is skipped; reports have none."""
HOLE_BYTES = 8
"""This many zero bytes in a row are a part of the file that was never written."""

_SINGLE_BYTE = {
    "iso-8859-1": ("iso88591", "latin1", "l1", "isolatin1", "cp819", "ibm819", "88591"),
    "iso-8859-15": ("iso885915", "latin9", "l9", "885915"),
    "cp1252": ("cp1252", "windows1252", "xcp1252", "1252", "ansi"),
}
ENCODINGS = {alias: codec for codec, aliases in _SINGLE_BYTE.items() for alias in aliases}
"""Declared name without punctuation -> codec. Closed, so that no document can load another codec."""

DECLARATION = re.compile(rb"<\?xml\s[^>]{0,480}?\?>")
_DECLARED = re.compile(rb"<\?xml\s[^>]{0,400}?\sencoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
DOCTYPE = re.compile(
    rb"<!DOCTYPE(?:[^\[>\"']|\"[^\"]*+\"|'[^']*+')*+"
    rb"(?:\[(?:<!--.*?-->|<\?.*?\?>|\"[^\"]*+\"|'[^']*+'|[^\]\"'])*+\][^>]*+)?+>",
    re.DOTALL,
)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]+")
_AMPERSAND = re.compile(
    rf"&(?!(?:lt|gt|amp|quot|apos|#[0-9]{{1,{REFERENCE_CHARS_MAX}}}|#x[0-9A-Fa-f]{{1,{REFERENCE_CHARS_MAX}}});)"
)
_REFERENCE = re.compile(r"&#(?:([0-9]+)|x([0-9A-Fa-f]+));")
_OPEN_REFERENCE = re.compile(rf"&[^&;<>\s]{{0,{REFERENCE_CHARS_MAX + 2}}}\Z")


class Found(NamedTuple):
    """The result of a search."""

    match: bytes
    """b"" if there was no match before the end."""
    junk: bytes
    """The first bytes that were skipped, b"" for white space."""


class ReportText:
    """A position in the text of one report, which is read block by block."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        """Start before the first block; the blocks are UTF-8."""
        self._blocks = blocks
        self._held = b""
        self._at = 0
        """The position in `_held`."""
        self.lines = 0
        """Line feeds before the position."""

    def blocks(self) -> Iterator[bytes]:
        """Yield the remaining text; after each block the position is its end."""
        while self.left() or self._more():
            block = self._held[self._at :]
            self.advance(len(block))
            yield block

    def move_back(self, size: int) -> None:
        """Move back by `size` bytes within the block that was yielded last."""
        self._at -= size
        self.lines -= self._held.count(b"\n", self._at)

    def find(self, pattern: re.Pattern[bytes], longest: int) -> Found:
        """Move to the next match, of at most `longest` bytes, else to the end."""
        junk = b""
        while True:
            more = self.left() >= longest or self._more()
            match = pattern.search(self._held, self._at)
            # Without a match, its start may be among the last bytes.
            skipped = match.start() - self._at if match else self.left() - (longest - 1 if more else 0)
            junk = junk or self._held[self._at : self._at + max(skipped, 0)].strip()[:longest]
            self.advance(max(skipped, 0))
            if match or not more:
                return Found(match[0] if match else b"", junk)
            self._more()

    def skip(self, pattern: re.Pattern[bytes], longest: int) -> bool:
        """Move past a match at the position, of at most `longest` bytes; return False without one."""
        while self.left() < longest and self._more():
            pass
        match = pattern.match(self._held, self._at, self._at + longest)
        if match is not None:
            self.advance(match.end() - self._at)
        return match is not None

    def left(self) -> int:
        """Return how many bytes after the position are in memory."""
        return len(self._held) - self._at

    def advance(self, size: int) -> None:
        """Move forward by `size` bytes that are in memory."""
        self.lines += self._held.count(b"\n", self._at, self._at + size)
        self._at += size

    def _more(self) -> bool:
        block = next(self._blocks, None)
        if block is not None:
            self._held = self._held[self._at :] + block
            self._at = 0
        return block is not None


def encoding_of(data: bytes) -> str:
    """Return the encoding of a report: by its byte order mark, by a declaration in the closed list, else UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16-le" if data[:1] == b"\xff" else "utf-16-be"
    if data[:4] in (b"<\0?\0", b"\0<\0?"):
        return "utf-16-le" if data[:1] == b"<" else "utf-16-be"
    # If UTF-8's byte order mark comes first, the declaration does not match: the mark counts.
    declared = _DECLARED.match(data[:DECLARATION_BYTES_MAX].lstrip())
    name = re.sub(r"[^a-z0-9]", "", declared[1].decode().lower()) if declared else ""
    return ENCODINGS.get(name, "utf-8")


def text_blocks(data: bytes, encoding: str) -> Iterator[bytes]:
    """Yield the unchanged text in UTF-8."""
    if encoding != "utf-8":
        yield from (text.encode("utf-8", "replace") for text in _decoded(data, encoding))
        return
    for start in range(0, len(data), FEED_BYTES):
        yield data[start : start + FEED_BYTES]


def clean_blocks(data: bytes, encoding: str) -> Iterator[bytes]:
    """Yield the text in UTF-8 without the characters that XML forbids; line numbers stay the same."""
    held = ""
    for block in _decoded(data, encoding):
        text = held + block
        cut = _OPEN_REFERENCE.search(text, max(len(text) - REFERENCE_CHARS_MAX - 3, 0))
        held = text[cut.start() :] if cut else ""
        yield _cleaned(text[: cut.start()] if cut else text)
    yield _cleaned(held)


def _decoded(data: bytes, encoding: str) -> Iterator[str]:
    start = 0
    while start < len(data):
        end = _complete_characters(data, start + FEED_BYTES, encoding)
        text = data[start:end].decode(encoding, "replace")
        yield text.removeprefix("\ufeff") if start == 0 else text
        start = end


def _complete_characters(data: bytes, end: int, encoding: str) -> int:
    """Return the end of a block, moved back by at most three bytes to the start of a character."""
    if end >= len(data):
        return len(data)
    if encoding == "utf-8":
        return next((at for at in range(end, end - 4, -1) if data[at] & 0xC0 != 0x80), end)  # noqa: PLR2004 - UTF-8
    if encoding.startswith("utf-16"):
        last = data[end - 2 : end].decode(encoding, "surrogatepass")
        return end - 2 if "\ud800" <= last < "\udc00" else end
    return end


def _cleaned(text: str) -> bytes:
    text = _FORBIDDEN.sub("", text)
    if "&" in text:
        text = _REFERENCE.sub(_kept, _AMPERSAND.sub("&amp;", text))
    return text.encode("utf-8", "replace")


def _kept(reference: re.Match[str]) -> str:
    """Return a character reference, or "" if XML forbids that character."""
    number = int(reference[1]) if reference[1] else int(reference[2], 16)
    allowed = number in (0x9, 0xA, 0xD) or 0x20 <= number <= 0x10FFFF  # noqa: PLR2004 - XML 1.0, 2.2 Characters
    return reference[0] if allowed and not _FORBIDDEN.match(chr(number)) else ""
