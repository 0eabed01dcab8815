"""The processes of the stand-in: those that hang, wait at a gate, die together, or outlive their parent."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.stand_in import copy_of_root, environment, runner_call
from tests.support.waiting import DEADLINE_S, wait_for

FINISHED = "(Run Finished)"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., tuple[Path, Path, psutil.Process]]]:
    """Start a run that may not end by itself. The rest of its process tree is killed afterwards."""
    trees: list[psutil.Process] = []

    def start(scenario: str, speed: str, **more: str) -> tuple[Path, Path, psutil.Process]:
        root, log = copy_of_root(tmp_path), tmp_path / "runner.log"
        (root / "cmcReporter").mkdir()
        (root / "cmcReporter/ubuntu24.04.xml").write_text("of an earlier run")
        with log.open("wb") as output:
            process = psutil.Popen(
                runner_call("--categorize"),
                cwd=root,
                env=environment(scenario, speed=speed, **more),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        trees.append(process)
        return root, log, process

    yield start
    for process in trees:
        for one in psutil.process_iter():
            try:
                if os.getsid(one.pid) == process.pid:
                    one.kill()
            except (psutil.Error, OSError):
                continue
        process.wait(DEADLINE_S)


@pytest.mark.parametrize(("scenario", "browsers"), [("hang-with-cause", 0), ("hang-without-cause", 1)])
def test_a_hang_keeps_its_processes(scenario: str, browsers: int, started: Callable[..., tuple]) -> None:
    root, log, process = started(scenario, "100")
    wait_for(lambda: log.read_text().count("✓ starts the migration session") == 2, "the second session")

    def tree() -> list[str]:
        return [" ".join(child.cmdline()) for child in process.children(recursive=True)]

    wait_for(lambda: sum("electron --type=renderer" in line for line in tree()) == browsers, "the browsers")
    assert sum("stand-in/cypress run" in line for line in tree()) == 1
    assert log.read_text().count(FINISHED) == 1
    # The reporter removed the old file when the spec started, and has written nothing yet.
    assert not (root / "cmcReporter/ubuntu24.04.xml").exists()


def test_a_spec_waits_at_its_gate(started: Callable[..., tuple], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    (gate / "ubuntu24.04").touch()
    _, log, process = started("all-green", "100", ATVM_STAND_IN_GATE=str(gate))
    wait_for(lambda: "Running:  ubuntu24.04.cy.ts" in log.read_text(), "the held spec")

    assert process.poll() is None
    assert log.read_text().count("✓ starts the migration session") == 1

    (gate / "ubuntu24.04").unlink()

    assert process.wait(DEADLINE_S) == 0
    assert log.read_text().count(FINISHED) == 3


def test_the_browser_dies_with_a_killed_cypress(started: Callable[..., tuple]) -> None:
    _, log, process = started("hang-without-cause", "100")
    wait_for(lambda: log.read_text().count("✓ starts the migration session") == 2, "the second session")
    [cypress] = process.children()
    [browser] = cypress.children()

    cypress.kill()

    wait_for(lambda: not browser.is_running(), "the end of the browser")


def test_a_child_outlives_a_runner_that_does_not_wait(started: Callable[..., tuple]) -> None:
    _, log, process = started("child-outlives-parent", "8")

    assert process.wait(DEADLINE_S) == 0
    assert log.read_text().count(FINISHED) == 2
    wait_for(lambda: log.read_text().count(FINISHED) == 3, "the third summary")
