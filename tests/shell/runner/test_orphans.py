"""A runner whose state directory was removed: it is found by its process, and it can be stopped."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atvm_pipeline.cli.doctor_checks.finding import Where
from atvm_pipeline.cli.doctor_checks.runs import orphans
from atvm_pipeline.cli.main import main
from atvm_pipeline.install.layout import Places
from atvm_pipeline.shell.processes.own_processes import find_own_processes
from atvm_pipeline.shell.runner.orphans import find_orphan_runners, find_orphan_watchers, find_process
from atvm_pipeline.shell.start.conflicts import Conflict, living_runner
from atvm_pipeline.shell.state_dir.records import Paths, RunnerRecord, read_record
from atvm_pipeline.shell.system.files import is_locked
from tests.support.processes import BUILD, RUN_ID, make_request, pipeline, runner
from tests.support.start_options import start_options
from tests.support.waiting import DEADLINE_S, wait_for


@pytest.fixture
def removed(tmp_path: Path) -> Iterator[Paths]:
    """A build with a living runner that has no state directory any more."""
    paths = make_request(tmp_path, "sleep 300", orphan_limit_s=1.0)
    with runner(paths) as process:
        wait_for(lambda: read_record(paths.runner, RunnerRecord, RUN_ID), "the runner")
        shutil.rmtree(paths.folder)
        yield paths
        process.kill()
        process.communicate()


def environ(paths: Paths) -> dict[str, str]:
    return {"ATVM_WATCHER_STATE_ROOT": str(paths.state_root)}


def test_it_is_found_by_its_process_and_no_other_state_root_has_it(removed: Paths, tmp_path: Path) -> None:
    (found,) = find_orphan_runners(removed.state_root)

    assert (found.build_name, found.unit) == (BUILD, None)
    assert find_orphan_runners(tmp_path / "elsewhere") == []
    assert find_orphan_watchers(removed.state_root) == []
    assert find_process(Paths(removed.state_root, "other")) is None


def test_it_is_found_after_the_complete_state_root_with_its_locks_was_removed(removed: Paths) -> None:
    shutil.rmtree(removed.state_root)

    assert [found.build_name for found in find_orphan_runners(removed.state_root)] == [BUILD]


def test_a_start_names_the_process_and_both_ways_out(removed: Paths, tmp_path: Path) -> None:
    conflict = living_runner(start_options(tmp_path, BUILD))
    found = find_process(removed)

    assert isinstance(conflict, Conflict)
    assert found is not None
    assert (
        f"is alive (process {found.pid}), but its state directory {removed.folder} was removed"
        in conflict.text
    )
    assert f"/bin/cancel-atvm-runner.sh --build-name {BUILD}, or watch it" in conflict.text
    assert f"/bin/start-atvm-run-watcher.sh --attach --build-name {BUILD}" in conflict.text


def test_a_watcher_cannot_follow_it_without_a_build_name_in_its_command(
    removed: Paths, tmp_path: Path
) -> None:
    conflict = living_runner(start_options(tmp_path, BUILD, only="watcher"))

    assert isinstance(conflict, Conflict)
    assert f"has --build_name {BUILD}; stop it with: " in conflict.text


def test_doctor_shows_it_with_the_commands(removed: Paths) -> None:
    (finding,) = orphans(Where(environ(removed), removed.state_root, Places(removed.state_root)))

    assert not finding.ok
    assert f"the runner of {BUILD} is alive" in finding.text
    assert finding.fix.startswith("stop it with: ")


def test_the_cancel_of_the_runner_stops_its_complete_tree(
    removed: Paths, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["cancel", "--only", "runner", "--build-name", BUILD, "--state-root", str(removed.state_root)]
    )
    said = capfd.readouterr().err

    assert code == 0
    assert f"{BUILD}: runner stopped (process " in said
    assert f"its state directory {removed.folder} was removed, so the end is not recorded" in said
    assert not is_locked(removed.runner_lock)
    assert find_orphan_runners(removed.state_root) == []
    assert not removed.folder.exists()


def test_a_cancel_without_the_runner_states_that_it_continues(
    removed: Paths, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["cancel", BUILD, "--state-root", str(removed.state_root)])
    said = capfd.readouterr().err

    assert code == 0
    assert f"{BUILD}: the runner continues (process " in said
    assert f"cancel-atvm-runner.sh --build-name {BUILD}" in said


def test_a_build_without_any_process_is_not_found(tmp_path: Path) -> None:
    done = pipeline("cancel", "unknown", "--state-root", str(tmp_path))
    _, said = done.communicate(timeout=DEADLINE_S)

    assert done.returncode == 65
    assert f"build unknown not found in {tmp_path}, and no process of it is running" in said


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-m", "atvm_pipeline", "runner", "b"], True),
        (["-P", "-X", "atvm-release", "-m", "atvm_pipeline", "runner", "--state-root={root}", "b"], True),
        (["/opt/bin/atvm-pipeline", "runner", "b", "--state-root", "{root}"], True),
        (["-m", "atvm_pipeline", "runner", "--stopped", "b"], False),
        (["-m", "atvm_pipeline", "watch", "b"], False),
        (["-m", "atvm_pipeline", "runner", "../b"], False),
        (["-m", "atvm_pipeline", "runner"], False),
        (["-m", "other", "runner", "b"], False),
        (["-m", "atvm_pipeline", "runner", "b", "--state-root", "/elsewhere"], False),
    ],
)
def test_a_command_line_is_recognised_with_its_state_root(
    words: list[str], found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from atvm_pipeline.shell.processes import own_processes

    root = tmp_path / "state"
    line = [sys.executable, *(word.replace("{root}", str(root)) for word in words)]
    monkeypatch.setattr(own_processes, "_pids", lambda: [4242])
    monkeypatch.setattr(own_processes, "_command_line", lambda _pid: line)
    monkeypatch.setattr(own_processes, "_environment", lambda _pid: {"ROOT": str(root)})
    monkeypatch.setattr(own_processes, "_unit", lambda _pid: None)
    processes = find_own_processes("runner", root, lambda environ: Path(environ["ROOT"]))

    assert [process.build_name for process in processes] == (["b"] if found else [])
