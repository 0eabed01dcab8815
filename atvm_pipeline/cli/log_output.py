"""Output of a log: the unchanged bytes in a pipe, and on a terminal nothing that the terminal could obey but colours."""

import codecs
import os
import re
import sys

from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.system.tail_lines import ESCAPE_SEQUENCE

LOG_TEXT_CHARS_MAX = 64 * 1024
"""A longer line is shown in parts."""
OPEN_ESCAPE_CHARS_MAX = 64
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_PART = re.compile(rf"({_COLOUR.pattern})")
_UNUSUAL = re.compile(r"[^\t\n -~]+")
RESET = "\x1b[0m"


class TerminalFilter:
    """Turns the bytes of a log into text that changes only the colours of a terminal."""

    def __init__(self, *, colour: bool) -> None:
        """Create a filter; without `colour`, colours are removed too."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._colour = colour
        self.coloured = False
        """Whether a colour was passed on, which must be reset at the end."""

    def feed(self, data: bytes) -> str:
        """Return the complete lines; the rest waits for its end."""
        text = self._rest + self._decoder.decode(data)
        lines, newline, self._rest = text.rpartition("\n")
        if len(self._rest) > LOG_TEXT_CHARS_MAX:
            lines, newline, self._rest = text, "", ""
        return self._clean(lines + newline)

    def flush(self) -> str:
        """Return an unfinished line, except for an escape sequence that may be incomplete."""
        text, self._rest = self._rest, ""
        at = text.rfind("\x1b")
        if at >= max(0, len(text) - OPEN_ESCAPE_CHARS_MAX) and ESCAPE_SEQUENCE.match(text, at) is None:
            text, self._rest = text[:at], text[at:]
        return self._clean(text)

    def _clean(self, text: str) -> str:
        # A carriage return would let a line overwrite the one before.
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        parts = _PART.split(text)
        for at, part in enumerate(parts):
            if at % 2 == 0:
                parts[at] = self._plain(part)
            elif self._colour:
                self.coloured = True
            else:
                parts[at] = ""
        return "".join(parts)

    @staticmethod
    def _plain(text: str) -> str:
        return _UNUSUAL.sub(lambda found: printable(found[0]), ESCAPE_SEQUENCE.sub("", text))


class LogOutput:
    """Standard output for the bytes of a log."""

    def __init__(self, *, terminal: bool) -> None:
        """Create the output; on a terminal, it is filtered."""
        colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._filter = TerminalFilter(colour=colour) if terminal else None

    def write(self, data: bytes) -> None:
        """Write bytes of the log."""
        if self._filter is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            self._show(self._filter.feed(data))

    def flush(self) -> None:
        """Write an unfinished line."""
        if self._filter is not None:
            self._show(self._filter.flush())

    def end(self) -> None:
        """Write the rest, and end the colours of the log."""
        self.flush()
        if self._filter is not None and self._filter.coloured:
            self._show(RESET)

    @staticmethod
    def _show(text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()
