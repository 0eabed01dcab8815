"""Exit codes and signals of a runner in words: how a shell and Cypress use them (docs/watcher-service.md)."""

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
"""Signals that a program gets for its own fault, nearly always."""

_SIGNAL_WORDS: Mapping[str, str] = {
    "SIGHUP": "its terminal or connection was closed",
    "SIGINT": "interrupted, as by Ctrl-C",
    "SIGKILL": "killed, by the kernel if memory ran out, or by a person or a program",
    "SIGPIPE": "the reader of its output went away",
    "SIGTERM": "asked to stop",
    "SIGXCPU": "its limit of CPU time was reached",
    "SIGXFSZ": "its limit of file size was reached",
}
_NAMES = {number: name for name, number in SIGNAL_NUMBERS.items()}


def signal_of_exit_code(code: int) -> str | None:
    """Return the name of the signal that a shell reports as this exit code; None if it reports none by it."""
    return _NAMES.get(code - SHELL_SIGNAL_BASE)


def signal_text(name: str) -> str:
    """Return a signal with what it says about the end: `SIGSEGV (the program crashed)`."""
    words = "the program crashed" if name in CRASHES else _SIGNAL_WORDS.get(name)
    return f"{name} ({words})" if words else name


def exit_code_text(code: int) -> str:
    """Return an exit code with what it usually means: `exit code 127 (command not found)`.

    A count of failing tests is an exit code too: the words are right only where no test failed.
    """
    name = signal_of_exit_code(code)
    words = CODE_WORDS.get(code) or (f"a shell reports {signal_text(name)} by it" if name else None)
    return f"exit code {code} ({words})" if words else f"exit code {code}"
