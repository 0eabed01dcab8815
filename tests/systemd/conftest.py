"""A booted controller for each module of tests. If none can be booted, the tests are skipped with the reason."""

from collections.abc import Callable, Iterator

import pytest

from tests.systemd.controller_host import ControllerHost
from tests.systemd.host import missing
from tests.systemd.stopwatch import Stopwatch


@pytest.fixture(scope="session")
def bootable() -> None:
    why = missing()
    if why is not None:
        pytest.skip(f"no systemd host can be booted here: {why}")


@pytest.fixture(scope="module")
def host(bootable: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerHost]:
    """One host for a module: each of its tests uses separate build names."""
    yield from booted(tmp_path_factory)


@pytest.fixture
def own_host(bootable: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerHost]:
    """A host for one test, which may break it."""
    yield from booted(tmp_path_factory)


def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerHost]:
    machine = ControllerHost(tmp_path_factory.mktemp("host") / "machine")
    try:
        machine.boot()
        machine.receive()
        yield machine
    finally:
        machine.end()


@pytest.fixture
def clock(record_property: Callable[[str, object], None]) -> Stopwatch:
    return Stopwatch(record_property)
