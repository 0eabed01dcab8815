"""Tokens of a JavaScript or TypeScript file, with matching brackets; ambiguous text is refused.

Cypress config files are programs. They are read here, never executed. A token whose meaning depends on more context
than is read here (a slash after a bracket, a template inside a template) makes the complete text unknown.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

TEMPLATE_DEPTH_MAX = 100

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)
    |(?P<string>"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
    |(?P<name>[A-Za-z_$][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<spread>\.\.\.)
    |(?P<other>[^\\'"`])
    """,
    re.VERBOSE | re.DOTALL,
)
"""An unclosed quote, and a backslash outside of a string, are not tokens."""
_REGEX_LITERAL = re.compile(r"/(?:[^/\\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n]){0,200}+\]){1,500}+/[a-z]*")
"""Bounded and possessive: a slash that does not start a regular expression costs little."""
_CODE_STRING = re.compile(r"\"(?:[^\"\\\n\r]|\\.)*\"|'(?:[^'\\\n\r]|\\.)*'", re.DOTALL)
_PLAIN_TEMPLATE = re.compile(r"[^`\\$]+|\\.|\$(?!\{)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN_ESCAPES = frozenset("\\/'\"`$*?[]{}()!+@,.-")
"""Characters that an escape in a JavaScript string leaves as they are."""
_BEFORE_REGEX = frozenset(
    ("return", "typeof", "case", "of", "in", "delete", "void", "throw", "new", "else", "do", "await", "yield")
)
"""Keywords after which a slash starts a regular expression; after any other word it is a division."""
_CLOSED_BY = {"{": "}", "[": "]", "(": ")"}


class Token(NamedTuple):
    """One token. Kinds: `string`, `template`, `name`, `number`, `spread`, `regex`, `other`."""

    kind: str
    text: str
    value: str | None = None
    """A string's value; None if it cannot be known, and for all other kinds."""


class Script(NamedTuple):
    """A text that could be read: its tokens, and for each bracket the position of its counterpart."""

    tokens: Sequence[Token]
    partner: dict[int, int]

    def text(self, at: int) -> str:
        """Return a token's text, "" outside of the script.

        The text of a string is `''`, so that it is never taken for an operator or a word.
        """
        if not 0 <= at < len(self.tokens):
            return ""
        token = self.tokens[at]
        return "''" if token.kind in ("string", "template", "regex") else token.text


def read_script(text: str) -> Script | None:
    """Return the tokens of a program; None if it is unclosed, nested too deep, or ambiguous."""
    tokens = _tokens(text)
    if tokens is None:
        return None
    partner: dict[int, int] = {}
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token.kind != "other":
            continue
        if token.text in _CLOSED_BY:
            opened.append(at)
            if len(opened) > TEMPLATE_DEPTH_MAX:
                return None
        elif token.text in _CLOSED_BY.values():
            if not opened or _CLOSED_BY[tokens[opened[-1]].text] != token.text:
                return None
            partner[at] = opened.pop()
            partner[partner[at]] = at
    return Script(tokens, partner) if not opened else None


def _tokens(text: str) -> list[Token] | None:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        token = _slash(text, at, tokens) or _next(text, at)
        if token is None or (token.kind == "regex" and _has_two_readings(tokens)):
            return None
        at += len(token.text)
        if token.kind != "skip":
            tokens.append(token)
    return tokens


def _next(text: str, at: int) -> Token | None:
    if text[at] == "`":
        end = _template_end(text, at + 1)
        return None if end is None else Token("template", text[at:end], _string_value(text[at:end]))
    match = _TOKEN.match(text, at)
    if match is None or (match[0] == "/" and text.startswith("/*", at)):
        return None
    kind = match.lastgroup or "other"
    return Token(kind, match[0], _string_value(match[0]) if kind == "string" else None)


def _slash(text: str, at: int, before: Sequence[Token]) -> Token | None:
    """Return the regular expression that starts here, None if the slash is a comment or a division."""
    if text[at] != "/" or text.startswith(("//", "/*"), at):
        return None
    last = before[-1] if before else Token("other", "(")
    if last.kind in ("string", "template", "number", "regex") or last.text == "]":
        return None
    if last.kind == "name" and last.text not in _BEFORE_REGEX:
        return None
    match = _REGEX_LITERAL.match(text, at)
    return Token("regex", match[0]) if match is not None else None


def _has_two_readings(before: Sequence[Token]) -> bool:
    """Return whether a regular expression here may also be a division: after a closing bracket, `++` or `--`."""
    last = [token.text for token in before[-2:]]
    return last[-1:] in ([")"], ["}"]) or last in (["+", "+"], ["-", "-"])


def _template_end(text: str, at: int) -> int | None:
    """Return the end of the template literal whose first character is at `at`; None if that is not certain."""
    depth = 0
    while at < len(text):
        if depth:
            char = text[at]
            if char in "`/":
                return None
            depth += {"{": 1, "}": -1}.get(char, 0)
            string = _CODE_STRING.match(text, at) if char in "'\"" else None
            if string is None and char in "'\"":
                return None
            at = string.end() if string is not None else at + 1
        elif text[at] == "`":
            return at + 1
        elif text.startswith("${", at):
            depth = 1
            at += 2
        else:
            plain = _PLAIN_TEMPLATE.match(text, at)
            if plain is None:
                return None
            at = plain.end()
    return None


def _string_value(literal: str) -> str | None:
    """Return the value of a string literal; None for a template with `${` and for escapes that are not plain."""
    inner = literal[1:-1]
    if literal[0] == "`" and "${" in inner:
        return None
    if any(match[1] not in _PLAIN_ESCAPES for match in _ESCAPE.finditer(inner)):
        return None
    return _ESCAPE.sub(r"\1", inner)
