"""Reading `specPattern` from a Cypress config, which is a program in JavaScript or TypeScript.

Only a value that no run of the program could change is known; any other value is unknown (None), and refuses nothing.
The exported config must be an object literal, or a constant that nothing else uses. `specPattern` must be written in
its `e2e` as a string or an array of strings, without anything after it that may override it.
"""

from collections.abc import Iterable

from .js_objects import Entry, Objects, TokenSpan, unwrapped, without_type
from .js_tokens import Script, read_script
from .node_events import leaves_config

CONFIG_CHARS_MAX = 256 * 1024
PATTERNS_MAX = 2_000

_KEY = "specPattern"
_NOT_THESE_RUNS = frozenset({"component", "env"})
_CONTROL = frozenset({"if", "while", "for", "with", "await"})

Patterns = tuple[str, ...]


def read_spec_pattern(config_text: str) -> tuple[str, ...] | None:
    """Return the value of `specPattern` in a Cypress config (.ts, .js, .json); None if it is not certain.

    One inside `e2e:` takes precedence over one next to it. Those inside `component:` or `env:` do not apply to these
    runs.
    """
    if len(config_text) > CONFIG_CHARS_MAX or _KEY not in config_text:
        return None
    script = read_script(config_text)
    return _Reader(script).read() if script is not None else None


class _Reader:
    """One config file that could be split into tokens."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._objects = Objects(script)

    def read(self) -> Patterns | None:
        """Return the value that certainly applies."""
        exported = self._exported()
        config = self._objects.entries(exported) if exported is not None else None
        if config is None:
            return None
        suite = self._suite(config)
        if suite is None:
            return None
        entry = _last(suite, _KEY)
        if not any(entry.key == _KEY for entry in suite):
            # A spread may contain `e2e` or its `specPattern`, which would override the one next to it.
            spread = any(entry.kind == "unknown" for entry in (*config, *suite))
            entry = None if spread else _last(config, _KEY)
        pattern = self._patterns(entry.value) if entry is not None and entry.kind == "value" else None
        if pattern is None or not self._all_accounted_for(pattern, config, suite):
            return None
        events = [entry for entry in (*config, *suite) if entry.key == "setupNodeEvents"]
        return pattern if all(leaves_config(self._script, entry) for entry in events) else None

    def _exported(self) -> TokenSpan | None:
        """Return the expression that is the config: of the only export, or the complete text of a JSON file."""
        script, end = self._script, len(self._script.tokens)
        if script.text(0) == "{" and script.partner[0] == end - 1:
            return TokenSpan(0, end)
        starts = [at for at in range(end) if script.text(at) == "default" and script.text(at - 1) == "export"]
        common = sorted(
            self._objects.uses("module") + [at for at in range(end) if script.text(at) == "exports"]
        )
        if len(starts) == 1 and not common:
            start = starts[0] + 1
        elif not starts and self._is_statement(common):
            start = common[0] + 4
        else:
            return None
        return TokenSpan(start, self._objects.end_of_statement(start))

    def _is_statement(self, common: list[int]) -> bool:
        """Return whether these tokens are one `module.exports = ...` that is certainly executed."""
        script = self._script
        if len(common) != 2 or not self._objects.at_top(common[0]):  # noqa: PLR2004 - both words, once
            return False
        at = common[0]
        whole = [script.text(at + n) for n in range(4)] == ["module", ".", "exports", "="]
        before = script.tokens[at - 1] if at else None
        if before is None or before.kind != "other":
            return whole and script.text(at - 1) not in ("else", "do")
        if before.text == ")":
            return whole and script.text(script.partner[at - 1] - 1) not in _CONTROL
        return whole and before.text in (";", "}", "]")

    def _suite(self, config: list[Entry]) -> list[Entry] | None:
        """Return the entries of the config's `e2e`, [] if it certainly has none; None if that is not known."""
        if not any(entry.key == "e2e" for entry in config):
            return []
        found = _last(config, "e2e")
        if found is None or found.kind == "method":
            return None
        return self._objects.entries(found.value)

    def _patterns(self, span: TokenSpan) -> Patterns | None:
        """Return a string, or an array of strings, with nothing but its type after it."""
        script = self._script
        text = self._string(span)
        if text is not None:
            return (text,)
        inner = without_type(script, span)
        if inner is None or script.text(inner.start) != "[":
            return None
        values: list[str] = []
        at, end = inner.start + 1, inner.end - 1
        while at < end:
            stop = at
            while stop < end and script.text(stop) != ",":
                stop = script.partner.get(stop, stop) + 1
            value = self._string(TokenSpan(at, stop))
            if value is None or len(values) >= PATTERNS_MAX:
                return None
            values.append(value)
            at = stop + 1
        return tuple(values)

    def _string(self, span: TokenSpan) -> str | None:
        """Return a string literal, or several of them joined by `+`."""
        span = without_type(self._script, span) or unwrapped(self._script, span)
        pieces = self._script.tokens[span.start : span.end]
        values = [piece.value for piece in pieces[::2]]
        joined = all(piece.text == "+" for piece in pieces[1::2])
        if len(pieces) % 2 == 0 or not joined:
            return None
        known = [value for value in values if value is not None]
        return "".join(known) if len(known) == len(values) else None

    def _all_accounted_for(self, pattern: Patterns, config: list[Entry], suite: list[Entry]) -> bool:
        """Return whether no other mention of `specPattern` may set another value.

        Such a mention is an assignment, a getter or a second config.
        """
        script = self._script
        passed = [entry.value for entry in (*config, *suite) if entry.key in _NOT_THESE_RUNS]
        # An earlier `e2e` or `specPattern` of the same object is overridden by the last one.
        passed += [entry.value for entry in config if entry.key == "e2e"][:-1]
        keys = {entry.at for entry in suite if entry.key == _KEY and entry.kind == "value"}
        keys |= {entry.at for entry in config if entry.key == _KEY and entry.kind == "value" and keys}
        for at, token in enumerate(script.tokens):
            if token.kind == "template" and token.value is None and _KEY in token.text:
                return False
            name = token.text if token.kind == "name" else token.value
            if name != _KEY or at in keys or any(span.start <= at < span.end for span in passed):
                continue
            if not self._is_same(at, pattern):
                return False
        return True

    def _is_same(self, at: int, pattern: Patterns) -> bool:
        script = self._script
        if script.text(at + 1) != ":" or script.text(at - 1) not in ("{", ","):
            return False
        stop = at + 2
        while script.text(stop) not in (",", "}", ""):
            stop = script.partner.get(stop, stop) + 1
        return self._patterns(TokenSpan(at + 2, stop)) == pattern


def _last(entries: Iterable[Entry], key: str) -> Entry | None:
    """Return the entry that determines a key; None without one, or if a later entry may override it."""
    found: Entry | None = None
    for entry in entries:
        if entry.key == key or entry.kind == "unknown":
            found = entry if entry.kind != "unknown" else None
    return found
