"""`setupNodeEvents` of a Cypress config: whether it certainly leaves the config unchanged.

Cypress passes the resolved config to it, and applies its changes and its return value. Only one form is certain: a
function that is written in place, only reads properties of its second parameter, and returns that parameter or nothing.
"""

from .js_objects import Entry
from .js_tokens import Script

_CONTROL = frozenset({"if", "while", "for", "with", "switch", "catch", "await"})
_NOTHING = frozenset({";", "}", "null", "undefined"})


def leaves_config(script: Script, entry: Entry) -> bool:
    """Return whether the function of this entry neither changes the config nor returns another one."""
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
    return names is not None and _Body(script, body, names[1] if len(names) > 1 else "").leaves_config()


def _parameters(script: Script, opened: int) -> list[str] | None:
    """Return the names of the parameters, which may have a type; None for defaults, patterns and rest parameters."""
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
    """The body of the function, with the name of its parameter for the config ("" without one)."""

    def __init__(self, script: Script, opened: int, config: str) -> None:
        self._script = script
        self._opened = opened
        self._config = config

    def leaves_config(self) -> bool:
        """Return whether nothing in the body may change or replace the config."""
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
        """Return whether a brace opens the body of a nested function, whose return value Cypress does not receive."""
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
        """Return whether the config is only returned here, or one of its properties is read.

        A property of another object that has the same name is unrelated.
        """
        script = self._script
        if script.text(at - 1) == ".":
            return True
        if script.text(at - 1) == "return":
            return script.text(at + 1) in (";", "}")
        return script.text(at + 1) == "." or (script.text(at + 1) == "?" and script.text(at + 2) == ".")
