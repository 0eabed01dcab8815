"""What a check gets and what it gives."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from atvm_pipeline.install.layout import Places


class DoctorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    check: str
    ok: bool
    text: str
    why: str = ""
    """Why it matters, if it is not in order."""
    mend: str = ""
    """The command that mends it, or what to do."""


class Where(NamedTuple):
    """What a check looks at."""

    environ: Mapping[str, str]
    state_root: Path
    places: Places
    """Where an installation lies."""


def good(check: str, text: str) -> list[DoctorFinding]:
    """In order, or nothing to say against it."""
    return [DoctorFinding(check=check, ok=True, text=text)]


def bad(check: str, text: str, why: str, mend: str) -> list[DoctorFinding]:
    """Not in order."""
    return [DoctorFinding(check=check, ok=False, text=text, why=why, mend=mend)]
