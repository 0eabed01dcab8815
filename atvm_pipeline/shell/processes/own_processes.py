"""Processes of this program, found by their command lines: wrappers of runners, and watchers.

They are found here even if their state directory was removed, with their locks and records. Light to import, because
`status` uses it: only names, ids and paths leave this module, since command lines and environments may contain secrets.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from posixpath import basename
from typing import Literal, NamedTuple

from atvm_pipeline.core.build_name import valid_build_name

PROC_FILE_BYTES_MAX = 256 * 1024
OWN_WORDS_MAX = 8
"""Words of a command line before the command: interpreter, its options, `-m atvm_pipeline`."""
ROOT_OPTION = "--state-root"

OwnCommand = Literal["runner", "watch"]


class OwnProcess(NamedTuple):
    """A process that runs `atvm-pipeline runner BUILD` or `atvm-pipeline watch BUILD`."""

    pid: int
    build_name: str
    unit: str | None
    """The systemd service that it belongs to; None without one."""


def find_own_processes(
    command: OwnCommand, state_root: Path, root_of: Callable[[Mapping[str, str]], Path]
) -> list[OwnProcess]:
    """Return the living processes of a command that use this state root, the lowest pid first.

    `root_of` returns the state root for the environment of a process; it may raise an Exception, for a process that
    cannot be attributed. Never raises.
    """
    found = []
    for pid in _pids():
        words = _command_line(pid)
        build_name = _build_of(words, command)
        if build_name is None or pid == os.getpid():
            continue
        with contextlib.suppress(Exception):  # an environment that cannot be read, or is malformed
            named = _option(words, ROOT_OPTION)
            root = Path(named) if named is not None else root_of(_environment(pid))
            if os.path.realpath(root) == os.path.realpath(state_root):
                found.append(OwnProcess(pid, build_name, _unit(pid)))
    return found


def _build_of(words: Sequence[str], command: OwnCommand) -> str | None:
    """Return the build name of a command line of this program, None for another command or program."""
    for at, word in enumerate(words[:OWN_WORDS_MAX]):
        is_module = word == "atvm_pipeline" and at > 0 and words[at - 1] == "-m"
        if not is_module and basename(word) != "atvm-pipeline":
            continue
        rest = list(words[at + 1 :])
        if rest[:1] != [command] or "--stopped" in rest:
            return None
        named = [
            after for before, after in pairwise(rest) if not after.startswith("-") and before != ROOT_OPTION
        ]
        return named[0] if named and valid_build_name(named[0]) else None
    return None


def _option(words: Sequence[str], name: str) -> str | None:
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == name:
            return value if equals else next(iter(words[at + 1 : at + 2]), None)
    return None


def _pids() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - only names
    except OSError:
        return []


def _command_line(pid: int) -> list[str]:
    return _read(pid, "cmdline").removesuffix("\0").split("\0")


def _environment(pid: int) -> dict[str, str]:
    """Return the environment with which a process was started. Raises OSError for a process of another user."""
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - no Path for a hundred processes
        pairs = os.fsdecode(file.read(PROC_FILE_BYTES_MAX)).split("\0")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name}


def _unit(pid: int) -> str | None:
    """Return the service of a process, from its control group: the last part of the path that is a service."""
    for line in _read(pid, "cgroup").splitlines():
        parts = [part for part in line.split("/") if part.endswith(".service")]
        if parts and parts[-1].startswith("atvm-"):
            return parts[-1]
    return None


def _read(pid: int, name: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123 - see above
        return os.fsdecode(file.read(PROC_FILE_BYTES_MAX))
    return ""
