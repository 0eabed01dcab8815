"""Shared fixtures of the delivery tests: no proxy of this machine, a receiver, a certificate."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from atvm_pipeline.shell.sources.log_follower import LogFollower
from tests.support.http_peers import PROXY_VARIABLES
from tests.support.log_actions import SCANNER, Follow
from tests.support.mattermost_server import MattermostModel, make_certificate


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def follow() -> Iterator[Follow]:
    """Create followers of a log from the arguments of `LogFollower` without the scanner. Each is closed after the test."""
    with ExitStack() as followers:
        yield lambda log, **more: followers.enter_context(closing(LogFollower(log, SCANNER, **more)))


@pytest.fixture
def server() -> Iterator[MattermostModel]:
    with MattermostModel() as model:
        yield model


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1", "chat.test")
