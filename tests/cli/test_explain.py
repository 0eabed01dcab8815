"""`explain` prints a verdict in ten lines with the line that proves it, and all evidence on request; no sentence twice."""

import argparse
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.cli import explanation
from atvm_pipeline.cli.commands import explain, status
from atvm_pipeline.cli.evidence_page import evidence_page
from atvm_pipeline.cli.proof import ProofFinder
from atvm_pipeline.cli.run_page import run_page
from atvm_pipeline.cli.run_state import Call, ShownRun
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.shell.state_dir.paths import Paths
from tests.conftest import REPLAY
from tests.support.project import BUILD

CALL = Call(datetime(2026, 11, 28, tzinfo=UTC))
NAMES = sorted(folder.name for folder in REPLAY.iterdir())


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that explains a recorded run and returns the printed lines and the run's state."""

    def lines_of(name: str, command: Any = explain, **options: bool) -> tuple[list[str], dict[str, Any]]:
        paths = Paths(tmp_path, name)
        shutil.copytree(REPLAY / name, paths.folder, dirs_exist_ok=True)
        # Its log moved with the directory.
        state = json.loads(paths.state.read_text().replace("/srv/state/" + BUILD, f"{tmp_path}/{name}"))
        state["build_name"] = name
        paths.state.write_text(json.dumps(state))
        command.run(call(name, tmp_path, **options))
        return capsys.readouterr().out.splitlines(), state

    return lines_of


def call(build: str, root: Path, **options: bool) -> argparse.Namespace:
    """Return the arguments of a call of a reading command."""
    return argparse.Namespace(
        **{"build": build, "json": False, "verbose": False, "state_root": str(root), **options}
    )


def shown(state: dict[str, Any], paths: Paths) -> ShownRun:
    """Return a run of which no process is alive."""
    return ShownRun(paths, state, {}, {"watcher": False, "runner": False})


def summary_of(state: dict[str, Any], paths: Paths) -> list[str]:
    """Return the short explanation of a state."""
    return explanation.summary(explanation.explain(shown(state, paths), CALL), 80)


def text_of(lines: list[str]) -> str:
    """Return the lines as one text, without the ends of wrapped lines."""
    return " ".join(" ".join(lines).split())


# --- the short form ---


@pytest.mark.parametrize("name", NAMES)
def test_an_explanation_has_at_most_ten_lines_of_80_columns_and_prints_nothing_twice(
    name: str, explained: Any
) -> None:
    lines, state = explained(name)
    commands = [line for line in lines if "atvm-pipeline " in line or "less +" in line]

    assert len(lines) <= 10
    assert [line for line in lines if len(line) > 80 and line not in commands] == []
    assert len(lines) == len(set(lines))
    assert text_of(lines).count(state["reason"]["text"][:30]) == 1
    assert lines[0] == f"{name}: {state['phase']}"
    assert f"atvm-pipeline explain {name} -v --state-root " in commands[-1]


@pytest.mark.parametrize("name", NAMES)
def test_the_quoted_line_is_the_numbered_line_of_the_log_and_no_head_of_a_box(
    name: str, explained: Any
) -> None:
    lines, _ = explained(name)
    log = (
        (REPLAY / name / "runner.log").read_text().splitlines()
        if (REPLAY / name / "runner.log").exists()
        else []
    )
    quote = text_of([line.strip().removeprefix("| ") for line in lines if line.strip().startswith("| ")])
    numbers = [int(found[1]) for line in lines if (found := re.search(r"runner\.log, line (\d+)$", line))]

    if quote:
        (number,) = numbers
        assert quote in text_of([log[number - 1]])
        assert "(Results)" not in quote


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        ("failed-256", "Error: checksum mismatch"),
        (
            "failed-demo",
            "AssertionError: Timed out retrying after 120000ms: expected 'In Progress' to equal 'Complete'",
        ),
        ("failed-crash", "We detected that the Chromium Renderer process just crashed."),
        ("failed-no-specs", "Can't run because no spec files were found."),
        ("failed-wrong-hosts", "Spec Ran: sles15.5.cy.ts"),
        ("hung", "Running: ubuntu24.04.cy.ts (1 of 2)"),
        ("completed", "✔ All specs passed! 04:08 5 5 - - -"),
    ],
)
def test_the_line_that_proves_a_verdict_is_quoted(name: str, quote: str, explained: Any) -> None:
    lines, _ = explained(name)

    assert quote in text_of([line.strip().removeprefix("| ") for line in lines])


def test_a_log_without_a_result_is_named_with_its_last_line(explained: Any) -> None:
    lines, _ = explained("failed-group-never-ran")

    assert "  proof:   runner.log has no result up to line 212" in lines


def test_a_failing_row_is_quoted_where_the_log_has_no_error(explained: Any, tmp_path: Path) -> None:
    explained("failed-demo")
    log = tmp_path / "failed-demo" / "runner.log"
    log.write_bytes(re.sub(rb"resyncs|Assertion", lambda found: b"#" * len(found[0]), log.read_bytes()))
    state = json.loads((tmp_path / "failed-demo" / "state.json").read_text())

    proof = ProofFinder(state, Paths(tmp_path, "failed-demo")).of_case(state)

    assert proof is not None
    assert proof.text == "Failing: 1"


def test_a_long_reason_and_error_keep_their_ends(explained: Any, tmp_path: Path) -> None:
    explained("failed-demo")
    paths = Paths(tmp_path, "failed-demo")
    state = json.loads(paths.state.read_text())
    state["reason"]["text"] = "start " + "word " * 300 + "the end."
    paths.state.write_text(json.dumps(state))

    lines = summary_of(state, paths)

    assert len(lines) == 10
    assert "start word" in text_of(lines)
    assert "the end." in text_of(lines)


def test_an_external_log_of_an_archived_run_is_not_quoted(explained: Any, tmp_path: Path) -> None:
    """The next run of the build may have replaced it."""
    explained("failed-demo")
    archived = tmp_path / ".archive" / "failed-demo" / "20261123T100000Z"
    archived.parent.mkdir(parents=True)
    (tmp_path / "failed-demo").rename(archived)
    paths = Paths(tmp_path, "failed-demo", archived)
    state = json.loads(paths.state.read_text())
    moved = ProofFinder(state, paths).of_case(state)
    for item in state["reason"]["evidence"]:
        item["path"] = "/var/log/runner.log"

    assert moved is not None
    assert moved.path == archived / "runner.log"
    assert ProofFinder(state, paths).of_case(state) is None


def test_the_next_steps_open_the_log_and_send_lost_messages_again(explained: Any, tmp_path: Path) -> None:
    explained("failed-demo")
    paths = Paths(tmp_path, "failed-demo")
    state = json.loads(paths.state.read_text())
    state["subruns"][0]["post"] = {"outcome": "rejected"}

    assert explanation.explain(shown(state, paths), CALL).steps == [
        f"less +156 {paths.runner_log}",
        "atvm-pipeline resend failed-demo",
    ]


def test_a_run_in_progress_is_explained_by_its_first_failed_sub_run(explained: Any, tmp_path: Path) -> None:
    explained("failed-demo")
    paths = Paths(tmp_path, "failed-demo")
    state = json.loads(paths.state.read_text())
    state |= {
        "phase": "RUNNING",
        "reason": {"code": "running", "text": "The run is in progress.", "evidence": []},
    }

    lines = summary_of(state, paths)
    state["subruns"] = state["subruns"][:1]
    passed = summary_of(state, paths)

    assert "The run is in progress. e2e-ubuntu24.04-fc has failed: 1 of 2 specs failed:" in text_of(lines)
    assert "| AssertionError: Timed" in text_of(lines)
    assert len(lines) == 10
    assert "rule: 1, tests-failed:" in text_of(lines)
    assert "code: running" in text_of(passed)


def test_json_contains_the_rule_the_proof_and_the_next_steps(
    explained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explained("failed-demo")

    explain.run(call("failed-demo", tmp_path, json=True))
    found = json.loads(capsys.readouterr().out)

    assert found["phase"] == "FAILED"
    assert found["reason"]["code"] == "tests-failed"
    assert found["rule"]["number"] == "4"
    assert (found["proof"]["line"], found["proof"]["spec"]) == (156, "ubuntu24.04.cy.ts")
    assert found["next"] == [f"less +156 {tmp_path}/failed-demo/runner.log"]
    assert found["cases"][0]["name"] == "run"


# --- all evidence ---


@pytest.mark.parametrize("name", NAMES)
def test_the_full_form_prints_the_reason_of_a_run_once(name: str, explained: Any) -> None:
    lines, state = explained(name, verbose=True)

    assert text_of(lines).count(state["reason"]["text"]) == 1


def test_a_sub_run_refers_to_the_runs_reason_where_that_has_its_sentence(explained: Any) -> None:
    lines, state = explained("failed-grouped-report", verbose=True)
    sentence = state["subruns"][1]["reason"]["text"]

    assert text_of(lines).count(sentence) == 1
    assert "  why: tests-failed, see the run, above" in lines
    assert "  why: host-pending: No spec passed for the requested host w2k25." in lines
    evidence = [line for line in lines if line.startswith("  evidence: ")]
    assert len(evidence) == 4


def test_a_label_that_does_not_fit_is_named_by_the_note_alone(explained: Any) -> None:
    lines, _ = explained("failed-wrong-hosts", verbose=True)
    note = "The label e2e-redhat9.6-fc does not match the hosts that ran (sles15.5); the group is reported as e2e-sles15.5-fc."

    assert text_of(lines).count(note) == 1


def test_failing_tests_whose_names_were_not_kept_are_counted(explained: Any) -> None:
    lines, _ = explained("failed-256", verbose=True)

    assert "         and 206 more failing tests" in [
        line.replace("       and", "         and") for line in lines
    ]


def test_flaky_tests_are_named(explained: Any, tmp_path: Path) -> None:
    explained("failed-demo")
    paths = Paths(tmp_path, "failed-demo")
    state = json.loads(paths.state.read_text())
    state["subruns"][0]["specs"][0]["flaky"] = ["adds the host"]

    assert "       flaky: adds the host (passed after a retry)" in evidence_page(state, paths, [], 80)


@pytest.mark.parametrize(("command", "options"), [(explain, {"verbose": True}), (status, {})])
def test_a_sub_run_without_any_spec_reports_it(
    command: Any, options: dict[str, bool], explained: Any
) -> None:
    lines, _ = explained("failed-no-specs", command, **options)

    assert sum("no spec ran" in line for line in lines) == 3
    assert not any("0 planned" in line for line in lines)


def test_a_page_shows_a_reason_with_a_bar_in_it_once(tmp_path: Path) -> None:
    state = json.loads((REPLAY / "failed-runner" / "state.json").read_text())
    state["reason"]["text"] = "One part | another part."
    live = {"watcher": False, "runner": False}
    page = run_page(ShownRun(Paths(tmp_path, "b"), state, {}, live), Call(datetime.now(UTC)), None)

    assert "\n".join(page).count("another part.") == 1


HOST_KEYS = ("requested_hosts", "host_sources", "not_checked", "host_check_note")


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", [explain, status])
def test_a_state_that_lacks_the_keys_about_hosts_is_shown_without_them(
    command: Any, as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of these keys, the first release wrote only the requested hosts."""
    paths = saved(tmp_path, lambda state: [state.pop(key) for key in HOST_KEYS])

    command.run(call(paths.build_name, tmp_path, json=as_json))

    out = capsys.readouterr().out
    assert "tests-failed" in out
    if as_json and command is explain:
        assert [json.loads(out)[key] for key in HOST_KEYS] == [[], {}, [], ""]


@pytest.mark.parametrize("key", HOST_KEYS)
def test_a_state_whose_keys_about_hosts_are_of_another_type_is_refused_in_one_line(
    key: str, tmp_path: Path
) -> None:
    paths = saved(tmp_path, lambda state: state.update({key: 7}))

    with pytest.raises(DataError, match=rf"is not the state of a run \(\$\.{key} is not ") as refused:
        explain.run(call(paths.build_name, tmp_path))

    assert "\n" not in str(refused.value)


def saved(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Paths:
    """Write a changed copy of a recorded state."""
    paths = Paths(tmp_path, "failed-grouped-report")
    paths.folder.mkdir()
    state = json.loads((REPLAY / paths.build_name / "state.json").read_text())
    change(state)
    paths.state.write_text(json.dumps(state))
    return paths
