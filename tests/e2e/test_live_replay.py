"""The fourth way to run every recorded run: live, with a real watcher. The outcome must equal that of the replay."""

import json
from pathlib import Path
from typing import Any

from tests.core.test_replay import read
from tests.support.journal_player import Player
from tests.support.mattermost_server import MattermostModel


def outcome(state: dict[str, Any]) -> dict[str, Any]:
    """Return the parts that must be the same: everything except times and directories."""
    return {
        "phase": state["phase"],
        "code": state["reason"]["code"],
        "failing": state["failing"],
        "ledger": state["ledger"],
        "post": state["post"] and state["post"]["outcome"],
        "cancelled": state["cancelled"] is not None,
        "subruns": [subrun_outcome(subrun) for subrun in state["subruns"]],
    }


def subrun_outcome(subrun: dict[str, Any]) -> dict[str, Any]:
    kept = ("index", "label", "name", "label_trusted", "phase", "failing", "ledger")
    specs = [
        (spec["spec"], spec["result"], spec["detail"], spec["tests"], spec["failing"])
        for spec in subrun["specs"]
    ]
    hosts = [
        (host["host"], host["kernel"], host["result"], host["detail"], host["sources"])
        for host in subrun["hosts"]
    ]
    post = subrun["post"] and subrun["post"]["outcome"]
    return {
        **{name: subrun[name] for name in kept},
        "code": subrun["reason"]["code"],
        "post": post,
        "specs": specs,
        "hosts": hosts,
    }


def test_a_recorded_run_played_to_a_real_watcher_ends_as_its_replay(recorded: Path, tmp_path: Path) -> None:
    log = (recorded / "runner.log").read_bytes() if (recorded / "runner.log").exists() else b""
    with MattermostModel() as webhook:
        state = Player(tmp_path, read(recorded), log).play(webhook)

    assert outcome(state) == outcome(json.loads((recorded / "state.json").read_text()))
