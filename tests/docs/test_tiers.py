"""The tiers of the tests: each is declared, set and explained, and the program that runs them stays short."""

import subprocess
import tomllib

import pytest

from tests.support import tiers
from tests.support.project import PROJECT

DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
TIERS = [marker.partition(":")[0] for marker in DECLARED]
RUN_TESTS = PROJECT / "bin" / "run-tests"


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_is_explained_in_the_help_and_in_the_document(tier: str) -> None:
    shown = subprocess.run([RUN_TESTS, "--help"], capture_output=True, text=True, check=True).stdout

    assert tier in shown
    assert f"| `{tier}` |" in (PROJECT / "docs" / "testing.md").read_text()


@pytest.mark.parametrize(("folder", "names"), tiers.BY_DIRECTORY.items())
def test_a_directory_has_declared_tiers_and_tests(folder: str, names: tuple[str, ...]) -> None:
    assert set(names) <= set(TIERS)
    assert any((PROJECT / "tests" / folder).rglob("test_*.py"))


def test_the_program_that_runs_the_tests_is_short() -> None:
    assert len(RUN_TESTS.read_text().splitlines()) <= 100
