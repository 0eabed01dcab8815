"""What all tests share: the option that rewrites golden files, and where the recorded runs lie."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import descriptors
from tests.support.project import PROJECT
from tests.support.reference_corpus import REFERENCE

REPLAY = PROJECT / "fixtures" / "replay"

# How long an example takes is a matter of the machine.  What hypothesis changes for CI stays.
settings.register_profile(
    "any machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write golden files anew; read the diff, and commit only what you understand and want",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("corpus") is not None and not REFERENCE.is_dir():
        pytest.skip("the reference corpus is not here (ATVM_CORPUS)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no check be skipped in CI: what it needs must be there.  The corpus alone may be missing."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and item.get_closest_marker("corpus") is None:
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    return report


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
