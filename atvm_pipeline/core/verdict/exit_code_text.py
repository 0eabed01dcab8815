"""Exit codes and signals of a runner in words: how a shell and Cypress use them (docs/commands.md)."""

from collections.abc import Mapping

SHELL_SIGNAL_BASE = 128
"""A shell reports a command that signal N ended as exit code 128 + N (bash(1), EXIT STATUS)."""

CODE_WORDS: Mapping[int, str] = {
    112: "with --posix-exit-codes: Cypress could not get the next spec from the recording server",
    126: "the command is not executable, or permission was denied",
    127: "command not found",
}
"""126 and 127 are the shell's (bash(1)); 112 is Cypress's since 15.5.0, for a recorded run."""

SIGNAL_NUMBERS: Mapping[str, int] = {
    "SIGHUP": 1,
    "SIGINT": 2,
    "SIGQUIT": 3,
    "SIGILL": 4,
    "SIGTRAP": 5,
    "SIGABRT": 6,
    "SIGBUS": 7,
    "SIGFPE": 8,
    "SIGKILL": 9,
    "SIGSEGV": 11,
    "SIGPIPE": 13,
    "SIGTERM": 15,
    "SIGXCPU": 24,
    "SIGXFSZ": 25,
    "SIGSYS": 31,
}
"""Signals that end a program, with the numbers of Linux on x86 and ARM (signal(7))."""

CRASHES = frozenset({"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"})
"""Signals that a program nearly always causes itself."""

FROM_OUTSIDE = frozenset({"SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"})
"""Signals with which a user, a session or a service manager ends a program."""

SIGNAL_NAMES: Mapping[int, str] = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    6: "SIGABRT",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    15: "SIGTERM",
}
"""Signals whose exit code, as a shell reports it, shows that the runner was ended before everything had run."""

_SIGNAL_WORDS: Mapping[str, str] = {
    "SIGHUP": "its terminal or connection was closed",
    "SIGINT": "interrupted, as by Ctrl-C",
    "SIGKILL": "killed by the kernel because memory ran out, or by a user or a program",
    "SIGPIPE": "the reader of its output went away",
    "SIGTERM": "asked to stop",
    "SIGXCPU": "its CPU time limit was reached",
    "SIGXFSZ": "its file size limit was reached",
}
_NAMES = {number: name for name, number in SIGNAL_NUMBERS.items()}


def signal_of_exit_code(code: int) -> str | None:
    """Return the name of the signal that a shell reports as this exit code; None if the code stands for no signal."""
    return _NAMES.get(code - SHELL_SIGNAL_BASE)


def signal_text(name: str) -> str:
    """Return a signal with its usual meaning: `SIGSEGV (the program crashed)`."""
    words = _signal_words(name)
    return f"{name} ({words})" if words else name


def _signal_words(name: str) -> str | None:
    return "the program crashed" if name in CRASHES else _SIGNAL_WORDS.get(name)


def exit_code_text(code: int) -> str:
    """Return an exit code with its usual meaning: `exit code 127 (command not found)`.

    Cypress exits with the number of failing tests, so the meaning is only right if no test failed.
    """
    return f"exit code {code_text(code)}"


def code_text(code: object) -> str:
    """Return an exit code with its meaning but without the noun, for a sentence that has it; return other values as text."""
    words = _words_of(code) if isinstance(code, int) else None
    return str(code) if words is None else f"{code} ({words})"


def has_words(code: int | None) -> bool:
    """Return whether the exit code has a meaning of its own."""
    return code is not None and _words_of(code) is not None


def _words_of(code: int) -> str | None:
    name = signal_of_exit_code(code)
    if code in CODE_WORDS or name is None:
        return CODE_WORDS.get(code)
    return f"{name}: {_signal_words(name)}" if _signal_words(name) else name


def signal_advice(signal: str) -> str:
    """Return the advice about a Cypress process that a signal ended, as the end of a sentence."""
    if signal == "SIGKILL":
        return "look in the kernel log for an out-of-memory kill, or find the program that killed it"
    if signal in CRASHES:
        return "Cypress itself crashed; start again, and if it recurs, try another Cypress or browser version"
    if signal in FROM_OUTSIDE:
        return "find the program or user outside of Cypress that sent it"
    return "start again"
