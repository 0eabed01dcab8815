"""The host goes down in the middle of a run, by a power cut or in order; at the next boot the sweep reports it."""

import time
from collections.abc import Callable

import pytest

from tests.support.project import BUILD
from tests.support.waiting import wait_for
from tests.systemd.controller_host import SWEEP, WATCHER, ControllerHost

ALERTS = "atvm-alerts"


def in_the_middle(host: ControllerHost) -> None:
    """Start a run whose first group has ended while its message cannot be delivered, and whose second group never ends."""
    host.stop_receiving()
    host.start(ATVM_STAND_IN_SCENARIO="hang-without-cause")

    def judged() -> bool:
        subruns = host.state().get("subruns", [])
        return len(subruns) == 2 and (subruns[0]["post"] or {}).get("outcome") == "pending"

    wait_for(judged, "the verdict of the first group")


@pytest.mark.parametrize(
    "down", [ControllerHost.cut_power, ControllerHost.shut_down], ids=["cut", "shutdown"]
)
def test_a_reboot_in_the_middle_ends_the_run_and_what_was_pending_is_delivered(
    own_host: ControllerHost, down: Callable[[ControllerHost], None]
) -> None:
    host = own_host
    in_the_middle(host)
    before = host.state()
    down(host)
    host.boot()
    began_s = time.monotonic()
    host.receive()
    wait_for(lambda: any("rebooted" in text for text in host.posts(ALERTS, BUILD)), "the alert")
    print(f"host up again: alert after {time.monotonic() - began_s:.1f} s")
    state = host.await_end()

    assert (state["phase"], state["reason"]["code"]) == ("TERMINATED", "host-rebooted")
    assert state["run_id"] == before["run_id"]
    assert [subrun["phase"] for subrun in state["subruns"]] == ["COMPLETED", "TERMINATED"]
    assert state["subruns"][0]["post"]["outcome"] == "sent"
    assert len(host.posts(build=BUILD)) == 1
    assert host.unit(SWEEP)["Result"] == "success"
    assert WATCHER.format(BUILD) not in host.failed()
    assert host.pipeline("wait", BUILD).returncode == 1


def test_a_run_without_a_runner_yet_ends_too_and_ended_runs_are_left_alone(own_host: ControllerHost) -> None:
    host = own_host
    host.start("ended-fc", runner="true")
    ended = host.await_end("ended-fc")
    host.run(
        "/opt/atvm-watcher-service/bin/start-atvm-run-watcher.sh",
        "--build-name",
        "e2e-redhat9.6-fc",
        "--runner-command",
        "sleep 300",
        cwd="/root/cdc-e2e-cyp-12.17.4",
    )
    host.cut_power()
    host.boot()
    host.receive()
    wait_for(lambda: host.state("e2e-redhat9.6-fc").get("phase") == "TERMINATED", "the waiting run has ended")

    assert host.state("e2e-redhat9.6-fc")["reason"]["code"] == "host-rebooted"
    assert host.state("ended-fc") == ended
