"""Every scenario of the stand-in ends as it states: as a recorded run, and for `inspect`.

`test_main_job.py` plays one scenario of each kind through the wrappers. Here the output of every scenario is compared with
the log of its recorded run. That run is folded (`tests/core/test_replay.py`) and played to a real watcher
(`test_live_replay.py`).
"""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.cli.main import main
from tests.conftest import REPLAY
from tests.support.project import BUILD
from tests.support.record_runs import RECORDINGS
from tests.support.scenario_ends import ENDS, C, F
from tests.support.stand_in import Ended, Scenarios

RECORDED = {
    (recording.scenario, recording.categorize): REPLAY / name
    for name, recording in reversed(RECORDINGS.items())
    if recording.is_undisturbed
}
IDS = [f"{scenario}-{'categorized' if categorize else 'whole'}" for scenario, categorize in ENDS]
every_end = pytest.mark.parametrize(("scenario", "categorize"), ENDS, ids=IDS)


def recorded_state(scenario: str, *, categorize: bool) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((RECORDED[scenario, categorize] / "state.json").read_text())
    return state


def text_of(log: str) -> str:
    """Return a log without its interpreter and its directory, whose length changes where Cypress wraps a line."""
    log = re.sub(r"^\+ \S+ -u ", "+ python3 -u ", log, flags=re.MULTILINE)
    return re.sub(r"/[\w./-]*?/automation-root/", "", re.sub(r"\s+|\(1280x720\)", "", log))


def inspected(run: Ended, capsys: pytest.CaptureFixture[str], *, categorize: bool) -> dict[str, Any]:
    log = run.root / "runner.log"
    log.write_text(run.output)
    end = ["--signal", signal.Signals(-run.code).name] if run.code < 0 else ["--exit-code", str(run.code)]
    args = [str(log), "--artifacts", str(run.root / "cmcReporter"), "--build-name", BUILD, "--json"]
    args += ["--inventory", str(run.root / "atvm" / "inventory" / "vm-inventory.md"), *end]
    assert main(["inspect", *args, *(["--categorize"] if categorize else [])]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_every_scenario_that_ends_is_a_recorded_run() -> None:
    assert RECORDED.keys() - ENDS.keys() == {("demo", True)}
    assert ENDS.keys() - RECORDED.keys() == set()


@every_end
def test_the_recorded_run_ends_as_its_scenario_states(scenario: str, categorize: bool) -> None:
    end = ENDS[scenario, categorize]
    state = recorded_state(scenario, categorize=categorize)

    assert (state["phase"], state["reason"]["code"]) == (end.phase, end.code), state["reason"]
    assert tuple(subrun["phase"] for subrun in state["subruns"]) == end.subruns
    sent = [subrun["post"]["outcome"] if subrun["post"] else None for subrun in state["subruns"]]
    assert sent == ["sent" if phase in (C, F) else None for phase in end.subruns]
    assert (state["post"] is not None) == end.closing
    assert len(sent) - sent.count(None) + end.closing == end.posts


@every_end
def test_the_stand_in_prints_the_log_of_the_recorded_run(
    scenario: str,
    categorize: bool,
    ended: Scenarios,
) -> None:
    log: Path = RECORDED[scenario, categorize] / "runner.log"

    assert text_of(ended.ended(scenario, categorize=categorize).output) == text_of(log.read_text())


@every_end
def test_inspect_finds_the_end_of_a_scenario_in_its_output_and_reports(
    scenario: str,
    categorize: bool,
    ended: Scenarios,
    capsys: pytest.CaptureFixture[str],
) -> None:
    end = ENDS[scenario, categorize]
    state = recorded_state(scenario, categorize=categorize)
    found = inspected(ended.ended(scenario, categorize=categorize), capsys, categorize=categorize)

    assert (found["phase"], found["reason"]["code"]) == (end.phase, end.code)
    assert [subrun["phase"] for subrun in found["subruns"]] == list(end.subruns)
    assert found["ledger"] == state["ledger"]
    for one, other in zip(found["subruns"], state["subruns"], strict=True):
        assert one["name"] == other["name"]
        assert [spec["detail"] for spec in one["specs"]] == [spec["detail"] for spec in other["specs"]]
