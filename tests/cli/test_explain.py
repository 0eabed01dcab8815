"""`explain` prints each sentence and each piece of evidence of a run once."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.cli.commands import explain, status
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.shell.state_dir.paths import Paths
from tests.conftest import REPLAY


@pytest.fixture
def explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs `explain` on a recorded run and returns the printed lines and the run's state."""

    def lines_of(name: str, command: Any = explain) -> tuple[list[str], dict[str, Any]]:
        paths = Paths(tmp_path, name)
        paths.folder.mkdir(exist_ok=True)
        shutil.copy(REPLAY / name / "state.json", paths.state)
        command.run(argparse.Namespace(build=name, json=False, state_root=str(tmp_path)))
        return capsys.readouterr().out.splitlines(), json.loads(paths.state.read_text())

    return lines_of


NAMES = sorted(folder.name for folder in REPLAY.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_reason_of_a_run_is_printed_once(name: str, explained: Any) -> None:
    lines, state = explained(name)

    assert sum(state["reason"]["text"] in line for line in lines) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-whole")])
def test_a_run_that_is_one_sub_run_prints_its_sentence_row_counts_and_evidence_once(
    name: str, explained: Any
) -> None:
    lines, _ = explained(name)
    body = [line for line in lines if line.startswith("   ")]

    assert "   reason and evidence: see the run, above" in body
    for kind in ("reason ", "rule ", "specs: "):
        assert sum(line.startswith(f"   {kind}") for line in body) == 1 + (kind == "reason ")
    evidence = [line for line in body if line.startswith("   evidence: ")]
    assert len(evidence) == len(set(evidence))


def test_a_sub_run_refers_to_the_runs_reason_where_that_has_its_sentence(explained: Any) -> None:
    lines, state = explained("failed-grouped-report")
    sentence = state["subruns"][1]["reason"]["text"]

    assert sum(sentence in line for line in lines) == 1
    assert "   reason tests-failed: see the reason of the run, above" in lines
    assert "   reason host-pending: No spec passed for the requested host w2k25." in lines
    evidence = [line for line in lines if line.startswith("   evidence: ")]
    assert len(evidence) == len(set(evidence))


def test_a_label_that_does_not_fit_is_named_by_the_note_alone(explained: Any) -> None:
    lines, _ = explained("failed-wrong-hosts")
    note = "The label e2e-redhat9.6-fc does not match the hosts that ran (sles15.5); the group is reported as e2e-sles15.5-fc."

    assert [line for line in lines if note in line] == [f"   note: {note}"]


def test_failing_tests_whose_names_were_not_kept_are_counted(explained: Any) -> None:
    lines, _ = explained("failed-256")

    assert "        and 206 more" in lines


@pytest.mark.parametrize("command", [explain, status])
def test_a_sub_run_without_any_spec_says_so(command: Any, explained: Any) -> None:
    lines, _ = explained("failed-no-specs", command)

    assert sum("no spec ran" in line for line in lines) == 3
    assert not any("0 planned" in line for line in lines)


def test_a_page_shows_a_reason_with_a_bar_in_it_once(tmp_path: Path) -> None:
    state = json.loads((REPLAY / "failed-runner" / "state.json").read_text())
    state["reason"]["text"] = "One part | another part."
    page = status._page(Paths(tmp_path, "b"), state)

    assert page.count("another part.") == 1


HOST_KEYS = ("requested_hosts", "host_sources", "not_checked", "host_check_note")


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", [explain, status])
def test_a_state_that_lacks_the_keys_about_hosts_is_shown_without_them(
    command: Any, as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of these keys, the first release wrote only the requested hosts."""
    paths = saved(tmp_path, lambda state: [state.pop(key) for key in HOST_KEYS])

    command.run(argparse.Namespace(build=paths.build_name, json=as_json, state_root=str(tmp_path)))

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
        explain.run(argparse.Namespace(build=paths.build_name, json=False, state_root=str(tmp_path)))

    assert "\n" not in str(refused.value)


def saved(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Paths:
    """Write a changed copy of a recorded state."""
    paths = Paths(tmp_path, "failed-grouped-report")
    paths.folder.mkdir()
    state = json.loads((REPLAY / paths.build_name / "state.json").read_text())
    change(state)
    paths.state.write_text(json.dumps(state))
    return paths
