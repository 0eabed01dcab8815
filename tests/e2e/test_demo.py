"""The demo, as a new user runs it: to its end, in a separate directory, and without other leftovers."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from atvm_pipeline.cli.commands.demo import BUILD
from tests.support.calls import completed
from tests.support.controller import BIN
from tests.support.project import BUILD as DOCUMENTED_BUILD
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.host


def demo(folder: Path, *words: str) -> str:
    """Return the demo's output."""
    call = [BIN / "atvm-pipeline", "demo", "--speed", "50", *words]
    done = completed(call, env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "80"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_plays_a_run_to_its_end_explains_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    launch_log = Path(f"/tmp/{BUILD}.launch.log")
    before = launch_log.exists()
    said = demo(tmp_path)

    assert "run: FAILED: 1 of 3 sub-runs failed" in said
    assert "group 3: message sent" in said
    assert f"{BUILD}: FAILED\n  why: " in said
    assert "| AssertionError: Timed out retrying" in said
    assert re.search(r"^  \S+ demo --keep +keep the files", said, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
    assert launch_log.exists() == before
    assert BUILD != DOCUMENTED_BUILD


def test_the_files_of_a_demo_can_be_kept(tmp_path: Path) -> None:
    said = demo(tmp_path, "--keep", "--scenario", "all-green")
    (folder,) = tmp_path.iterdir()

    assert f"rm -r {folder}" in said
    assert (folder / "state" / BUILD / "state.json").is_file()
    assert (folder / f"{BUILD}.launch.log").stat().st_uid == os.getuid()


def test_a_demo_whose_template_fails_ends_as_its_scenario_shows(tmp_path: Path) -> None:
    said = demo(tmp_path, "--scenario", "template-fails")

    assert "The start failed with exit code 10, as this scenario shows." in said
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_demo_stops_its_processes_and_deletes_its_files(tmp_path: Path) -> None:
    call = [BIN / "atvm-pipeline", "demo", "--scenario", "hang-without-cause"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(call, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        running = next(line for line in process.stdout if "RUNNING" in line)
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=DEADLINE_S)[0]

    assert "RUNNING" in running
    assert "CANCELLED" in rest
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
