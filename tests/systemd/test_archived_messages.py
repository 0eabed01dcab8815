"""Messages of an archived run and their sender's unit: killed by SIGKILL, cut off by a reboot, started again each time."""

import json
import time

from tests.support.project import BUILD
from tests.support.waiting import wait_for
from tests.systemd.controller_host import STATE, SWEEP, ControllerHost

SENDER = "atvm-run-deliver@{}.service"


def archived(host: ControllerHost) -> tuple[str, str]:
    """Start a second run while no message of the first can be delivered; return the first one's address, and what was printed."""
    host.stop_receiving()
    host.start()
    wait_for(lambda: host.state().get("phase") == "COMPLETED", "the end of the first run")
    said = host.start(BUILD, runner="sleep 300").stderr
    (stamp,) = host.run("ls", f"{STATE}/.archive/{BUILD}").stdout.split()
    return f"{BUILD}@{stamp}", said


def killed(host: ControllerHost, unit: str) -> str:
    """Kill the sender once it is ready; return its process."""
    wait_for(lambda: host.unit(unit)["ActiveState"] == "active", "the sender is ready")
    pid = host.unit(unit)["MainPID"]
    host.run("kill", "-9", pid)
    return pid


def test_a_sender_that_dies_again_and_again_is_reported(own_host: ControllerHost) -> None:
    host = own_host
    address, _ = archived(host)
    unit = SENDER.format(address)
    for _ in range(5):
        pid = killed(host, unit)
        wait_for(lambda pid=pid: host.unit(unit)["MainPID"] != pid, "the death of the sender")
    died_s = time.monotonic()
    wait_for(lambda: host.unit(unit)["ActiveState"] == "failed", "the unit is failed")
    host.receive()
    wait_for(lambda: host.posts("atvm-alerts", BUILD), "the alert")
    print(f"dead sender: alert after {time.monotonic() - died_s:.1f} s")
    (alert,) = [text for text in host.posts("atvm-alerts", BUILD) if "sender" in text]
    host.pipeline("cancel", "--runner", BUILD, check=True)

    assert "the sender of the archived run" in alert
    assert "3 messages not delivered" in alert
    assert host.pipeline("doctor").returncode == 1
    assert host.pipeline("deliver", address, "--background").returncode == 0
    wait_for(lambda: host.unit(unit)["ActiveState"] == "inactive", "the sender has delivered all")
    assert len(host.posts(build="COMPLETED")) == 3


def test_the_sender_of_an_archived_run_survives_a_kill_and_a_reboot_and_delivers_once(
    own_host: ControllerHost,
) -> None:
    host = own_host
    address, said = archived(host)
    unit, folder = SENDER.format(address), f"{STATE}/.archive/{address.replace('@', '/')}"
    first = json.loads(host.read(f"{folder}/state.json"))
    pid = killed(host, unit)
    died_s = time.monotonic()
    wait_for(lambda: host.unit(unit)["MainPID"] not in ("0", pid), "the sender is restarted")
    wait_for(lambda: host.unit(unit)["ActiveState"] == "active", "the restarted sender is ready")
    print(f"killed sender: ready again after {time.monotonic() - died_s:.1f} s")
    checked = host.pipeline("doctor").stdout
    host.cut_power()
    host.boot()
    wait_for(lambda: host.unit(SWEEP)["ActiveState"] == "inactive", "the sweep has ended")
    swept = host.log(SWEEP)
    host.receive()
    wait_for(lambda: host.unit(unit)["ActiveState"] in ("inactive", "failed"), "the sender has ended")
    delivered = json.loads(host.read(f"{folder}/state.json"))
    bodies = [json.loads(line)["body"] for line in host.read("/srv/posts.jsonl").splitlines()]
    ids = [body["props"]["atvm_delivery_id"] for body in bodies if body["channel"] == "atvm-results"]

    assert "3 messages of the previous run are not delivered yet; a sender of its own delivers them" in said
    assert f"{address} (archived): 3 messages are not delivered yet; its sender delivers" in checked
    assert f"{address}: 3 messages not delivered; its sender was started" in swept
    assert [subrun["post"]["outcome"] for subrun in delivered["subruns"]] == ["sent"] * 3
    assert (delivered["phase"], delivered["reason"]) == (first["phase"], first["reason"])
    assert len(ids) == len(set(ids)) == 3
    assert host.unit(unit)["Result"] == "success"
    assert unit not in host.failed()
