"""`setupNodeEvents` of a Cypress config: whether it certainly leaves the config as it is.

Cypress passes the resolved config to it and takes back what it changes or returns.  Certain is only a function that is
written in place, uses its second parameter for nothing but reading its properties, and returns that or nothing.
"""

from .js_objects import Entry
from .js_tokens import Script

_CONTROL = frozenset({"if", "while", "for", "with", "switch", "catch", "await"})
_NOTHING = frozenset({";", "}", "null", "undefined"})


def leaves_config(script: Script, entry: Entry) -> bool:
    """Whether the function of this entry neither changes the config nor returns another one."""
    at = entry.value.start
    words = ("async", "function")
    while entry.kind == "value" and script.text(at) in words:
        at += 1
    if entry.kind not in ("value", "method") or script.text(at) != "(":
        return False
    body = script.partner[at] + 1
    if entry.kind == "value" and at == entry.value.start + (script.text(entry.value.start) == "async"):
        if script.text(body) != "=" or script.text(body + 1) != ">":
            return False
        body += 2
    if script.text(body) != "{" or script.partner[body] + 1 != entry.value.end:
        return False
    names = _parameters(script, at)
    return names is not None and _Body(script, body, names[1] if len(names) > 1 else "").is_harmless()


def _parameters(script: Script, opened: int) -> list[str] | None:
    """Return the names of the parameters, which may have a type; None for defaults, patterns and rests."""
    names = []
    at, end = opened + 1, script.partner[opened]
    while at < end:
        if script.tokens[at].kind != "name":
            return None
        names.append(script.text(at))
        at += 1
        while at < end and script.text(at) != ",":
            if script.text(at) not in (":", ".", "?") and script.tokens[at].kind != "name":
                return None
            at += 1
        at += 1
    return names


class _Body:
    """The body of the function, with the name of its parameter for the config ("": it has none)."""

    def __init__(self, script: Script, opened: int, config: str) -> None:
        self._script = script
        self._opened = opened
        self._config = config

    def is_harmless(self) -> bool:
        """Whether nothing in it may change or replace the config."""
        script = self._script
        inner: list[int] = []
        for at in range(self._opened + 1, script.partner[self._opened]):
            token = script.tokens[at]
            if script.text(at) == "{" and self._is_function(at):
                inner.append(script.partner[at])
            elif inner and at == inner[-1]:
                inner.pop()
            if (
                token.kind == "template"
                and token.value is None
                and self._config
                and self._config in token.text
            ):
                return False
            if token.kind != "name":
                continue
            if token.text in ("arguments", "eval"):
                return False
            if token.text == self._config and not self._only_reads(at):
                return False
            if token.text == "return" and not inner and not self._returns_config(at):
                return False
        return True

    def _is_function(self, opened: int) -> bool:
        """Whether a brace opens the body of a function inside this one: what that returns is not for Cypress."""
        script = self._script
        if script.text(opened - 1) == ">" and script.text(opened - 2) == "=":
            return True
        if script.text(opened - 1) != ")":
            return False
        return script.text(script.partner[opened - 1] - 1) not in _CONTROL

    def _returns_config(self, at: int) -> bool:
        script = self._script
        if script.text(at + 1) == self._config:
            return script.text(at + 2) in (";", "}")
        return script.text(at + 1) in _NOTHING

    def _only_reads(self, at: int) -> bool:
        """Whether the config is returned here, or a property of it read; a property of another object is not it."""
        script = self._script
        if script.text(at - 1) == ".":
            return True
        if script.text(at - 1) == "return":
            return script.text(at + 1) in (";", "}")
        return script.text(at + 1) == "." or (script.text(at + 1) == "?" and script.text(at + 2) == ".")
