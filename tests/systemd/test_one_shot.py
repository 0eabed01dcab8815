"""The one-shot example on a booted host after a fresh install from a clone, as an operator does it."""

import shutil
from collections.abc import Iterator

import pytest

from tests.support.controller import CONFIG
from tests.support.installations import INSTALLER, make_ground
from tests.support.project import BUILD
from tests.support.waiting import DEADLINE_S
from tests.systemd.controller_host import (
    AUTOMATION,
    GATE,
    PACKAGE,
    RUNNER_UNIT,
    WATCHER,
    ControllerHost,
    one_shot,
    python,
)


@pytest.fixture
def bare_host(bootable: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerHost]:
    """A controller with a clone and a directory of wheels in /srv, and nothing installed."""
    ground = make_ground(tmp_path_factory)
    machine = ControllerHost(tmp_path_factory.mktemp("host") / "machine", bare=True)
    try:
        for name in ("1.0", "wheels"):
            shutil.copytree(ground / name, machine.disk / "srv" / name)
        machine.boot()
        machine.receive()
        yield machine
    finally:
        machine.end()


def test_a_fresh_install_runs_the_one_shot_example(bare_host: ControllerHost) -> None:
    host = bare_host
    host.run(
        *(f"/srv/1.0/bin/{INSTALLER}", "--python", python(), "--wheelhouse", "/srv/wheels"),
        timeout_s=DEADLINE_S,
    )
    command = one_shot()
    host.hold("redhat9.6")
    host.run(
        *("./start-atvm-run.sh", "--build-name", BUILD, "--runner-command", command["runner"]),
        *("--template", "cmc-e2e", "--template-command", command["template"], "--workdir", AUTOMATION),
        *("--config-family", "gold", "--config-file", CONFIG, "--categorize"),
        cwd=PACKAGE,
        environ={"ATVM_STAND_IN_SPEED": "20", "ATVM_STAND_IN_GATE": GATE},
    )
    units = [host.unit(WATCHER.format(BUILD)), host.unit(RUNNER_UNIT.format(BUILD))]
    host.let_go("redhat9.6")
    state = host.await_end()
    left = host.run("systemctl", "is-active", WATCHER.format(BUILD), RUNNER_UNIT.format(BUILD), check=False)

    assert [unit["ActiveState"] for unit in units] == ["active", "active"]
    entered = [int(unit["ActiveEnterTimestampMonotonic"]) for unit in units]
    assert entered == sorted(entered)
    assert state["phase"] == "COMPLETED"
    assert len(host.posts(build=BUILD)) == 3
    assert left.stdout.split() == ["inactive", "inactive"]
    assert host.failed() == []
