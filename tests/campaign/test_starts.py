"""Two watchers at once, and killed start commands: which one continues, and the effect of the next start."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.shell.exit_codes import UNAVAILABLE
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system.files import is_locked
from tests.campaign.watching import leftovers, processes_of
from tests.support.calls import completed
from tests.support.controller import BIN, CONFIG, RUNNER, TEMPLATE, Controller
from tests.support.project import BUILD, PROJECT
from tests.support.waiting import wait_for

START = (
    *(
        "--build-name",
        BUILD,
        "--supervisor",
        "local",
        "--config-file",
        CONFIG,
        "--template-command",
        TEMPLATE,
    ),
    *("--runner-command", f"{RUNNER} --categorize", "--categorize"),
)
IN_USE = 75


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Controller]:
    with Controller(tmp_path) as controller:
        yield controller


def paths_of(host: Controller) -> Paths:
    return Paths(host.state_root, BUILD)


def states(host: Controller) -> dict[str, dict[str, Any]]:
    """Return run_id -> state of every run, the archived ones too."""
    archive = host.state_root / ".archive" / BUILD
    folders = [host.state_root / BUILD, *(archive.iterdir() if archive.is_dir() else ())]
    read = [
        json.loads((folder / "state.json").read_text())
        for folder in folders
        if (folder / "state.json").exists()
    ]
    return {state["run_id"]: state for state in read}


def watchers(host: Controller, count: int) -> "list[subprocess.Popen[str]]":
    call = [sys.executable, "-m", "atvm_pipeline", "watch", BUILD, "--state-root", str(host.state_root)]
    return [
        subprocess.Popen(call, cwd=PROJECT, env=host.environ, text=True, stderr=subprocess.PIPE)
        for _ in range(count)
    ]


@pytest.mark.parametrize("count", [2, 5])
def test_of_watchers_that_are_started_at_once_exactly_one_watches(count: int, host: Controller) -> None:
    host.call("start-atvm-run-watcher.sh", *START)
    os.kill(host.record("watcher.json")["pid"], signal.SIGKILL)
    wait_for(lambda: not is_locked(paths_of(host).watcher_lock), "the first watcher's death")
    started = watchers(host, count)
    wait_for(lambda: sum(one.poll() is None for one in started) == 1, "all but one are refused")
    refused = [one for one in started if one.poll() is not None]
    (watching,) = (one for one in started if one.poll() is None)
    wait_for(
        lambda: (
            host.record("watcher.json")["ready_at"] and host.record("watcher.json")["pid"] == watching.pid
        ),
        "the one that watches",
    )
    said = [one.communicate()[1] for one in refused]
    resumed = (host.state_root / BUILD / "journal.jsonl").read_text().count('"watcher-started"')
    runner = host.call("start-atvm-runner.sh", *START)
    host.wait()
    watching.communicate()

    assert [one.returncode for one in refused] == [IN_USE] * (count - 1)
    assert said == [f"atvm-pipeline: build {BUILD} is already being watched\n"] * (count - 1)
    assert resumed == 2
    assert runner.returncode == 0, runner.stderr
    assert host.state()["phase"] == "COMPLETED"
    assert len(host.webhook.posts) == 3


def killed_start(host: Controller, kind: str, number: int) -> str:
    """Start, with SIGKILL just before (`half`: within) an operation of its own; return that operation."""
    note = host.folder / "died-at"
    argv = ["tests.campaign.mortal", kind, str(number), str(host.state_root), str(note), "run", *START]
    environ = {**host.environ, "PYTHONPATH": str(PROJECT)}
    died = completed([sys.executable, "-P", "-m", *argv], cwd=host.workdir, env=environ)
    assert died.returncode == -signal.SIGKILL, died.stderr
    return note.read_text().replace(BUILD, "B")


POINTS: dict[tuple[str, int], tuple[str, bool, bool]] = {
    ("rename", 1): ("rename B", True, False),
    ("half", 1): ("half .locks/starts/", True, False),
    ("write", 2): ("write B/.artifacts-before.json", False, False),
    ("rename", 2): ("rename B/.artifacts-before.json", False, False),
    ("half", 3): ("half B/.request.json", False, False),
    ("rename", 3): ("rename B/.request.json", False, False),
    ("spawn", 2): ("spawn ", False, False),
    ("spawn", 3): ("spawn ", False, True),
}
"""The place of the death -> operation, whether the earlier run is in its place, whether a watcher waits."""


@pytest.mark.parametrize("point", POINTS, ids=[f"{kind}-{number}" for kind, number in POINTS])
def test_a_start_that_is_killed_before_its_runner_runs_leaves_the_way_free_for_the_next(
    point: tuple[str, int], host: Controller
) -> None:
    doing, in_place, waits = POINTS[point]
    assert host.start(runner="exit 3", template=None, categorize=False).returncode == UNAVAILABLE
    host.wait()
    first = host.state()
    told = len(host.webhook.posts)
    was_doing = killed_start(host, *point)
    between = host.call("atvm-pipeline", "status", BUILD, "--json")
    lives = is_locked(paths_of(host).watcher_lock)
    kept = states(host)[first["run_id"]]
    second = host.run()

    assert was_doing.startswith(doing)
    assert (host.state_root / ".archive" / BUILD).is_dir()
    assert kept == first
    assert states(host)[first["run_id"]] == first
    assert lives is waits
    assert "Traceback" not in between.stderr
    assert len(between.stderr.splitlines()) <= 1
    if in_place or waits:
        assert json.loads(between.stdout)["live"] == {"watcher": waits, "runner": False}
    assert (second["phase"], len(second["subruns"])) == ("COMPLETED", 3)
    assert len(host.webhook.posts) == told + 3
    assert leftovers(paths_of(host)) == []
    wait_for(lambda: not processes_of(host), "no process of the killed start is left")


def test_a_start_that_is_killed_when_its_runner_runs_is_the_runs_no_more(tmp_path: Path) -> None:
    """The processes that it had started continue to the end; another start meanwhile is refused."""
    with Controller(tmp_path) as host:
        host.hold("redhat9.6")
        starting = subprocess.Popen(
            [str(BIN / "start-atvm-run.sh"), *START],
            cwd=host.workdir,
            env=host.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for((host.state_root / BUILD / "runner.json").exists, "the runner")
        starting.kill()
        starting.wait()
        again = host.start()
        host.let_go("redhat9.6")
        host.wait()

        assert again.returncode == IN_USE
        assert "is alive; cancel it first" in again.stderr
        assert host.state()["phase"] == "COMPLETED"
        assert len(host.webhook.posts) == 3
