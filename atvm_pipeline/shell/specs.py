"""Which spec files a config's patterns match, as Cypress would find them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from atvm_pipeline.core.globs import match_specs

FILES_MAX = 200_000
"""Files looked at; a tree with more says nothing certain."""
SKIPPED = frozenset({"node_modules", ".git", ".venv"})


def find_specs(folder: Path, patterns: Sequence[str]) -> tuple[str, ...] | None:
    """Paths relative to `folder` that match one of `patterns`, sorted; None if that cannot be known."""
    files = []
    for count, path in enumerate(_files(folder)):
        if count >= FILES_MAX:
            return None
        files.append(path)
    return match_specs(tuple(pattern.removeprefix("./") for pattern in patterns), sorted(files))


def _files(folder: Path) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED]
        base = Path(here).relative_to(folder).as_posix()
        for name in files:
            yield name if base == "." else f"{base}/{name}"
