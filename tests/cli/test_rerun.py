"""`rerun`: the question before a living run is stopped, and the refusals without a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atvm_pipeline.core.events import Settings
from atvm_pipeline.shell.state_dir.records import MarkerRecord, Paths, Request, RunnerRecord, read_record
from atvm_pipeline.shell.system.files import is_locked
from tests.support.processes import BUILD, RUN_ID, make_request, pipeline, runner
from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

SILENT = Settings(post_phases=(), settle_s=0.2)
"""Posts nothing, so that a start needs no webhook."""


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """A request whose runner sleeps. Everything that runs is stopped after the test."""
    paths = make_request(tmp_path, "sleep 300 # {hosts}", orphan_limit_s=1.0, settings=SILENT)
    yield paths
    call(paths, "cancel", BUILD, "--runner")
    wait_for(lambda: not is_locked(paths.watcher_lock), "the watcher's end")


@pytest.fixture
def living(paths: Paths) -> Iterator[Paths]:
    with runner(paths) as process:
        wait_for(lambda: read_record(paths.runner, RunnerRecord, RUN_ID), "the runner")
        yield paths
        process.terminate()
        process.communicate()


def environ(paths: Paths) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("ATVM_", "MATTERMOST_"))}
    return {**kept, "ATVM_WATCHER_ENV_FILE": os.devnull, "ATVM_WATCHER_STATE_ROOT": str(paths.state_root)}


def call(paths: Paths, *words: str) -> tuple[int, str, str]:
    """Run a command without a terminal; return its exit code and its output."""
    process = pipeline(*words, env=environ(paths), stdin=subprocess.DEVNULL)
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err


def on_terminal(paths: Paths, answer: str, *words: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, type an answer, and return its exit code and what it printed."""
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "atvm_pipeline", *words],
        cwd=PROJECT,
        env=environ(paths),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(control, 1024)
    os.write(control, f"{answer}\n".encode())
    try:
        while block := os.read(control, 1024):
            shown += block
    except OSError:  # the terminal was closed: its last process has ended
        pass
    os.close(control)
    return process.wait(DEADLINE_S), shown.decode().replace("\r\n", "\n")


def test_a_living_run_is_not_stopped_without_a_terminal(living: Paths) -> None:
    code, out, said = call(living, "rerun", BUILD)

    assert (code, out) == (75, "")
    assert said.count("\n") == 1
    assert f"build {BUILD} is not finished (its runner is running)" in said
    assert f"atvm-pipeline cancel --runner {BUILD}" in said
    assert is_locked(living.runner_lock)
    assert not living.cancel.exists()


@pytest.mark.parametrize("answer", ["", "n", "maybe"])
def test_any_answer_but_yes_changes_nothing(answer: str, living: Paths) -> None:
    code, shown = on_terminal(living, answer, "rerun", BUILD)

    assert code == 1
    assert "Cancel it, stop its runner and start again? [y/N]" in shown
    assert "nothing was changed" in shown
    assert is_locked(living.runner_lock)
    assert not living.cancel.exists()


def test_a_yes_cancels_the_living_run_and_starts_it_again(living: Paths) -> None:
    code, shown = on_terminal(living, "y", "rerun", BUILD)
    request = read_record(living.request, Request)
    (archived,) = living.archive.iterdir()

    assert code == 0, shown
    assert f"{BUILD}: CANCELLED" in shown
    assert f"{BUILD}: the runner is running (run " in shown
    assert request is not None
    assert request.run_id != RUN_ID
    assert request.runner_command == "sleep 300 # {hosts}"
    marker = read_record(archived / "cancel.json", MarkerRecord, RUN_ID)
    assert marker is not None
    assert marker.why == "started again with rerun"
    assert is_locked(living.runner_lock)


def test_a_check_neither_asks_nor_changes_anything(paths: Paths) -> None:
    code, out, said = call(paths, "rerun", BUILD, "--check")

    assert (code, said) == (0, "")
    assert f"{BUILD}: all checks passed; nothing was started (--check)" in out


def test_an_unknown_build_is_named(paths: Paths) -> None:
    code, _, said = call(paths, "rerun", "nosuch")

    assert code == 65
    assert f"build nosuch not found in {paths.state_root}" in said


def test_failed_without_any_result_starts_every_requested_host(paths: Paths) -> None:
    code, out, _ = call(paths, "rerun", BUILD, "--failed", "--check")

    assert code == 0
    assert "hosts checked: redhat9.6\n" in out
