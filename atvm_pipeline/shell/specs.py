"""Which spec files a config's patterns match, as Cypress would find them."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from atvm_pipeline.core.preflight import glob_regex

FILES_MAX = 200_000
"""Files looked at; a tree with more says nothing certain."""
SKIPPED = frozenset({"node_modules", ".git", ".venv"})


def find_specs(folder: Path, patterns: Sequence[str]) -> tuple[str, ...] | None:
    """Paths relative to `folder` that match one of `patterns`, sorted; None if the tree is too large to know."""
    matches = [re.compile(glob_regex(pattern.removeprefix("./"))).fullmatch for pattern in patterns]
    found = []
    for count, path in enumerate(_files(folder)):
        if count >= FILES_MAX:
            return None
        if any(match(path) for match in matches):
            found.append(path)
    return tuple(sorted(found))


def _files(folder: Path) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED]
        base = Path(here).relative_to(folder).as_posix()
        for name in files:
            yield name if base == "." else f"{base}/{name}"
