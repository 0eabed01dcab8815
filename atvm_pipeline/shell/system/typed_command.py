"""Commands of this program as the operator can type them: a bare name if it is on the PATH, else its full path."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
"""The directory of the running program, links resolved."""
PROGRAM = "atvm-pipeline"


def typed_command(
    program: str, *words: str, environ: Mapping[str, str] | None = None, project: Path | None = None
) -> str:
    """Return a call of a program of this project, such as `atvm-pipeline` or `start-atvm-run.sh`, for a shell.

    Another program of the same name on the PATH does not count. `environ`: by default that of this process.
    """
    name = _typed_name(program, os.environ if environ is None else environ, project or PROJECT)
    return shlex.join([name, *words])


def _typed_name(program: str, environ: Mapping[str, str], project: Path) -> str:
    own = project / "bin" / program
    found = _first_on_path(program, environ.get("PATH", ""))
    if found is not None and _is_same(found, own):
        return program
    # An installed release is called through a path that stays valid after the next upgrade.
    stable = project.parent.parent / "bin" / program
    return str(stable if _is_same(stable, own) else own)


def _first_on_path(program: str, path: str) -> Path | None:
    """Return the file that a shell would execute; unlike shutil.which, this costs no import of archive formats."""
    for folder in path.split(os.pathsep):
        candidate = Path(folder or ".") / program
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate
    return None


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
