"""Roles of the processes in a runner's tree, derived from their command lines. Reads nothing itself.

A command line may contain secrets: it is classified here and not passed on.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from posixpath import basename
from typing import Literal

from atvm_pipeline.core.dialect import PATTERN_INPUT_MAX, Dialect

Role = Literal["runner", "cypress", "browser", "other"]

WRAPPER_COMMANDS = frozenset(
    {
        *(
            "sh",
            "bash",
            "dash",
            "ash",
            "zsh",
            "ksh",
            "busybox",
            "env",
            "nice",
            "ionice",
            "nohup",
            "setsid",
            "timeout",
        ),
        *(
            "time",
            "stdbuf",
            "unbuffer",
            "script",
            "sudo",
            "su",
            "runuser",
            "xvfb-run",
            "dbus-run-session",
            "taskset",
        ),
    }
)
"""Programs that only start another one, which is still the runner's command."""
INTERPRETER = re.compile(r"(?:python|pypy|node|nodejs|perl|ruby|java|electron|bash|sh|dash)[\d.]*")
WRAPPER = re.compile(r"atvm[-_]pipeline|(?:start|run|cancel)-atvm-[a-z-]+\.sh")
WRAPPER_WORDS_MAX = 4
"""`python3 -P -m atvm_pipeline`: the wrapper of the runner's command is recognised by its first words."""
OWN_PROGRAM = re.compile(
    r"""(?:^|[\s/;&|"'(])(?:atvm-pipeline|(?:start|run|cancel)-atvm-[a-z-]+\.sh)(?=$|[\s;&|"')])"""
)
"""The programs of this project, as a word or within the text passed to a shell; a directory of such a name does not
match."""


def is_own_program(command: Sequence[str]) -> bool:
    """Return whether a command line contains a program of this project.

    It may be the program itself, or be started by a wrapper such as `timeout`.
    """
    return any(OWN_PROGRAM.search(word) for word in command) or ("-m", "atvm_pipeline") in pairwise(command)


def is_wrapper_command(name: str, command: Sequence[str]) -> bool:
    """Return whether the child of this process is still the runner's command."""
    program = basename(command[0]) if command else name
    wraps = any(WRAPPER.search(word) for word in command[:WRAPPER_WORDS_MAX])
    return program.lstrip("-") in WRAPPER_COMMANDS or name in WRAPPER_COMMANDS or wraps


def names_build(command: Sequence[str], build_name: str) -> bool:
    """Return whether this is the command line of a runner of that build, with `--build_name NAME` as in the seed."""
    for word, following in zip(command, (*command[1:], ""), strict=False):
        option, equals, value = word.partition("=")
        if option in ("--build_name", "--build-name") and (value if equals else following) == build_name:
            return True
    return False


class ProcessClassifier:
    """The compiled patterns of a dialect."""

    def __init__(self, dialect: Dialect) -> None:
        """Compile the patterns, which were checked when the dialect was read."""
        self._cypress = re.compile(dialect.cypress_process)
        self._browser = re.compile(dialect.browser_process)

    def classify(self, name: str, command: Sequence[str]) -> Role:
        """Return the role of a process below the runner's command.

        The program's own name is more reliable than its arguments: Chrome is started with directories of Cypress, and
        the Cypress command line names the browser.
        """
        if "--type=renderer" in command:
            # Chromium's own option. For Electron, whose processes all have the name of Cypress, it is the only sign.
            return "browser"
        program = " ".join((name, *_program(command)))[:PATTERN_INPUT_MAX]
        line = " ".join(command)[:PATTERN_INPUT_MAX]
        for text, first, second in (
            (program, self._browser, self._cypress),
            (line, self._cypress, self._browser),
        ):
            for pattern in (first, second):
                if pattern.search(text):
                    return "cypress" if pattern is self._cypress else "browser"
        return "other"


def _program(command: Sequence[str]) -> list[str]:
    """Return the base names of the program and, for an interpreter, of its script."""
    if not command:
        return []
    # Chromium joins its arguments with spaces when it rewrites its own command line.
    words = [basename(command[0].split(" ", 1)[0])]
    if INTERPRETER.fullmatch(words[0]):
        words.extend(basename(word) for word in command[1:8] if not word.startswith("-"))
        del words[2:]
    return words
