"""Release of a run: a restarted watcher or runner re-executes the release that started the run.

A checkout is not a release, because its files may change at any time.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from atvm_pipeline.shell.state_dir.records import Paths, Record, read_record

PROJECT = Path(__file__).resolve().parents[3]
"""The directory of the running program, links resolved: `current` may point to another one tomorrow."""
RECORD = "release.json"
"""Written last by the installer, so a directory that has it is a complete release."""
FOLLOWED = "atvm-release"
"""`-X atvm-release`: the release was chosen and is not chosen again. Unlike a variable, it is not inherited by
children."""


class _ReleaseRecord(Record, frozen=True, kw_only=True):
    """The only field of the request that every release must be able to read."""

    release: str | None = None


def own() -> str | None:
    """Return the release that is running, None in a checkout."""
    return str(PROJECT) if (PROJECT / RECORD).is_file() else None


def follow_release(paths: Paths, arguments: Sequence[str]) -> None:
    """Re-execute the release that started the run, with `arguments`, if it is another one and still installed.

    Returns otherwise. It must be called before anything is locked or started. Raises Unreadable.
    """
    request = read_record(paths.request, _ReleaseRecord)
    if request is None or request.release is None or FOLLOWED in sys._xoptions:  # noqa: SLF001 - documented as CPython's way to see -X
        return
    release = Path(request.release)
    python = release / ".venv" / "bin" / "python"
    if release == PROJECT or not (release / RECORD).is_file() or not os.access(python, os.X_OK):
        return
    argv = [str(python), "-P", "-X", FOLLOWED, "-m", "atvm_pipeline", *arguments]
    os.execv(argv[0], argv)  # noqa: S606 - the release was installed by this program; the arguments do not pass a shell
