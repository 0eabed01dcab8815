"""Spec files that the patterns of a config match, as Cypress would find them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from atvm_pipeline.core.preflight.globs import match_specs

SPEC_FILES_MAX = 200_000
"""Limit for files and directories; in a larger tree the result would be uncertain."""
SKIPPED = frozenset({"node_modules", ".git", ".venv"})


def find_specs(folder: Path, patterns: Sequence[str]) -> tuple[str, ...] | None:
    """Return the paths relative to `folder` that match one of `patterns`, sorted; None if they cannot be determined."""
    files: list[str] = []
    try:
        for count, path in enumerate(_files(folder)):
            if count >= SPEC_FILES_MAX:
                return None
            if path is not None:
                files.append(path)
    except OSError:  # a directory that cannot be read may contain the specs
        return None
    return match_specs(tuple(pattern.removeprefix("./") for pattern in patterns), sorted(files))


def _files(folder: Path) -> Iterator[str | None]:
    """Yield every file below `folder`, and None for each directory. Links are followed, as in Cypress's globs.

    A link to a directory above it is not entered. Raises OSError for a directory that cannot be listed.
    """
    around = {folder: {os.path.realpath(folder)}}
    for name_of_here, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        here = Path(name_of_here)
        above = around.pop(here)
        real = {name: os.path.realpath(here / name) for name in folders if name not in SKIPPED}
        folders[:] = [name for name, target in real.items() if target not in above]
        around |= {here / name: {*above, real[name]} for name in folders}
        yield None
        base = here.relative_to(folder).as_posix()
        for name in files:
            yield name if base == "." else f"{base}/{name}"


def _raise(error: OSError) -> None:
    raise error
