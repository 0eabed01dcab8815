"""Messages of an archived run and their sender's unit: killed by SIGKILL, cut off by a reboot, started again each time."""

import json

from tests.support.project import BUILD
from tests.support.waiting import wait_for
from tests.systemd.controller_host import STATE, SWEEP, ControllerHost

SENDER = "atvm-run-deliver@{}.service"


def test_the_sender_of_an_archived_run_survives_a_kill_and_a_reboot_and_delivers_once(
    own_host: ControllerHost,
) -> None:
    host = own_host
    host.stop_receiving()
    host.start()
    wait_for(lambda: host.state().get("phase") == "COMPLETED", "the end of the first run")
    first = host.state()
    said = host.start(BUILD, runner="sleep 300").stderr
    (time,) = host.run("ls", f"{STATE}/.archive/{BUILD}").stdout.split()
    address = f"{BUILD}@{time}"
    unit, folder = SENDER.format(address), f"{STATE}/.archive/{BUILD}/{time}"
    wait_for(lambda: host.unit(unit)["ActiveState"] == "active", "the sender's unit is active")
    killed = host.unit(unit)["MainPID"]
    host.run("kill", "-9", killed)
    wait_for(lambda: host.unit(unit)["MainPID"] not in ("0", killed), "the sender is restarted")
    wait_for(lambda: host.unit(unit)["ActiveState"] == "active", "the restarted sender is ready")
    checked = host.pipeline("doctor").stdout
    host.cut_power()
    host.boot()
    wait_for(lambda: host.unit(SWEEP)["ActiveState"] == "inactive", "the sweep has ended")
    swept = host.log(SWEEP)
    host.receive()
    wait_for(lambda: host.unit(unit)["ActiveState"] in ("inactive", "failed"), "the sender has ended")
    archived = json.loads(host.read(f"{folder}/state.json"))
    bodies = [json.loads(line)["body"] for line in host.read("/srv/posts.jsonl").splitlines()]
    ids = [body["props"]["atvm_delivery_id"] for body in bodies if body["channel"] == "atvm-results"]

    assert "3 messages of the previous run are not delivered yet; a sender of its own delivers them" in said
    assert f"{address} (archived): 3 messages are not delivered yet; its sender delivers" in checked
    assert f"{address}: 3 messages not delivered; its sender was started" in swept
    assert [subrun["post"]["outcome"] for subrun in archived["subruns"]] == ["sent"] * 3
    assert (archived["phase"], archived["reason"]) == (first["phase"], first["reason"])
    assert len(ids) == len(set(ids)) == 3
    assert host.unit(unit)["Result"] == "success"
    assert unit not in host.failed()
