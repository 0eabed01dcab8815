"""Check that the patterns of an operator's dialect terminate, with lines that make a careless pattern backtrack.

A pattern such as `(a+)+$` takes exponential time on a 40-character line, and it cannot be interrupted in the middle of
a log without losing the content of the line. So it is refused before a run starts.
"""

import re
import signal
import threading
from collections.abc import Iterator
from importlib import import_module
from types import FrameType
from typing import Any

from atvm_pipeline.core.dialect import PATTERN_INPUT_MAX, Dialect
from atvm_pipeline.core.errors import ConfigError

# The parser of `re` has no public interface, but without it a repeat cannot be distinguished from literal text in
# brackets.
op: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

PATTERN_LIMIT_S = 1.0
"""CPU time for one line; the default patterns take a few milliseconds."""
AGAIN_LIMIT_S = 10.0
"""The same limit for a watcher, whose start has already tried the patterns: a pattern that passed there must not fail
here."""
PROBES_MAX = 200
"""Limit for lines tried per pattern; there is one for each repeat."""
_CATEGORY = {op.CATEGORY_DIGIT: "0", op.CATEGORY_SPACE: " ", op.CATEGORY_NOT_WORD: "-"}
_PATTERNS = (
    *("label", "host", "not_hosts", "not_requested", "line_prefix"),
    *("artifact_files", "progress", "cypress_process", "browser_process"),
)


class _TooLongError(Exception):
    """Used only within this module."""


def check_patterns(dialect: Dialect, name: str, limit_s: float = PATTERN_LIMIT_S) -> None:
    """Refuse a dialect with a pattern that takes longer than `limit_s`. Raises ConfigError that names the key.

    `name` is the file of the dialect. Only the main thread can interrupt a pattern; in another thread nothing is tried.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for key in _PATTERNS:
        pattern = getattr(dialect, key)
        if pattern and pattern != getattr(Dialect(), key) and not _terminates(pattern, limit_s):
            raise ConfigError(
                f"{name}: {key} takes longer than {limit_s:.0f} s on a line of {PATTERN_INPUT_MAX} characters: "
                "it has a repeat inside a repeat; use possessive quantifiers (*+, ++), or remove one of the repeats"
            )


def _terminates(pattern: str, limit_s: float) -> bool:
    compiled = re.compile(pattern)

    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGVTALRM, too_long)
    try:
        for count, probe in enumerate(_probes(parser.parse(pattern), "")):
            signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
            compiled.search(probe[:PATTERN_INPUT_MAX])
            compiled.fullmatch(probe[:PATTERN_INPUT_MAX])
            if count >= PROBES_MAX:
                break
    except _TooLongError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return True


def _probes(items: Any, before: str) -> Iterator[str]:
    """Yield lines for each unbounded repeat: its body many times, then a character that does not match.

    Each line starts with text that matches the elements before the repeat.
    """
    for kind, value in items:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            body = _sample(value[2]) or "a"
            if value[1] > PATTERN_INPUT_MAX or value[1] is op.MAXREPEAT:
                yield before + body * (PATTERN_INPUT_MAX // len(body)) + "\0"
                yield before + body * 40 + "\0"
        for inner in _inner(kind, value):
            yield from _probes(inner, before)
        before += _sample([(kind, value)])


def _inner(kind: Any, value: Any) -> list[Any]:
    """Return the patterns within one element of a pattern."""
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return [value[2]]
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind is op.BRANCH:
        return list(value[1])
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return [value[1]]
    return [value] if kind is op.ATOMIC_GROUP else []


def _sample(items: Any) -> str:
    """Return a short text that the pattern matches in nearly all cases."""
    return "".join(_sample_of(kind, value) for kind, value in items)


def _sample_of(kind: Any, value: Any) -> str:
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.IN:
        return _member(value)
    if kind in (op.ANY, op.NOT_LITERAL):
        return "b" if value == ord("a") else "a"
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return _sample(value[2]) * min(max(int(value[0]), 0), 64)
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return ""
    inner = _inner(kind, value)
    return _sample(inner[0]) if inner else ""


def _member(items: Any) -> str:
    """Return a character of a set."""
    negated = items[0][0] is op.NEGATE
    first, value = items[1 if negated else 0]
    if negated:
        return "b" if first is op.LITERAL and value == ord("a") else "a"
    if first is op.LITERAL:
        return chr(value)
    return chr(value[0]) if first is op.RANGE else _CATEGORY.get(value, "a")
