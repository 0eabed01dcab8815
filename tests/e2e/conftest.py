"""Fixtures of the end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.controller import Controller
from tests.support.mattermost_server import MattermostModel
from tests.support.stand_in import Scenarios


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Controller]:
    """A separate controller for the test."""
    with Controller(tmp_path) as controller:
        yield controller


@pytest.fixture
def server() -> Iterator[MattermostModel]:
    with MattermostModel() as model:
        yield model


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Scenarios:
    """The scenarios of the stand-in that end by themselves, played without a watcher."""
    return Scenarios(tmp_path_factory.mktemp("scenarios"))
