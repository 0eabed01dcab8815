"""A runner that is gone without an exit record: how the watcher interprets the stop marker and the boot."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.core.events import Event, RunnerStarted, RunnerVanished, RunRequested
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.shell.sources.collector import VANISH_LOOKS, Sources
from atvm_pipeline.shell.state_dir.records import MarkerRecord, Paths, Request, write_record
from atvm_pipeline.shell.system.clock import boot_id
from atvm_pipeline.shell.system.files import make_folder
from tests.support.project import ONE_HOST_BUILD as BUILD

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
GONE_PID = 2**22
"""Above the kernel's largest process id."""


class World:
    """The directory of one run, and its sources."""

    def __init__(self, folder: Path, *, started: bool, ours: bool = False, boot: str | None = None) -> None:
        self.paths = Paths(folder / "state", BUILD)
        make_folder(self.paths.folder)
        make_folder(self.paths.runner_lock.parent)
        self.named: dict[str, Any] = {"build_name": BUILD, "run_id": "r1"}
        boot = boot_id() if boot is None else boot
        request = Request(
            **self.named,
            requested_at=NOW,
            runner_command="bash runner.sh" if ours else None,
            workdir=str(folder),
            log_path=str(folder / "runner.log"),
            artifacts_dir=str(folder / "cmcReporter"),
            boot_id=boot,
        )
        run = begin_run(RunRequested(seq=1, at=NOW, log_path=request.log_path, **self.named)).run
        if started:
            run = reduce(run, RunnerStarted(seq=2, at=NOW, pid=GONE_PID, create_time=1.0, boot_id=boot)).run
        self.sources = Sources(self.paths, request, run, lambda _path: None)

    def stop(self, *, run_id: str = "r1", **more: Any) -> "World":
        marker = MarkerRecord(**{**self.named, "run_id": run_id}, who="alice", requested_at=NOW, **more)
        write_record(self.paths.stop, marker)
        return self

    def look(self) -> list[Event]:
        return [event for event in self.sources.gather(None) if isinstance(event, RunnerVanished)]

    def vanished(self) -> tuple[bool, bool] | None:
        """Return (rebooted, stop requested) once enough scans have missed the runner; None if that has no effect."""
        seen = [event for _ in range(VANISH_LOOKS) for event in self.look()]
        assert len(seen) <= 1
        return (seen[0].rebooted, seen[0].stop_requested) if seen else None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Create the sources of a run, which are closed after the test."""
    with ExitStack() as opened:

        def make(**named: Any) -> World:
            made = World(tmp_path, **named)
            opened.enter_context(made.sources)
            return made

        yield make


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("marker", "found"),
    [
        (None, (False, False)),
        ({}, (False, True)),
        ({"host_down": True}, (True, False)),
        ({"run_id": "another"}, (False, False)),
    ],
    ids=["none", "requested", "host-down", "another-run"],
)
def test_a_runner_that_is_gone_was_stopped_if_the_marker_of_this_run_reports_it(
    marker: dict[str, Any] | None, found: tuple[bool, bool], ours: bool, world: Callable[..., World]
) -> None:
    run = world(started=True, ours=ours)
    if marker is not None:
        run.stop(**marker)

    assert run.vanished() == found
    assert run.look() == []


def test_one_scan_that_misses_a_runner_proves_nothing(world: Callable[..., World]) -> None:
    assert world(started=True).stop().look() == []


def test_a_requested_stop_before_a_reboot_is_both(world: Callable[..., World]) -> None:
    assert world(started=True, boot="an-earlier-boot").stop().vanished() == (True, True)


def test_a_runner_that_was_stopped_before_a_scan_found_it_is_waited_for_no_longer(
    world: Callable[..., World],
) -> None:
    assert world(started=False).stop().vanished() == (False, True)


@pytest.mark.parametrize(("ours", "stopped"), [(False, False), (True, False), (True, True)])
def test_a_runner_that_has_not_come_yet_is_not_gone(
    ours: bool, stopped: bool, world: Callable[..., World]
) -> None:
    run = world(started=False, ours=ours)
    if stopped:
        run.stop()

    assert run.vanished() is None


def test_no_runner_comes_after_a_reboot(world: Callable[..., World]) -> None:
    assert world(started=False, ours=True, boot="an-earlier-boot").vanished() == (True, False)
