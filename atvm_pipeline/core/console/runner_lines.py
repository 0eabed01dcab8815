"""Lines of a private runner that the dialect names: a child's command line, and progress.

A dialect's pattern is never applied to a complete log: a literal that every match must contain finds the lines worth
trying.
"""

import re

from atvm_pipeline.core.dialect import PATTERN_INPUT_MAX, Dialect
from atvm_pipeline.core.facts import ChildLaunched, RunnerProgressed
from atvm_pipeline.core.text import one_line

LABEL_CHARS_MAX = 300
PROGRESS_CHARS_MAX = 300
LITERAL_CHARS_MIN = 4
"""A shorter literal would find every other line."""

_LITERAL = re.compile(r"[A-Za-z0-9_ -]+")
_PLAIN_GROUP = re.compile(r"\(\?(?:P<|:|<?[=!])")
"""The start of a group that does not affect the pattern outside of it."""


class RunnerLineMatcher:
    """The compiled patterns of one dialect, which has checked that they compile."""

    __slots__ = ("_label", "_progress", "literals")

    def __init__(self, dialect: Dialect) -> None:
        self._label = re.compile(dialect.label)
        self._progress = re.compile(dialect.progress) if dialect.progress else None
        patterns = [pattern for pattern in (dialect.label, dialect.progress) if pattern]
        found = [literal_of(pattern) for pattern in patterns]
        self.literals = None if "" in found else tuple(dict.fromkeys(literal.encode() for literal in found))
        """Literals, one of which every line worth trying contains; None: try every line."""

    def fact_in(self, text: str, offset: int) -> ChildLaunched | RunnerProgressed | None:
        """Return the fact that a cleaned line states, else None."""
        text = text[:PATTERN_INPUT_MAX]
        found = self._label.search(text)
        if found is not None:
            # Only the named groups: other groups of the pattern have no meaning.
            label = next((group for group in found.groupdict().values() if group), "")
            label = one_line(label, LABEL_CHARS_MAX)
            if label:
                return ChildLaunched(offset=offset, label=label)
        if self._progress is not None and self._progress.search(text) is not None:
            return RunnerProgressed(offset=offset, text=one_line(text, PROGRESS_CHARS_MAX))
        return None


def literal_of(pattern: str) -> str:
    """Return the longest text that every match of `pattern` must contain, "" if it cannot be determined.

    Only plain characters outside of groups, sets and alternatives count. A shorter text than the longest is correct
    too.
    """
    if "(?" in _PLAIN_GROUP.sub("", pattern) or "|" in _outermost(pattern):
        return ""  # flags, conditions, comments: too rare to parse
    runs = _LITERAL.findall(_outermost(pattern))
    longest = max(runs, key=len, default="").strip()
    return longest if len(longest) >= LITERAL_CHARS_MIN else ""


def _outermost(pattern: str) -> str:
    r"""Return the pattern with every part that may match other texts replaced by a bare `\n`."""
    kept: list[str] = []
    depth, at = 0, 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            if depth == 0:
                kept.append("\n")
            at += 2
            continue
        if char == "[":
            at = _set_end(pattern, at)
            if depth == 0:
                kept.append("\n")
            continue
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif depth == 0:
            if char in "?*{" and kept:
                kept[-1] = "\n"  # the character before it may be missing
            if char == "{":
                at = pattern.find("}", at) if "}" in pattern[at:] else len(pattern)
                char = "\n"
            kept.append(char if char == "|" or _LITERAL.fullmatch(char) else "\n")
        if char in "()":
            kept.append("\n")
        at += 1
    return "".join(kept)


def _set_end(pattern: str, at: int) -> int:
    """Return the end of a set `[...]` that starts at `at`."""
    at += 2 if pattern[at + 1 : at + 2] == "^" else 1
    at += pattern[at : at + 1] == "]"
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1
