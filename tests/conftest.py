"""What all tests share: the option that rewrites golden files, and where the recorded runs lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import descriptors

PROJECT = Path(__file__).resolve().parents[1]
REPLAY = PROJECT / "fixtures" / "replay"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write golden files anew; read the diff, and commit only what you understand and want",
    )


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Fail a test that leaves a descriptor open: a thousand of them end the tests of an ordinary user."""
    before = descriptors.names()
    yield
    assert descriptors.left_open(before) == {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A new folder below fixtures/replay is a new test, without code."""
    if "recorded" in metafunc.fixturenames:
        folders = sorted(folder for folder in REPLAY.iterdir() if (folder / "journal.jsonl").is_file())
        metafunc.parametrize("recorded", folders, ids=[folder.name for folder in folders])
