"""The stand-in automation root, without the program of this project: a copy, its environment, and played scenarios."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.calls import completed
from tests.support.controller import CONFIG, ROOT
from tests.support.project import BUILD
from tests.support.waiting import DEADLINE_S


@dataclass(frozen=True)
class Ended:
    """The results of a finished run."""

    root: Path
    code: int
    output: str


def copy_of_root(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("cmcReporter", "__pycache__")
    return Path(shutil.copytree(ROOT, folder / "automation-root", ignore=ignored))


def environment(scenario: str, *, speed: str = "100", **more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("CI", "FORCE_COLOR", "NO_COLOR")
    }
    return {**kept, "ATVM_STAND_IN_SCENARIO": scenario, "ATVM_STAND_IN_SPEED": speed, **more}


def template(root: Path, scenario: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "cmc-templates.py",
        "--template_name",
        "cmc-e2e",
        "--config_file",
        CONFIG,
        *options,
    ]
    return completed(command, cwd=root, env=environment(scenario))


def runner_call(*options: str) -> list[str]:
    return [sys.executable, "run-sorry-cypress.py", "--config_file", CONFIG, "--build_name", BUILD, *options]


def play(folder: Path, scenario: str, *options: str, **more: str) -> Ended:
    """Run a scenario until the last process that holds its output has ended, orphans included."""
    root = copy_of_root(folder)
    assert template(root, scenario).returncode == 0
    with subprocess.Popen(
        runner_call(*options),
        cwd=root,
        env=environment(scenario, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        output, _ = process.communicate(timeout=DEADLINE_S)
    return Ended(root, process.returncode, output.decode())


class Scenarios:
    """Scenarios of the stand-in, each played when it is first needed, and only once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended: dict[tuple[str, bool], Ended] = {}

    def __getitem__(self, scenario: str) -> Ended:
        """Return the end of a categorized run."""
        return self.ended(scenario, categorize=True)

    def ended(self, scenario: str, *, categorize: bool) -> Ended:
        key = (scenario, categorize)
        if key not in self._ended:
            folder = self._folder / f"{scenario}-{'categorized' if categorize else 'whole'}"
            self._ended[key] = play(folder, scenario, *(["--categorize"] if categorize else []))
        return self._ended[key]
