"""The campaign in short: dozens of kills, a dishonest receiver, a full disk; and proof that it can fail."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from atvm_pipeline.core.messages.payload import marked
from atvm_pipeline.core.state import Post
from atvm_pipeline.shell.state_dir.records import Paths
from tests.campaign import disk
from tests.campaign.judging import differences, each, result_of
from tests.campaign.plan import Kill, Moment, Plan, draw
from tests.campaign.playing import play
from tests.campaign.reader import Reader
from tests.campaign.receiver import GATEWAYS, MARKS, Heard
from tests.campaign.totals import Totals
from tests.conftest import REPLAY
from tests.support.project import PROJECT

KILLS = 30
RECORDED = {
    "all-green": "completed",
    "renderer-crash": "failed-crash",
    "runner-fails-after-last-group": "failed-runner",
}
"""Scenario -> the recorded run that shows how it ends undisturbed."""
TIMEOUT_S = 1200


def golden(scenario: str) -> dict[str, Any]:
    """Return how the run ended when it was recorded, in the form in which two results are compared."""
    return result_of(json.loads((REPLAY / RECORDED[scenario] / "state.json").read_text()))


def drawn(seed: str, scenario: str, **wanted: Any) -> Plan:
    return replace(draw(seed, **wanted), scenario=scenario, categorize=True, speed=0.7, patience=0.4)


def assert_nothing_wrong(totals: Totals) -> None:
    assert totals.failed == [], totals.table()
    assert (totals.told.lost, totals.told.doubled, totals.verdicts) == (0, 0, 0)
    assert totals.told.unmarked <= totals.told.due
    assert totals.told.seen >= totals.told.due


@pytest.mark.timeout(TIMEOUT_S)
def test_watchers_killed_at_random_moments_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    totals = Totals()
    for number in count():
        plans = [drawn(f"short/{number}/{scenario}", scenario, kills=13) for scenario in RECORDED]
        with ThreadPoolExecutor(len(plans)) as pool:
            for outcome in pool.map(
                lambda plan: play(plan, tmp_path / plan.seed.replace("/", "-"), golden(plan.scenario)), plans
            ):
                totals.add(outcome)
        if totals.kills >= KILLS or totals.failed:
            break

    assert_nothing_wrong(totals)
    assert totals.kills >= KILLS
    assert totals.counts["looks of a reader"] > 0


@pytest.mark.timeout(TIMEOUT_S)
def test_a_receiver_with_false_answers_and_kills_in_between_lose_nothing(tmp_path: Path) -> None:
    """Each false answer costs a pause of half a minute, which no setting shortens."""
    lies = ("stores, then drops", "ok", "a page with 200", "ok", "429, wait 1 s", "ok")
    kill = Kill(Moment("stage", "answered", 1), 0.0, "watch")
    plan = replace(drawn("lies", "all-green", kills=0), speed=25, behaviours=lies, kills=(kill,), patience=1)
    totals = Totals()
    totals.add(play(plan, tmp_path / "run", golden("all-green")))

    assert_nothing_wrong(totals)
    assert totals.told.marked >= 2


@pytest.mark.timeout(TIMEOUT_S)
def test_a_server_that_restarts_behind_a_gateway_gets_every_message(tmp_path: Path) -> None:
    """Return a short plan: three seconds, in which a kill comes at a request."""
    kill = Kill(Moment("stage", "asked", 1), 0.0, "watch")
    totals = Totals()
    for does in GATEWAYS:
        plan = replace(drawn(f"gateway {does}", "all-green", kills=0), speed=25, kills=(kill,), patience=1)
        plan = replace(plan, down_s=(0.0, 3.0), gateway=(does, "truthful"))
        totals.add(play(plan, tmp_path / does, golden("all-green")))

    assert_nothing_wrong(totals)
    assert (totals.told.left, totals.told.marked >= 3) == (0, True)


@pytest.mark.timeout(TIMEOUT_S)
def test_a_disk_that_fills_up_and_gets_room_again_costs_nothing(tmp_path: Path) -> None:
    """Play it in a process with mounts of its own, by the command itself."""
    why = disk.missing()
    if why is not None:
        pytest.skip(f"no disk can be filled here: {why}")
    options = ["--kills", "1", "--seed", "full-2503", "--jobs", "1"]
    options += ["--receiver", "fair", "--disk", "blocks", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign", *options],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    totals = json.loads(done.stdout)
    assert totals["failed"] == []
    assert (totals["told"]["lost"], totals["told"]["doubled"], totals["verdicts_different"]) == (0, 0, 0)
    assert totals["counts"]["kills"] >= 1
    assert totals["counts"]["disk full"] >= 1
    assert list(tmp_path.iterdir()) == []


# --- the checks can fail ---

PAYLOAD = json.dumps({"text": "**FAILED** it", "props": {"atvm_delivery_id": "d1"}})
PLAIN, MARKED = "**FAILED** it", str(msgspec.json.decode(marked(PAYLOAD))["text"])


def message() -> Post:
    return msgspec.convert(
        {
            "key": "run/001",
            "kind": "subrun",
            "payload": PAYLOAD,
            "delivery_id": "d1",
            "asked_at": "2026-11-23T10:00:00Z",
            "asked_watched_s": 1.0,
        },
        Post,
    )


def heard(*texts: str, stored: bool = True) -> list[Heard]:
    return [Heard(at, "d1", text.startswith(MARKS), text, stored) for at, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("requests", "explained", "wrong"),
    [
        (heard(PLAIN), False, []),
        (heard(PLAIN, MARKED), True, []),
        ([*heard(PLAIN, stored=False), *heard(PLAIN)], False, []),
        (heard(PLAIN, PLAIN), True, ["came again without a mark"]),
        (heard(MARKED, PLAIN), True, ["came again without a mark"]),
        (heard(PLAIN, MARKED), False, ["the journal knows no doubt"]),
        (heard("another text"), False, ["another text than its file"]),
    ],
)
def test_what_a_reader_saw_is_held_against_the_journal(
    requests: list[Heard], explained: bool, wrong: list[str]
) -> None:
    found = list(each(message(), requests, explained=explained))

    assert len(found) == len(wrong)
    assert all(part in text for part, text in zip(wrong, found, strict=True))


def test_a_result_that_differs_is_named_by_its_place() -> None:
    one, other = golden("all-green"), golden("all-green")
    other["subruns"][1]["specs"][0] = ("x.cy.ts", "FAIL", "failed", 1, 1)

    assert differences(one, one) == []
    assert all(text.startswith("state.subruns[1].specs[0]") for text in differences(one, other))
    assert differences(one, other) != []


def test_a_reader_reports_states_that_went_back_and_incomplete_ones(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "b")
    paths.posts.mkdir(parents=True)
    reader = Reader(paths)
    state = {"seq": 5, "phase": "FAILED"}
    for change in ({}, {"seq": 4}, {"seq": 6, "phase": "COMPLETED"}):
        paths.state.write_bytes(state_file({**state, **change}))
        reader.look()
    (paths.posts / "001.json").write_text("{")
    paths.journal.write_text('{"type":"nonsense"}\n')
    reader.look()

    assert [text.split(":")[0] for text in reader.wrong] == [
        "state.json went back from event 5 to 4",
        "the run was FAILED and became COMPLETED",
        "posts/001.json was not complete",
        "the journal has a line that is no event",
    ]


def state_file(change: dict[str, Any]) -> bytes:
    """Return a recorded run's state, with another number of its last event, or another phase."""
    run = json.loads((REPLAY / "completed" / "journal.jsonl").read_text().splitlines()[0])
    request = {name: value for name, value in run.items() if name != "type"}
    facts = {"request": {"type": "run-requested", **request}, "at": run["at"], "seq": change["seq"]}
    recorded = json.loads((REPLAY / "completed" / "state.json").read_text())
    return json.dumps({**recorded, "phase": change["phase"], "subruns": [], "facts": facts}).encode()
