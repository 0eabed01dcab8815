"""Reading `specPattern` out of a Cypress config, which is a program in JavaScript or TypeScript.

Only what can be known without running it is known; everything else is None, and None refuses nothing.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

CONFIG_CHARS_MAX = 256 * 1024
PATTERNS_MAX = 2_000
DEPTH_MAX = 100
FOUND_MAX = 100

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)
    |(?P<name>[A-Za-z_$][\w$]*)
    |(?P<spread>\.\.\.)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REGEX_LITERAL = re.compile(r"/(?:[^/\\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n]){0,200}+\]){1,500}+/[a-z]*")
"""Bounded and possessive: a slash that begins none costs little."""
_QUOTES = ("'", '"', "`")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN_ESCAPES = frozenset("\\/'\"`$*?[]{}()!+@,.-")
"""Characters that an escape in a JavaScript string leaves as they are."""


_NOT_THESE_RUNS = frozenset({"component", "env"})


class _Token(NamedTuple):
    kind: str
    text: str
    value: str | None = None
    """A string's value, None where it cannot be known."""


class _Found(NamedTuple):
    keys: tuple[str, ...]
    """Keys of the objects around it, outermost first."""
    value: tuple[str, ...] | None


def read_spec_pattern(config_text: str) -> tuple[str, ...] | None:
    """The value of `specPattern` in a Cypress config (.ts, .js, .json); None if it cannot be known without running it.

    The one inside `e2e:` wins over others; what is inside `component:` or `env:` is not for these runs.  Two that
    differ, an expression, a spread behind it, an assignment: None.
    """
    if len(config_text) > CONFIG_CHARS_MAX or "specPattern" not in config_text:
        return None
    tokens = list(_tokens(config_text))
    # A quote that is not closed: the text is no program, or one that is not understood here.
    understood = bool(tokens) and tokens[-1].text not in _QUOTES
    found = _Reader(tokens).read() if understood else None
    if found is None:
        return None
    found = [one for one in found if not _NOT_THESE_RUNS.intersection(one.keys)]
    values = {one.value for one in [one for one in found if "e2e" in one.keys] or found}
    return values.pop() if len(values) == 1 else None


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    before = _Token("other", "(")
    while at < len(text):
        match = (
            _REGEX_LITERAL.match(text, at)
            if text[at] == "/" and _regex_may_follow(before, text, at)
            else None
        )
        token = _Token("regex", match[0]) if match is not None else None
        if match is None:
            match = _TOKEN.match(text, at)
            assert match is not None  # any character is a token
            kind = match.lastgroup or "other"
            token = _Token(kind, match[0], _string_value(match[0]) if kind == "string" else None)
        at = match.end()
        if token is not None and token.kind != "skip":
            yield token
            before = token
            if token.text in _QUOTES:
                return


def _regex_may_follow(before: _Token, text: str, at: int) -> bool:
    """Whether a slash begins a regular expression: behind an operator, not behind a value, and no comment."""
    if text.startswith(("//", "/*"), at):
        return False
    return (before.kind == "other" and before.text in "(,=:[!&|?{};+") or before.text == "return"


def _string_value(literal: str) -> str | None:
    """The value of a string literal; None for a template with `${` and for escapes that are not plain."""
    inner = literal[1:-1]
    if literal[0] == "`" and "${" in inner:
        return None
    if any(match[1] not in _PLAIN_ESCAPES for match in _ESCAPE.finditer(inner)):
        return None
    return _ESCAPE.sub(r"\1", inner)


class _Frame:
    """An open bracket, with the key that it is the value of."""

    def __init__(self, bracket: str, key: str) -> None:
        self.bracket = bracket
        self.key = key
        self.last_key = ""
        self.spread_at: int | None = None
        """Where a spread was seen in this bracket last: it may override what stands in front of it."""


class _Reader:
    """One walk over a config's tokens, collecting every `specPattern`."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self.tokens = tokens
        self.frames = [_Frame("", "")]
        self.found: list[tuple[int, tuple[_Frame, ...], tuple[str, ...] | None]] = []

    def read(self) -> list[_Found] | None:
        """Every key `specPattern` with its value; None if one is set in another way."""
        for at, token in enumerate(self.tokens):
            if len(self.frames) > DEPTH_MAX or len(self.found) > FOUND_MAX:
                return None
            if token.kind == "other" and token.text in "{[(":
                self.frames.append(_Frame(token.text, self.frames[-1].last_key))
            elif token.kind == "other" and token.text in "}])" and len(self.frames) > 1:
                self.frames.pop()
            elif token.kind == "other" and token.text in ",;":
                self.frames[-1].last_key = ""
            elif token.kind == "spread":
                self.frames[-1].spread_at = at
            elif token.kind in ("name", "string") and not self._see(at, token):
                return None
        return [
            _Found(
                tuple(frame.key for frame in frames),
                None
                if any(frame.spread_at is not None and frame.spread_at > at for frame in frames)
                else value,
            )
            for at, frames, value in self.found
        ]

    def _see(self, at: int, token: _Token) -> bool:
        """Note a name or a string if it is a key; False if it sets `specPattern` in a way that is not read."""
        name = token.value if token.kind == "string" else token.text
        is_key = self._text(at + 1) == ":" and self._text(at - 1) in ("{", ",", "")
        if is_key and name is not None:
            self.frames[-1].last_key = name
        elif token.kind == "name" and self._text(at + 1) == "=" and self._text(at + 2) not in ("=", ">"):
            # `const e2e = {...}`: the variable's name is as good as a key.
            self.frames[-1].last_key = token.text
        if name != "specPattern":
            return True
        if is_key:
            self.found.append((at, tuple(self.frames), self._value(at + 2)))
        return is_key

    def _text(self, at: int) -> str:
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def _value(self, at: int) -> tuple[str, ...] | None:
        """One string, or an array of strings, with nothing behind it but the end of the entry."""
        if self._text(at) != "[":
            value = self._string(at)
            return (value,) if value is not None and self._text(at + 1) in (",", "}") else None
        values: list[str] = []
        at += 1
        while self._text(at) != "]":
            value = self._string(at)
            if value is None or self._text(at + 1) not in (",", "]") or len(values) >= PATTERNS_MAX:
                return None
            values.append(value)
            at += 2 if self._text(at + 1) == "," else 1
        return tuple(values) if self._text(at + 1) in (",", "}") else None

    def _string(self, at: int) -> str | None:
        return self.tokens[at].value if at < len(self.tokens) else None
