"""The main job in real runs: wrappers, template, watcher, runner, webhook, in a copy of the stand-in automation root."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.controller import CONFIG, RUNNER, TEMPLATE, Controller
from tests.support.mattermost_server import rate_limited
from tests.support.project import BUILD
from tests.support.scenario_ends import CATEGORIZED, WHOLE, C, End, F, H
from tests.support.waiting import wait_for

THROUGH_WRAPPERS = (
    *("all-green", "failing-test", "group-never-runs", "runner-killed"),
    *("child-outlives-parent", "stale-artifacts"),
)
"""One scenario for each phase and for the closing message, and two that depend on processes and files of earlier runs.

All others are recorded runs (`test_scenarios.py`, `test_live_replay.py`).
"""


def inspect(host: Controller, state: dict[str, Any], *more: str) -> dict[str, Any]:
    record = json.loads((host.state_root / BUILD / "runner-exit.json").read_text())
    end = ["--signal", record["signal"]] if record["signal"] else ["--exit-code", str(record["exit_code"])]
    args = [str(host.state_root / BUILD / "runner.log"), "--artifacts", str(host.workdir / "cmcReporter")]
    args += ["--build-name", BUILD, "--inventory", str(host.workdir / "atvm/inventory/vm-inventory.md"), *end]
    args += ["--categorize"] if state["categorized"] else []
    answer = host.call("atvm-pipeline", "inspect", *args, *more, "--json")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def assert_end(host: Controller, state: dict[str, Any], end: End) -> None:
    assert (state["phase"], state["reason"]["code"]) == (end.phase, end.code), state["reason"]
    assert tuple(subrun["phase"] for subrun in state["subruns"]) == end.subruns
    assert len(host.webhook.posts) == end.posts, host.texts()
    assert (state["post"] is not None) == end.closing
    for subrun in state["subruns"]:
        outcome = subrun["post"]["outcome"] if subrun["post"] else None
        assert outcome == ("sent" if subrun["phase"] in (C, F) else None)
        ledger = subrun["ledger"]
        parts = ("passed", "failed", "pending", "skipped", "crashed", "not_run", "no_report")
        assert ledger["planned"] == sum(ledger[part] for part in parts)


@pytest.mark.parametrize("scenario", THROUGH_WRAPPERS)
def test_a_categorized_run_ends_as_its_scenario_states_live_replayed_and_inspected(
    scenario: str, tmp_path: Path
) -> None:
    end = CATEGORIZED[scenario]
    with Controller(tmp_path, scenario=scenario) as host:
        if scenario == "stale-artifacts":
            host.lay_old_reports()
        state = host.run()
        assert_end(host, state, end)
        replayed = host.call("atvm-pipeline", "replay", str(host.state_root / BUILD), "--json")
        assert replayed.stdout == (host.state_root / BUILD / "state.json").read_text()
        found = inspect(host, state)

    assert (found["phase"], found["reason"]["code"]) == (end.phase, end.code)
    assert [subrun["phase"] for subrun in found["subruns"]] == list(end.subruns)
    assert found["ledger"] == state["ledger"]
    for one, other in zip(found["subruns"], state["subruns"], strict=True):
        assert one["name"] == other["name"]
        assert [spec["detail"] for spec in one["specs"]] == [spec["detail"] for spec in other["specs"]]


@pytest.mark.parametrize("scenario", ["failing-test", "runner-killed"])
def test_a_run_that_is_not_categorized_is_one_sub_run_reported_at_its_end(
    scenario: str, tmp_path: Path
) -> None:
    with Controller(tmp_path, scenario=scenario) as host:
        state = host.run(categorize=False)
        assert_end(host, state, WHOLE[scenario])
        found = inspect(host, state)

    assert state["categorized"] is False
    assert state["subruns"][0]["name"] == BUILD
    assert (found["phase"], found["reason"]["code"], found["ledger"]) == (
        state["phase"],
        state["reason"]["code"],
        state["ledger"],
    )


@pytest.mark.interpreter
@pytest.mark.host
def test_the_one_shot_example_leaves_state_sub_runs_and_posts_and_no_process(tmp_path: Path) -> None:
    with Controller(tmp_path, scenario="demo") as host:
        state = host.run()
        folder = host.state_root / BUILD
        subruns = [json.loads((folder / "subruns" / f"{n:03d}.json").read_text()) for n in (1, 2, 3)]
        posts = [json.loads((folder / "posts" / f"{n:03d}.json").read_text()) for n in (1, 2, 3)]
        status = json.loads(host.call("atvm-pipeline", "status", BUILD, "--json").stdout)
        texts = host.texts()
        log = (host.folder / f"{BUILD}.launch.log").stat()
        logs = [host.call("atvm-pipeline", "logs", BUILD, *kind).stdout for kind in ((), ("--template",))]
        modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}

    assert state["phase"] == F
    assert [subrun["phase"] for subrun in subruns] == [C, F, C]
    assert [subrun["run_id"] for subrun in subruns] == [state["run_id"]] * 3
    assert [(post["outcome"], post["attempts"]) for post in posts] == [("sent", 1)] * 3
    assert status["live"] == {"watcher": False, "runner": False}
    # Cypress colours its own lines in CI.
    assert ["1 of 3 groups failed" in logs[0], "specPattern" in logs[1]] == [True, True]
    redhat = state["subruns"][0]["hosts"][0]
    assert (redhat["host"], redhat["kernel"], redhat["result"], redhat["detail"]) == (
        "redhat9.6",
        "5.14.0-570.el9",
        "PASS",
        "completed",
    )
    assert redhat["sources"] == ["log", "xml"]
    assert redhat["artifact"] == "cmcReporter/redhat9.6.xml"
    assert state["subruns"][0]["ledger"]["flaky"] == 1
    assert [(s["label_trusted"], s["name"]) for s in state["subruns"]][2] == (False, "e2e-w2k25-fc")
    assert "FAILED" in texts[1]
    assert "does not match" in texts[2]
    assert all("PASS completed" in text for text in (texts[0], texts[2]))
    assert stat.S_IMODE(log.st_mode) == 0o600
    assert set(modes.values()) == {0o600, 0o700}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())


def test_a_failing_template_starts_nothing_and_leaves_the_earlier_state_untouched(host: Controller) -> None:
    host.run()
    before = {path: path.read_bytes() for path in (host.state_root / BUILD).rglob("*") if path.is_file()}
    command = "for n in $(seq 30); do echo line $n; done; echo broken >&2; exit 3"
    failed = host.start(template=command)

    assert failed.returncode == 10
    assert "line 30" in failed.stderr
    assert "broken" in failed.stderr
    assert "line 11\n" not in failed.stderr
    assert len(host.webhook.posts) == 3
    assert before == {
        path: path.read_bytes() for path in (host.state_root / BUILD).rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_preflight_mismatch_starts_nothing(check: tuple[str, ...], host: Controller) -> None:
    other = (
        f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name e2e-redhat9.6-fc --categorize"
    )
    refused = host.start(*check, runner=other)

    assert refused.returncode == 11
    assert "preflight" in refused.stderr
    assert "e2e-redhat9.6-fc" in refused.stderr
    assert not (host.state_root / BUILD).exists()


def test_a_stale_spec_pattern_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with Controller(tmp_path, scenario="stale-spec-pattern") as host:
        refused = host.start()

        assert refused.returncode == 11
        assert "redhat9.6" in refused.stderr
        assert not (host.state_root / BUILD).exists()


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"MATTERMOST_ATVM_WEBHOOK": ""}, 78, "MATTERMOST_ATVM_WEBHOOK"),
        ({"MATTERMOST_ATVM_WEBHOOK": "not a webhook s3cret"}, 78, "webhook"),
        ({"ATVM_WATCHER_STATE_ROOT": "/proc/nowhere"}, 73, "state root"),
        ({"ATVM_WATCHER_LAUNCH_LOG_DIR": "/proc/nowhere"}, 73, "launch log"),
        ({"ATVM_WATCHER_QUIET_LIMIT_S": "soon"}, 78, "QUIET_LIMIT"),
        ({"ATVM_WATCHER_POST_PHASES": "GREEN"}, 78, "POST_PHASES"),
    ],
)
def test_a_refusal_is_one_clear_line_and_starts_nothing(
    change: dict[str, str], code: int, word: str, host: Controller
) -> None:
    refused = host.start(environ=change)

    assert refused.returncode == code
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert word in refused.stderr
    assert "s3cret" not in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (host.state_root / BUILD).exists()


@pytest.mark.parametrize("name", ["", "-b", ".b", "a/b", "a b", "x" * 129, "a\nb", "ä"])
def test_a_wrong_build_name_is_refused_in_one_line(name: str, host: Controller) -> None:
    refused = host.start(build=name)

    assert refused.returncode == 64
    assert len(refused.stderr.strip().splitlines()) == 1
    assert host.builds() == []


def test_an_unknown_flag_is_refused_in_one_line(host: Controller) -> None:
    refused = host.start("--no-such-flag")

    assert refused.returncode == 64
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_command_reaches_the_runner_unchanged(host: Controller) -> None:
    hard = "a b'c\"d $HOME `id` % %i %% \\ \\n * ü 😀 {x} ~ ! # ;"
    script = host.workdir / "show.py"
    script.write_text("import json, sys; json.dump(sys.argv[1:], open('argv.json', 'w'))")
    quoted = "'" + hard.replace("'", "'\\''") + "'"
    host.run(
        template=None,
        runner=f"python3 show.py {quoted} \\\n  'line\nbreak'",
        build="passage",
        categorize=False,
    )

    assert json.loads((host.workdir / "argv.json").read_text()) == [hard, "line\nbreak"]


def test_a_pipe_cannot_hide_the_exit_code_of_the_runner(host: Controller) -> None:
    command = f"{RUNNER} --categorize; (exit 7) | cat"
    state = host.run(runner=command)

    assert (state["phase"], state["reason"]["code"]) == (F, "runner-failed")
    assert "7" in state["reason"]["text"]


def test_a_cancelled_run_is_reported_nowhere_and_never_changes_again(tmp_path: Path) -> None:
    with Controller(tmp_path) as host:
        host.hold("ubuntu24.04")
        assert host.start().returncode == 0
        wait_for(lambda: len(host.state()["subruns"]) == 2, "the second group")
        cancelled = host.call("cancel-atvm-run-watcher.sh", "--build-name", BUILD)
        told = len(host.webhook.posts)
        state = host.state()
        again = host.call("cancel-atvm-run-watcher.sh", "--build-name", BUILD)
        status = json.loads(host.call("atvm-pipeline", "status", BUILD, "--json").stdout)
        stopped = host.call("cancel-atvm-runner.sh", "--build-name", BUILD)

        assert cancelled.returncode == 0, cancelled.stderr
        assert f"cancel-atvm-runner.sh --build-name {BUILD}\n" in cancelled.stderr
        assert state["phase"] == "CANCELLED"
        assert state["cancelled"]["who"]
        assert status["live"] == {"watcher": False, "runner": True}
        assert again.returncode == 1
        assert stopped.returncode == 0, stopped.stderr
        assert host.state() == state
        assert len(host.webhook.posts) == told


@pytest.mark.host
def test_a_cancel_without_a_living_watcher_writes_the_state_itself(tmp_path: Path) -> None:
    with Controller(tmp_path) as host:
        host.hold("redhat9.6")
        host.start()
        pid = json.loads((host.state_root / BUILD / "watcher.json").read_text())["pid"]
        os.kill(pid, 9)
        cancelled = host.call("cancel-atvm-run-watcher.sh", "--build-name", BUILD, "--why", "wrong config")

        assert cancelled.returncode == 0, cancelled.stderr
        assert host.state()["phase"] == "CANCELLED"
        assert host.state()["cancelled"]["why"] == "wrong config"


@pytest.mark.host
def test_a_living_runner_refuses_another_start_of_its_build_and_of_its_config(tmp_path: Path) -> None:
    with Controller(tmp_path) as host:
        host.hold("redhat9.6")
        host.start()
        again = host.start()
        sibling = "e2e-redhat9.6-ubuntu24.04-w2k25-iscsi"
        command = f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name {sibling} --categorize"
        other = host.start(build=sibling, runner=command)

        assert (again.returncode, other.returncode) == (75, 75)
        assert "--share-config" in other.stderr
        assert not (host.state_root / sibling).exists()


def test_a_second_run_of_a_build_sees_nothing_of_the_first(host: Controller) -> None:
    first = host.run()
    second = host.run()
    archived = list((host.state_root / ".archive" / BUILD).iterdir())

    assert first["run_id"] != second["run_id"]
    assert second["phase"] == C
    assert len(second["subruns"]) == 3
    assert [json.loads((folder / "state.json").read_text())["run_id"] for folder in archived] == [
        first["run_id"]
    ]
    assert len(host.webhook.posts) == 6


@pytest.mark.host
def test_a_watcher_that_is_killed_continues_where_it_was_and_reports_each_group_once(tmp_path: Path) -> None:
    with Controller(tmp_path) as host:
        later = ("ubuntu24.04", "w2k25")
        host.hold(*later)
        host.start()
        for ended, following in zip(("redhat9.6", "ubuntu24.04"), later, strict=True):
            # Identified by its group, not by its number, because a repeat of the previous message must not be killed as well.
            wait_for(
                lambda ended=ended: any(f"`e2e-{ended}-fc`" in text for text in host.texts()),
                f"the message of {ended}",
            )
            pid = json.loads((host.state_root / BUILD / "watcher.json").read_text())["pid"]
            os.kill(pid, 9)
            joined = host.call("start-atvm-run-watcher.sh", "--attach", "--build-name", BUILD)
            assert joined.returncode == 0, joined.stderr
            host.let_go(following)
        host.wait()
        texts = host.texts()
        state = host.state()

    assert state["phase"] == C
    for host_name in ("redhat9.6", "ubuntu24.04", "w2k25"):
        told = [text for text in texts if f"`e2e-{host_name}-fc`" in text]
        # A kill between the intent and the sending leaves only the marked one. There is never none, and never two unmarked.
        assert told
        assert sum("Possible duplicate" not in text for text in told) <= 1


@pytest.mark.parametrize(
    ("scenario", "code", "speed", "stall_s"),
    [
        # Slow enough that a scan of the process table finds the browser before it dies, also on a busy machine.
        ("hang-with-cause", "quiet-with-cause", 0.4, "200"),
        ("hang-without-cause", "stalled", 5, "12"),
    ],
)
def test_a_run_that_hangs_is_hung_while_its_processes_live(
    scenario: str, code: str, speed: float, stall_s: str, tmp_path: Path
) -> None:
    limits = {"ATVM_WATCHER_QUIET_LIMIT_S": "4", "ATVM_WATCHER_STALL_LIMIT_S": stall_s}
    with Controller(tmp_path, scenario=scenario, speed=speed, **limits) as host:
        state = host.run()
        alive = json.loads(host.call("atvm-pipeline", "status", BUILD, "--json").stdout)["live"]

    assert (state["phase"], state["reason"]["code"]) == (H, code), state["reason"]
    assert alive == {"watcher": False, "runner": True}


def test_the_halves_of_a_start_work_one_after_the_other(host: Controller) -> None:
    args = ["--build-name", BUILD, "--runner-command", f"{RUNNER} --categorize", "--supervisor", "local"]
    watcher = host.call("start-atvm-run-watcher.sh", *args, "--template-command", TEMPLATE, "--categorize")
    assert watcher.returncode == 0, watcher.stderr
    assert host.state()["phase"] == "PENDING"
    runner = host.call("start-atvm-runner.sh", *args)
    assert runner.returncode == 0, runner.stderr
    host.wait()

    assert host.state()["phase"] == C
    assert len(host.webhook.posts) == 3


def test_a_message_that_waits_is_resent_by_hand_and_marked(host: Controller) -> None:
    host.webhook.script(rate_limited("3600"))
    assert host.start(categorize=False).returncode == 0
    wait_for(lambda: host.state()["phase"] == C, "the verdict")
    wait_for(lambda: host.webhook.requests, "a first attempt")
    os.kill(host.record("watcher.json")["pid"], 9)
    host.webhook.script()
    resent = host.call("atvm-pipeline", "resend", BUILD)

    assert resent.returncode == 0, resent.stderr
    marks = (":warning: **Sent again by hand**", ":warning: **Possible duplicate**")
    assert [text.startswith(marks) for text in host.texts()] == [True]
    assert host.state()["subruns"][0]["post"]["outcome"] == "sent"
    assert host.call("atvm-pipeline", "wait", BUILD).returncode == 0


def test_a_start_while_the_earlier_run_settles_waits_for_its_verdict_and_message(tmp_path: Path) -> None:
    with Controller(tmp_path, ATVM_WATCHER_SETTLE_S="3") as host:
        assert host.start(categorize=False).returncode == 0
        wait_for((host.state_root / BUILD / "runner-exit.json").exists, "the runner's end")
        first = host.state()["run_id"]
        assert host.start(categorize=False).returncode == 0
        host.wait()
        archived = [
            json.loads((folder / "state.json").read_text())
            for folder in (host.state_root / ".archive" / BUILD).iterdir()
        ]

    assert [(state["run_id"], state["phase"]) for state in archived] == [(first, C)]
    assert len(host.webhook.posts) == 2
