"""The argument and the result of a check."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from atvm_pipeline.install.layout import Places


class DoctorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check."""

    check: str
    ok: bool
    text: str
    why: str = ""
    """Why the problem matters."""
    fix: str = ""
    """The command that fixes the problem, or an instruction."""


class Where(NamedTuple):
    """The environment and the directories that the checks examine."""

    environ: Mapping[str, str]
    state_root: Path
    places: Places
    """The paths of an installation."""


def good(check: str, text: str) -> list[DoctorFinding]:
    """Return a finding without a problem."""
    return [DoctorFinding(check=check, ok=True, text=text)]


def bad(check: str, text: str, why: str, fix: str) -> list[DoctorFinding]:
    """Return a finding with a problem."""
    return [DoctorFinding(check=check, ok=False, text=text, why=why, fix=fix)]
