"""Shared helpers for the tests of the installer: two checkouts, a wheel directory, and a call of it."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.calls import completed
from tests.support.project import PROJECT

INSTALLER = "install-atvm-watcher-service.sh"
PARTS = (
    *("atvm_pipeline", "bin", "units", "docs", "fixtures/automation-root"),
    *("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"),
)
WRAPPERS = sorted(path.name for path in (PROJECT / "bin").glob("*atvm*") if path.name != "atvm-pipeline")


def environ(**more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ATVM_", "MATTERMOST_"))
    }
    return {**kept, **more}


def call(program: Path, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
    return completed([program, *map(str, words)], env=environ(**more))


def install(checkout: Path, root: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return call(checkout / "bin" / INSTALLER, "--python", sys.executable, "--root", root, *words)


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def copy_of_the_checkout(folder: Path, version: str) -> Path:
    for part in PARTS:
        source, target = PROJECT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "cmcReporter"))
        else:
            shutil.copyfile(source, target)
    package = folder / "atvm_pipeline" / "__init__.py"
    package.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', package.read_text()))
    return folder


def make_ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkouts, a wheel directory, and a root in which both were installed offline.

    They are made once for all workers.
    """
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "installer"
    base.mkdir(exist_ok=True)
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "made").exists():
            _make(base)
            (base / "made").touch()
    return base


def _make(base: Path) -> None:
    one, two = (copy_of_the_checkout(base / version, version) for version in ("1.0", "2.0"))
    wheels = base / "wheels"
    made = call(one / "bin" / INSTALLER, "--make-wheelhouse", wheels, "--python", sys.executable)
    if made.returncode == 69:
        pytest.skip(f"no package index can be reached here: {made.stderr}")
    done(made)
    for checkout, name in ((one, "first-said"), (two, "second-said")):
        (base / name).write_text(done(install(checkout, base / "root", "--wheelhouse", wheels)))
