"""The last lines of a file, bounded and safe for a terminal."""

import os
import re

from atvm_pipeline.core.text import one_line

TAIL_LINES = 20
TAIL_BYTES_MAX = 64 * 1024
TAIL_LINE_CHARS_MAX = 500
ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""A terminal's control sequences (ECMA-48): colours, cursor moves, titles."""


def last_lines(descriptor: int, begin: int = 0) -> tuple[str, ...]:
    """Return the last lines of an open file that are not empty, from byte `begin` on.  Raises OSError."""
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, TAIL_BYTES_MAX, max(begin, size - TAIL_BYTES_MAX))
    text = ESCAPE_SEQUENCE.sub("", data.decode("utf-8", "replace"))
    lines = [one_line(line, TAIL_LINE_CHARS_MAX) for line in text.split("\n")]
    return tuple([line for line in lines if line][-TAIL_LINES:])
