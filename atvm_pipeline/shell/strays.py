"""Cypress processes of this host, whoever started them: each with its ancestors and the build that their command lines name.

Command lines may hold secrets; only names and a build name leave this module.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from atvm_pipeline.core.naming import valid_build_name

from .processes import Row, command_line, table

PROGRAM = re.compile(r"[Cc]ypress(?:-cloud)?")
"""The binary, and the command line tools."""
WORDS_LOOKED_AT = 2
"""A program, or an interpreter and its script."""


class Stray(NamedTuple):
    """The topmost Cypress process of a tree."""

    pid: int
    name: str
    build_name: str | None
    """As `--build_name` of a process above it says."""
    ancestors: tuple[int, ...]
    """Its own pid and those above it."""


def find_cypress() -> list[Stray]:
    """Every topmost Cypress process, the oldest first."""
    rows = table()
    found = {pid for pid, row in rows.items() if row.lives and _is_cypress(row)}
    strays = []
    for pid in sorted(found, key=lambda one: (rows[one].create_time, one)):
        above = _ancestors(rows, pid)
        if not found & set(above[1:]):
            strays.append(Stray(pid, rows[pid].name, _build_name(above), above))
    return strays


def _is_cypress(row: Row) -> bool:
    words = [word.rsplit("/", 1)[-1] for word in command_line(row.pid)[:WORDS_LOOKED_AT]]
    return any(PROGRAM.fullmatch(word) for word in (row.name, *words))


def _ancestors(rows: dict[int, Row], pid: int) -> tuple[int, ...]:
    above: list[int] = []
    while pid in rows and pid not in above:
        above.append(pid)
        pid = rows[pid].parent
    return tuple(above)


def _build_name(pids: tuple[int, ...]) -> str | None:
    for pid in pids:
        words = command_line(pid)
        # No word at all: it has ended since, or is the kernel's own.
        for word, following in pairwise([*words, ""]):
            option, equals, value = word.partition("=")
            name = value if equals else following
            if option in ("--build_name", "--build-name") and valid_build_name(name):
                return name
    return None
