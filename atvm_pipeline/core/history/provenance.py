"""Provenance: the versions of everything that took part in a run, bounded and without secrets."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.text import one_line, printable

CONFIG_LINES_MAX = 2_000
PROVENANCE_ENTRIES_MAX = 100
"""Lock files, versions, kernels, commands and problems: entries of each."""
PROVENANCE_TEXT_CHARS_MAX = 300
"""Length of a line of the config, of a name and of a value."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The versions of everything that took part in the run, as the start found them."""

    git_commit: str | None = None
    git_branch: str | None = None
    git_dirty: bool | None = None
    """Whether a tracked file of the working directory was changed."""
    config_sha256: str | None = None
    """Of the config file after the template."""
    lock_files: dict[str, str] = {}
    """Lock file -> its sha256."""
    versions: dict[str, str] = {}
    """Program -> version."""
    kernels: dict[str, str | None] = {}
    """Requested host -> kernel."""
    commands: dict[str, str] = {}
    """`template`, `runner` -> the command without the values of its options."""
    problems: tuple[str, ...] = ()
    """Sentences about versions that could not be determined."""


def fitted_provenance(provenance: Provenance) -> Provenance:
    """Return the provenance within the limits; texts are cut, and further entries left out."""
    text = partial(one_line, max_chars=PROVENANCE_TEXT_CHARS_MAX)

    def texts(values: Mapping[str, str | None]) -> dict[str, Any]:
        kept = sorted(values.items())[:PROVENANCE_ENTRIES_MAX]
        return {text(name): value and text(value) for name, value in kept}

    return replace(
        provenance,
        lock_files=texts(provenance.lock_files),
        versions=texts(provenance.versions),
        kernels=texts(provenance.kernels),
        commands=texts(provenance.commands),
        problems=tuple(map(text, provenance.problems[:PROVENANCE_ENTRIES_MAX])),
    )


def fitted_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a config within the limits; their indentation is kept."""
    return tuple(printable(line.rstrip())[:PROVENANCE_TEXT_CHARS_MAX] for line in lines[:CONFIG_LINES_MAX])
