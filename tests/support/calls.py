"""Runs a program until it exits."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.waiting import DEADLINE_S


def completed(
    words: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program without input; return its exit code and its output as text."""
    return subprocess.run(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
