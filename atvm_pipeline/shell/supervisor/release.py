"""Which installed release a run belongs to: who is started again for it goes on with the release that it began with.

A checkout is no release: it promises nothing about tomorrow.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from atvm_pipeline.shell.state_dir.records import Paths, Record, read_record

PROJECT = Path(__file__).resolve().parents[3]
"""The folder that we run from, links resolved: `current` may name another one tomorrow."""
RECORD = "release.json"
"""Written last by the installer: what bears it is a whole release."""
FOLLOWED = "atvm-release"
"""`-X atvm-release`: the release was chosen, and is not chosen again.  Unlike a variable, it reaches no child."""


class _Began(Record, frozen=True, kw_only=True):
    """The one field of the request that any release must be able to read."""

    release: str | None = None


def own() -> str | None:
    """The release that we run from, None in a checkout."""
    return str(PROJECT) if (PROJECT / RECORD).is_file() else None


def follow_release(paths: Paths, arguments: Sequence[str]) -> None:
    """Become the release with which the run began, called with `arguments`, if that is another one and still there.

    Returns if not.  To be called before anything is held or begun.  Raises Unreadable.
    """
    request = read_record(paths.request, _Began)
    if request is None or request.release is None or FOLLOWED in sys._xoptions:  # noqa: SLF001 - documented as CPython's way to see -X
        return
    release = Path(request.release)
    python = release / ".venv" / "bin" / "python"
    if release == PROJECT or not (release / RECORD).is_file() or not os.access(python, os.X_OK):
        return
    argv = [str(python), "-P", "-X", FOLLOWED, "-m", "atvm_pipeline", *arguments]
    os.execv(argv[0], argv)  # noqa: S606 - the release is our own, as the runner command beside it is the user's
