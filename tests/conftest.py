"""Setup shared by all tests: tiers, the option that rewrites golden files, and the directory of the recorded runs."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import descriptors, tiers
from tests.support.project import PROJECT
from tests.support.reference_corpus import REFERENCE

TESTS = PROJECT / "tests"
REPLAY = PROJECT / "fixtures" / "replay"

# The time per example depends on the machine. All other settings that Hypothesis changes for CI are kept.
settings.register_profile(
    "any machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write golden files again; read the diff, and commit only what you understand and want",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the markers of each directory before pytest selects by marker, and start the longest tests first."""
    for item in items:
        for name in tiers.markers(item.path.relative_to(TESTS)):
            item.add_marker(name)
    items.sort(key=lambda item: tiers.rank({marker.name for marker in item.iter_markers()}))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a worker (`-n`) the tests that share a fixture together, and units of work in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return tiers.unit_of_work(nodeid)

    config.option.loadscopereorder = False
    return Scheduler(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("corpus") is not None and not REFERENCE.is_dir():
        pytest.skip("the reference corpus is not here (ATVM_CORPUS)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail skipped tests in CI: their requirements must be installed there. Only the corpus may be missing."""
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
    """Fail a test that leaves a descriptor open: with the usual limit of about a thousand, later tests would fail."""
    before = descriptors.names()
    yield
    assert descriptors.left_open(before) == {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that uses `recorded` for every directory in fixtures/replay, so a new run needs no code."""
    if "recorded" in metafunc.fixturenames:
        folders = sorted(folder for folder in REPLAY.iterdir() if (folder / "journal.jsonl").is_file())
        metafunc.parametrize("recorded", folders, ids=[folder.name for folder in folders])
