"""`grep -cE` with the scanner's own anchors: the reference for the speed of the scanner."""

import os
import re
from pathlib import Path

from atvm_pipeline.core.console.line_kinds import CANDIDATE, CANDIDATE_FIRST

UTF8 = {**os.environ, "LC_ALL": "C.UTF-8"}
_HIGH_BYTES = rb"[\x80-\xff]{1,12}+"
_HIGH_CHARS = b"[^\x01-\x7f]{1,12}"
"""The same in a UTF-8 locale, where grep counts characters and not bytes."""


def command(log: Path) -> list[bytes]:
    """Return the complete command; the pattern holds real ESC bytes."""
    return [b"grep", b"-cE", b"-e", extended(CANDIDATE_FIRST.pattern), bytes(log)]


def extended(pattern: bytes) -> bytes:
    """Return a pattern of Python's as a POSIX extended one.

    A DFA does not backtrack: it needs no possessive quantifiers.
    """
    for python, posix in (
        (_HIGH_BYTES, _HIGH_CHARS),
        # No line that grep sees holds a line feed.
        (rb"\n", b""),
        (rb"\x07", b"\x07"),
        (rb"\x1b", b"\x1b"),
        (rb"[ \t]", b"[ \t]"),
        (b"(?:", b"("),
        (b"*+", b"*"),
        (b"++", b"+"),
    ):
        pattern = pattern.replace(python, posix)
    return b"^" + re.sub(rb"\\([^.()\[\]*+?{}|^$\\])", rb"\1", pattern)


def lines_counted(log: Path) -> int:
    """Return how many lines the scanner's own pattern finds: grep has to count the same number."""
    found, rest = 0, b"\n"
    with log.open("rb") as file:
        while data := file.read(1 << 20):
            whole, _, tail = (rest + data).rpartition(b"\n")
            found += sum(1 for _ in CANDIDATE.finditer(whole))
            rest = b"\n" + tail
    return found
