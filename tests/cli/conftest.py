"""Setup shared by the tests of commands."""

import os

import pytest

from tests.support.project import PROJECT


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the programs of the project on the PATH, so that every printed command has its short form."""
    monkeypatch.setenv("PATH", f"{PROJECT}/bin{os.pathsep}{os.environ['PATH']}")
