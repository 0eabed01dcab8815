"""Other programs, as the installer starts them: quietly, with a limit of time.  The only importer of subprocess here."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PIP_LIMIT_S = 1800.0
SYSTEMD = Path("/run/systemd/system")
"""sd_booted(3): this folder is there where systemd is PID 1."""


class PipAnswer(NamedTuple):
    """What a program said."""

    code: int
    """-1 if it could not be run or did not end."""
    output: str
    error: str

    @property
    def why(self) -> str:
        """The line that says most about a failure."""
        lines = [line.strip() for line in (self.error + "\n" + self.output).splitlines() if line.strip()]
        said = [line for line in lines if "error" in line.lower()]
        text = (said or lines or [f"exit code {self.code}"])[-1]
        return "".join(character if character.isprintable() else "?" for character in text)[:300]


def run(
    argv: Sequence[str | Path], environment: Mapping[str, str] | None = None, *, limit_s: float = 60.0
) -> PipAnswer:
    """Run a program to its end.  Never raises: what could not be run is an answer with code -1."""
    # A setting of the caller's own Python must not steer another one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            env={**kept, **(environment or {})},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        return PipAnswer(-1, "", f"{argv[0]}: {getattr(error, 'strerror', None) or type(error).__name__}")
    return PipAnswer(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


def systemctl(*words: str) -> PipAnswer:
    """Ask systemd for something."""
    return run(["systemctl", "--no-ask-password", "--no-pager", *words])
