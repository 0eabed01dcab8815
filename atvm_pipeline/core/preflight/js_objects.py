"""Object literals of a config file: their entries, and the object that an expression certainly evaluates to.

An expression with more than one possible result (a condition, a call, an operator, a name that may change) yields None.
"""

from typing import NamedTuple

from .js_tokens import Script

NESTED_MAX = 12
"""Nested calls and constants that may surround the exported object."""
USES_MAX = 50
"""Other uses of `defineConfig` that are checked; a file with more is uncertain."""

_MODIFIERS = frozenset({"async", "get", "set", "*", "static"})
_TYPE_WORDS = frozenset({"as", "satisfies"})
_OPERATOR_WORDS = frozenset({"in", "instanceof"})


class TokenSpan(NamedTuple):
    """Tokens from `start` up to `end`, which is not part of it."""

    start: int
    end: int


class Entry(NamedTuple):
    """One entry of an object literal."""

    kind: str
    """`value`, `name` (shorthand), `method`, or `unknown`: a spread, a computed key, a getter or setter."""
    key: str
    at: int
    """Position of the key."""
    value: TokenSpan
    """The value; of a method, its parameters and its body; of a shorthand, the name."""


def entries_of(script: Script, opened: int) -> list[Entry] | None:
    """Return the entries of the object literal whose brace is at `opened`; None if one is not understood."""
    entries = []
    at, end = opened + 1, script.partner[opened]
    while at < end:
        stop = _end_of_entry(script, at, end)
        entry = _entry(script, TokenSpan(at, stop))
        if entry is None:
            return None
        entries.append(entry)
        at = stop + 1
    return entries


def _end_of_entry(script: Script, at: int, end: int) -> int:
    while at < end and script.text(at) != ",":
        at = script.partner.get(at, at) + 1
    return at


def _entry(script: Script, span: TokenSpan) -> Entry | None:
    first = script.tokens[span.start] if span.start < span.end else None
    if first is None:
        return None
    if first.kind == "spread" or first.text == "[":
        return Entry("unknown", "", span.start, span)
    at, modified = span.start, ""
    while script.text(at) in _MODIFIERS and script.text(at + 1) not in (":", "(", ",", "}"):
        modified = modified if modified in ("get", "set") else script.text(at)
        at += 1
    if modified in ("get", "set"):
        return Entry("unknown", "", span.start, span)
    token = script.tokens[at]
    key = token.text if token.kind in ("name", "number") else token.value
    if key is None:
        # A string with an unknown value may be any key; any other token is not a key.
        return Entry("unknown", "", at, span) if token.kind == "string" else None
    follows = script.text(at + 1)
    if follows == ":" and not modified:
        return Entry("value", key, at, TokenSpan(at + 2, span.end))
    if follows == "(":
        return Entry("method", key, at, TokenSpan(at + 1, span.end))
    return Entry("name", key, at, span) if at + 1 == span.end and token.kind == "name" else None


def unwrapped(script: Script, span: TokenSpan) -> TokenSpan:
    """Return an expression without the brackets around it, and without the type after them."""
    while script.text(span.start) == "(" and _is_type(
        script, TokenSpan(script.partner[span.start] + 1, span.end)
    ):
        span = TokenSpan(span.start + 1, script.partner[span.start])
    return span


def without_type(script: Script, span: TokenSpan) -> TokenSpan | None:
    """Return the literal, or the bracketed text, of an expression; None if anything but its type follows."""
    start, end = unwrapped(script, span)
    after = script.partner.get(start, start) + 1
    return TokenSpan(start, after) if start < end and _is_type(script, TokenSpan(after, end)) else None


def _is_type(script: Script, span: TokenSpan) -> bool:
    """Return whether tokens are empty, or `as` or `satisfies` and a type name: `as const`, `as Cypress.Config[]`."""
    if span.start < span.end and script.text(span.start) not in _TYPE_WORDS:
        return False
    for at in range(span.start, span.end):
        text = script.text(at)
        named = script.tokens[at].kind == "name" and text not in _OPERATOR_WORDS
        brackets = text == "]" or (text == "[" and script.text(at + 1) == "]")
        if not (named or brackets or text == "."):
            return False
    return True


class Objects:
    """The object that an expression certainly evaluates to, as the entries that determine its keys."""

    def __init__(self, script: Script) -> None:
        """Read expressions of `script`."""
        self._script = script

    def entries(self, span: TokenSpan, *, depth: int = NESTED_MAX) -> list[Entry] | None:
        """Return the entries of an expression's object in order, a later one wins; None if not certain.

        The expression may be an object literal, `defineConfig({...})`, `Object.assign(...)`, or the name of such a
        constant.
        """
        script = self._script
        inner = without_type(script, span)
        if inner is None:
            return self._call(unwrapped(script, span), depth)
        if script.text(inner.start) == "{":
            return entries_of(script, inner.start)
        if inner.end == inner.start + 1 and script.tokens[inner.start].kind == "name" and depth:
            constant = self._constant(inner.start)
            return None if constant is None else self.entries(constant, depth=depth - 1)
        return None

    def _call(self, span: TokenSpan, depth: int) -> list[Entry] | None:
        script = self._script
        assign = [script.text(span.start + n) for n in range(4)] == ["Object", ".", "assign", "("]
        define = [script.text(span.start + n) for n in range(2)] == ["defineConfig", "("]
        opened = span.start + (3 if assign else 1)
        if (
            not (assign or define)
            or not depth
            or not _is_type(script, TokenSpan(script.partner[opened] + 1, span.end))
        ):
            return None
        if define and not self._is_cypress(span.start):
            return None
        arguments = self._arguments(opened)
        if define:
            return self.entries(arguments[0], depth=depth - 1) if len(arguments) == 1 else None
        entries: list[Entry] = []
        for argument in arguments:
            known = self.entries(argument, depth=depth - 1)
            # Any other object may have any key, as with a spread.
            entries += [Entry("unknown", "", argument.start, argument)] if known is None else known
        return entries

    def _arguments(self, opened: int) -> list[TokenSpan]:
        arguments = []
        at, end = opened + 1, self._script.partner[opened]
        while at < end:
            stop = _end_of_entry(self._script, at, end)
            arguments.append(TokenSpan(at, stop))
            at = stop + 1
        return arguments

    def _is_cypress(self, used: int) -> bool:
        """Return whether every other `defineConfig` of the file is an import of Cypress's."""
        others = [at for at in self.uses("defineConfig") if at != used]
        return len(others) <= USES_MAX and all(self._imported(at) for at in others)

    def _imported(self, at: int) -> bool:
        """Return whether a name is imported from Cypress.

        That is, within the braces of `import {...} from 'cypress'` or `{...} = require('cypress')`.
        """
        script = self._script
        close = at
        while close < len(script.tokens) and script.text(close) != "}":
            close += 1
        after = [script.text(close + n) for n in range(1, 4)]
        value = close + 2 if after[0] == "from" else close + 4
        known = after[0] == "from" or after == ["=", "require", "("]
        inside = script.partner.get(close, at) < at and script.text(at - 1) in ("{", ",")
        return known and inside and value < len(script.tokens) and script.tokens[value].value == "cypress"

    def uses(self, name: str) -> list[int]:
        """Return the positions where a name is used, except as a key or as a property of another object."""
        script = self._script
        return [
            at
            for at, token in enumerate(script.tokens)
            if token.kind == "name"
            and token.text == name
            and script.text(at - 1) != "."
            and not (script.text(at + 1) == ":" and script.text(at - 1) in ("{", ","))
        ]

    def _constant(self, used: int) -> TokenSpan | None:
        """Return the value of a constant that is used only once, so that no code can change it."""
        script = self._script
        name = script.text(used)
        hidden = any(
            token.kind == "template" and token.value is None and name in token.text for token in script.tokens
        )
        places = self.uses(name)
        if hidden or len(places) != 2 or used not in places:  # noqa: PLR2004 - its declaration and this one
            return None
        declared = places[0] if places[1] == used else places[1]
        if script.text(declared - 1) != "const" or not self.at_top(declared):
            return None
        equals = declared + 1
        if script.text(equals) == ":":
            while script.text(equals) not in ("=", "", ";", "{", "("):
                equals += 1
        if script.text(equals) != "=":
            return None
        return TokenSpan(equals + 1, self.end_of_statement(equals + 1))

    def at_top(self, at: int) -> bool:
        """Return whether a token is outside of all brackets."""
        script = self._script
        here = 0
        while here < at:
            here = script.partner.get(here, here) + 1
        return here == at

    def end_of_statement(self, at: int) -> int:
        """Return the end of an expression that starts here: `;`, or a word that starts a new statement.

        A line break ends a statement only if the next token could not continue it, so an operator always continues it.
        """
        script = self._script
        start = at
        while at < len(script.tokens) and script.text(at) != ";":
            here, before = script.tokens[at], script.tokens[at - 1]
            operand = before.kind in ("name", "string", "template", "number") or before.text in (
                ")",
                "]",
                "}",
            )
            starts = here.kind == "name" and here.text not in _TYPE_WORDS | _OPERATOR_WORDS
            if at > start and operand and starts and before.text not in _TYPE_WORDS:
                return at
            at = script.partner.get(at, at) + 1
        return at
