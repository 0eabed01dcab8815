"""What a process of the runner's tree is, by its command line.  Looks at nothing itself.

A command line may hold secrets: it is judged here and goes no further.
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
"""Programs that only carry another one: what they start is still the runner's command."""
INTERPRETER = re.compile(r"(?:python|pypy|node|nodejs|perl|ruby|java|electron|bash|sh|dash)[\d.]*")
WRAPPER = re.compile(r"atvm[-_]pipeline|(?:start|run|cancel)-atvm-[a-z-]+\.sh")
WRAPPER_WORDS_MAX = 4
"""`python3 -P -m atvm_pipeline`: the wrapper around the runner's command shows in its first words."""
OWN_PROGRAM = re.compile(
    r"""(?:^|[\s/;&|"'(])(?:atvm-pipeline|(?:start|run|cancel)-atvm-[a-z-]+\.sh)(?=$|[\s;&|"')])"""
)
"""Our own programs, as a word or within the text that a shell is given; a folder of such a name is none."""


def is_own_program(command: Sequence[str]) -> bool:
    """Whether one of our own programs stands anywhere in a command line: itself, or what a wrapper such as `timeout` starts."""
    return any(OWN_PROGRAM.search(word) for word in command) or ("-m", "atvm_pipeline") in pairwise(command)


def is_wrapper_command(name: str, command: Sequence[str]) -> bool:
    """Whether what this process starts is still the runner's command."""
    program = basename(command[0]) if command else name
    wraps = any(WRAPPER.search(word) for word in command[:WRAPPER_WORDS_MAX])
    return program.lstrip("-") in WRAPPER_COMMANDS or name in WRAPPER_COMMANDS or wraps


def names_build(command: Sequence[str], build_name: str) -> bool:
    """Whether this is a runner's command line for that build, as the seed's `--build_name NAME` shows it."""
    for word, following in zip(command, (*command[1:], ""), strict=False):
        option, equals, value = word.partition("=")
        if option in ("--build_name", "--build-name") and (value if equals else following) == build_name:
            return True
    return False


class ProcessClassifier:
    """The dialect's patterns, compiled."""

    def __init__(self, dialect: Dialect) -> None:
        """The dialect's patterns were checked when it was read."""
        self._cypress = re.compile(dialect.cypress_process)
        self._browser = re.compile(dialect.browser_process)

    def of(self, name: str, command: Sequence[str]) -> Role:
        """What a process below the runner's command is.

        The program's own name says more than its arguments: Chrome is started with folders of Cypress, and the
        Cypress command line names the browser.
        """
        if "--type=renderer" in command:
            # Chromium's own word; for Electron, whose processes all bear Cypress's name, the only sign.
            return "browser"
        program = " ".join((name, *_program(command)))[:PATTERN_INPUT_MAX]
        whole = " ".join(command)[:PATTERN_INPUT_MAX]
        for text, first, second in (
            (program, self._browser, self._cypress),
            (whole, self._cypress, self._browser),
        ):
            for pattern in (first, second):
                if pattern.search(text):
                    return "cypress" if pattern is self._cypress else "browser"
        return "other"


def _program(command: Sequence[str]) -> list[str]:
    """Base names of the program and, for an interpreter, of the script that it runs."""
    if not command:
        return []
    # Chromium joins its arguments with spaces where it rewrites its own command line.
    words = [basename(command[0].split(" ", 1)[0])]
    if INTERPRETER.fullmatch(words[0]):
        words.extend(basename(word) for word in command[1:8] if not word.startswith("-"))
        del words[2:]
    return words
