"""Stopping a runner that was started by hand: it leaves no exit record, so `stop.json` alone proves the stop."""

import json
import subprocess
from typing import Any

import pytest

from tests.support import cypress_output as prints
from tests.support.controller import Controller
from tests.support.project import BUILD
from tests.support.refused_calls import foreign_runner, one_line
from tests.support.waiting import wait_for

pytestmark = pytest.mark.host

SPECS = ("redhat9.6.cy.ts", "ubuntu24.04.cy.ts", "w2k25.cy.ts")
MIDWAY = [*prints.starting(*SPECS), *prints.whole_spec(SPECS[0], 1, 3), *prints.running(SPECS[1], 2, 3)]
WHOLE = [
    *prints.starting(*SPECS),
    *(line for position, spec in enumerate(SPECS, 1) for line in prints.whole_spec(spec, position, 3)),
    *prints.finished(
        [prints.row(spec, (1, 1, 0, 0, 0)) for spec in SPECS], "All specs passed!", (3, 3, 0, 0, 0)
    ),
]


def script(lines: list[str]) -> str:
    """Return a runner that prints these lines and keeps running."""
    text = prints.encoded(lines)
    return f"import sys, time; sys.stdout.buffer.write({text!r}); sys.stdout.flush(); time.sleep(300)"


def watch(host: Controller, specs: int) -> None:
    """Join the runner, and wait until the watcher has seen it and that many specs."""
    words = ["--build-name", BUILD, "--supervisor", "local"]
    watched = host.call("start-atvm-run-watcher.sh", "--attach", *words)
    assert watched.returncode == 0, watched.stderr

    def seen() -> bool:
        state: dict[str, Any] = host.state()
        began = [spec for subrun in state["subruns"] for spec in subrun["specs"] if spec["position"]]
        journal = (host.state_root / BUILD / "journal.jsonl").read_text()
        return "runner-started" in journal and len(began) == specs

    wait_for(seen, "runner and specs to be seen")


def stop(host: Controller) -> None:
    stopped = host.call("cancel-atvm-runner.sh", "--build-name", BUILD)
    assert stopped.returncode == 0, stopped.stderr


def kill(host: Controller, process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    host.wait()


@pytest.mark.parametrize(
    ("lines", "specs"), [(["no line of Cypress"], 0), (MIDWAY, 2), (WHOLE, 3)], ids=["begin", "midway", "end"]
)
def test_a_requested_stop_is_a_stop_whatever_had_run(lines: list[str], specs: int, host: Controller) -> None:
    with foreign_runner(host, script=script(lines)):
        watch(host, specs)
        stop(host)
        host.wait()

    state = host.state()
    assert (state["phase"], state["reason"]["code"]) == ("TERMINATED", "runner-stopped")
    assert {"kind": "marker", "path": "stop.json"} in state["reason"]["evidence"]
    assert state["reason"]["text"].startswith("The runner was stopped on request (")
    assert host.webhook.posts == []


def test_a_runner_that_is_killed_without_a_request_has_vanished(host: Controller) -> None:
    def live() -> object:
        return json.loads(host.call("atvm-pipeline", "status", BUILD, "--json").stdout)["live"]

    with foreign_runner(host, script=script(MIDWAY)) as process:
        watch(host, 2)
        assert live() == {"watcher": True, "runner": True}
        kill(host, process)

    assert live() == {"watcher": False, "runner": False}
    assert host.state()["reason"]["code"] == "runner-vanished"


def test_a_stop_after_the_end_changes_nothing(host: Controller) -> None:
    with foreign_runner(host, script=script(WHOLE)) as process:
        watch(host, 3)
        kill(host, process)
        before = host.state()
        late = host.call("cancel-atvm-runner.sh", "--build-name", BUILD)

    one_line(late, 0, "no runner is running")
    assert host.state() == before
    assert before["phase"] == "COMPLETED"
    assert "exit code is unknown" in before["reason"]["text"]
    assert not (host.state_root / BUILD / "stop.json").exists()


def test_a_cancel_names_the_command_that_stops_a_runner_that_was_started_by_hand(host: Controller) -> None:
    with foreign_runner(host, script=script(MIDWAY)):
        watch(host, 2)
        cancelled = host.call("cancel-atvm-run-watcher.sh", "--build-name", BUILD)
        stop(host)
        again = host.call("cancel-atvm-run-watcher.sh", "--build-name", BUILD)

    assert "continues; to stop it: " in cancelled.stderr
    assert f"cancel-atvm-runner.sh --build-name {BUILD}\n" in cancelled.stderr
    assert "to stop it" not in again.stderr
