"""A new start while messages of the previous run wait: a sender of their own delivers them, and the new run does not care."""

import json
import os
import signal
from pathlib import Path

from atvm_pipeline.shell.system.files import is_locked
from tests.support.controller import Controller
from tests.support.mattermost_server import away, ok
from tests.support.project import BUILD
from tests.support.waiting import wait_for


def test_messages_of_the_previous_run_are_delivered_once_while_the_next_run_continues(tmp_path: Path) -> None:
    """The sender is killed in between and started again by the command that doctor prints."""
    with Controller(tmp_path) as host:
        host.webhook.script(away(503))
        host.webhook.script_pings(away(503))
        host.start()
        wait_for(lambda: host.state().get("phase") == "COMPLETED", "the end of the first run")
        first = host.state()
        host.hold("redhat9.6")
        second = host.start()
        (folder,) = host.archived()
        address = f"{BUILD}@{folder.name}"
        lock = folder / "watcher.lock"
        wait_for(lambda: is_locked(lock), "the sender of the first run")
        shown = host.call("atvm-pipeline", "status").stdout
        checked = host.call("atvm-pipeline", "doctor", "--root", str(tmp_path)).stdout
        os.kill(json.loads((folder / "watcher.json").read_text())["pid"], signal.SIGKILL)
        wait_for(lambda: not is_locked(lock), "the death of the sender")
        dead = host.call("atvm-pipeline", "doctor", "--root", str(tmp_path)).stdout
        host.webhook.script(ok())
        host.webhook.script_pings(ok())
        again = host.call("atvm-pipeline", "deliver", address, "--background", "--supervisor", "local")
        wait_for(lambda: not is_locked(lock), "the end of the sender")
        archived = json.loads((folder / "state.json").read_text())
        running = host.state()["phase"]
        host.let_go("redhat9.6")
        host.wait()
        ids = [post.payload["props"]["atvm_delivery_id"] for post in host.webhook.posts]

        notice = "notice: 3 messages of the previous run are not delivered yet; a sender of its own delivers them, see: "
        (named,) = [line for line in second.stderr.splitlines() if line.startswith(notice)]
        assert named.endswith(f"/atvm-pipeline status {address}")
        assert address in shown
        assert "3 messages are not delivered yet" in shown
        assert f"{address} (archived): 3 messages are not delivered yet; its sender delivers" in checked
        assert f"fix: atvm-pipeline deliver {address} --background" in dead
        assert (again.returncode, again.stdout) == (0, f"{address}: the sender of its messages was started\n")
        assert running == "RUNNING"
        assert [subrun["post"]["outcome"] for subrun in archived["subruns"]] == ["sent"] * 3
        assert (archived["phase"], archived["reason"], archived["ledger"]) == (
            first["phase"],
            first["reason"],
            first["ledger"],
        )
        assert host.state()["phase"] == "COMPLETED"
        assert len(ids) == len(set(ids)) == 6
