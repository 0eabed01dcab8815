"""The halves of a start must request the same run: the second half is compared with the waiting watcher."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.controller import RUNNER, Controller
from tests.support.project import BUILD


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Controller]:
    with Controller(tmp_path) as controller:
        words = ["--build-name", BUILD, "--supervisor", "local"]
        watcher = controller.call("start-atvm-run-watcher.sh", *words)
        assert watcher.returncode == 0, watcher.stderr
        yield controller


@pytest.mark.parametrize("other", ["--categorize", "--workdir", "ATVM_RUNNER_LOG"])
def test_a_second_half_that_requests_another_run_is_refused_in_one_line_and_starts_nothing(
    other: str, host: Controller, tmp_path: Path
) -> None:
    before = (host.state_root / BUILD / "request.json").read_bytes()
    words = ["--build-name", BUILD, "--runner-command", RUNNER, "--supervisor", "local", "--no-preflight"]
    words += {"--categorize": [other], "--workdir": [other, str(tmp_path)]}.get(other, [])
    environ = {other: "elsewhere.log"} if other.isupper() else {}
    refused = host.call("start-atvm-runner.sh", *words, environ=environ)

    assert refused.returncode == 64, refused.stderr
    assert [
        other in line
        for line in refused.stderr.splitlines()
        if "start both halves with the same values" in line
    ] == [True]
    assert (host.state_root / BUILD / "request.json").read_bytes() == before
    assert not (host.state_root / BUILD / "runner.json").exists()
    assert host.state()["phase"] == "PENDING"


def test_each_half_names_the_options_that_it_does_not_use(host: Controller) -> None:
    words = ["--build-name", BUILD, "--supervisor", "local", "--no-preflight"]
    texts = ["--runner-command", "true", "--template", "other", "--config-family", "gold"]
    watcher = host.call(
        "start-atvm-run-watcher.sh", "--build-name", "b", "--template-command", "touch ran", "--check"
    )
    runner = host.call("start-atvm-runner.sh", *words, *texts)

    notice = "notice: --template-command: stored and not run, because only the watcher is started\n"
    assert (watcher.returncode, notice in watcher.stderr) == (0, True), watcher.stderr
    notice = (
        "notice: --template, --config-family: not used, because the watcher was started with another value\n"
    )
    assert (runner.returncode, notice in runner.stderr) == (0, True), runner.stderr
    assert "template" not in host.record("request.json")["metadata"]
