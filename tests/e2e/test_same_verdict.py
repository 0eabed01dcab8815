"""The verdict of a run does not depend on how its watcher learns of changes: with inotify, with polling, with hints
dropped, doubled, out of order or without any, and by a watcher that starts late.

`pytest -s tests/e2e/test_same_verdict.py` prints the table.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.core.events import ArtifactWritten, CancelRequested, Event, RunnerExited, RunnerVanished
from atvm_pipeline.core.reducer import begin_run, reduce
from tests.conftest import REPLAY
from tests.core.test_replay import read
from tests.support.disturbed_watcher import MODES
from tests.support.journal_player import Player
from tests.support.mattermost_server import MattermostModel
from tests.support.project import PROJECT
from tests.support.waiting import wait_for

RUNS = (
    "completed",
    "completed-stale-reports",
    "failed-demo",
    "failed-crash",
    "failed-grouped-report",
    "terminated-whole",
)
TIMES = frozenset(
    {"at", "gap_before_s", "last_activity_at", "next_attempt_at"}
    | {f"{name}_at" for name in ("started", "updated", "finished", "requested")}
)
NOT_COMPARED = TIMES | {"facts", "ignored"}
"""`facts` and `ignored` contain the individual events: their number and their times."""


class Watched(Player):
    """A run played to a watcher in one mode. With `late`, the watcher starts in the middle of the run."""

    def __init__(self, folder: Path, events: list[Event], log: bytes, mode: str) -> None:
        super().__init__(folder, events, log)
        self.mode = mode
        self.late = Late() if mode == "late" else None
        self.folded = begin_run(self.first).run
        self.ended = 0

    def watch(self, webhook: MattermostModel) -> "subprocess.Popen[bytes]":
        if self.late is not None and self.late.start is None:
            self.late.start = lambda: self.watch(webhook)
            return self.late  # type: ignore[return-value]
        environ = {**os.environ, "MATTERMOST_ATVM_WEBHOOK": webhook.url, "ATVM_WATCHER_ENV_FILE": os.devnull}
        call = [sys.executable, "-m", "tests.support.disturbed_watcher", self.mode, "watch", self.build]
        return subprocess.Popen([*call, "--state-root", str(self.paths.state_root)], cwd=PROJECT, env=environ)

    def ready(self, watcher: "subprocess.Popen[bytes]") -> bool:
        return (self.late is not None and not self.late.started) or super().ready(watcher)

    def step(self, event: Event) -> None:
        if self.late is not None and (
            event is self.events[len(self.events) // 2]
            or isinstance(event, CancelRequested | RunnerExited | RunnerVanished)
        ):
            self.begin_late()
        super().step(event)
        if event is not self.first:
            self.keep_pace(event)

    def keep_pace(self, event: Event) -> None:
        """A sub-run that has ended gets its verdict before the run continues, without a later hint or the end of the run."""
        self.folded = reduce(self.folded, event).run
        following = next(after for before, after in pairwise((*self.events, None)) if before is event)
        if isinstance(following, ArtifactWritten):
            # It was written before the lines that were read here, and only seen after them. Waiting here would hold it back.
            return
        ended = sum(subrun.ended_watched_s is not None for subrun in self.folded.subruns)
        categorized = self.folded.request.categorized and self.folded.over_watched_s is None
        if ended > self.ended and categorized and (self.late is None or self.late.started):
            self.ended = ended
            wait_for(lambda: self.judged_by_now() >= ended, f"{ended} verdicts")

    def judged_by_now(self) -> int:
        subruns = json.loads(self.paths.state.read_text())["subruns"]
        return sum(subrun["phase"] not in ("PENDING", "RUNNING") for subrun in subruns)

    def wait_for_phases(self, phases: list[str]) -> None:
        if self.late is not None:
            self.begin_late()
        super().wait_for_phases(phases)

    def begin_late(self) -> None:
        assert self.late is not None
        if not self.late.started:
            self.late.begin()
            wait_for(lambda: Player.ready(self, self.late), "the late watcher's first scan")  # type: ignore[arg-type]

    def roles_seen(self) -> set[str]:
        return (
            {"browser"} if self.late is not None and not self.paths.state.exists() else super().roles_seen()
        )


class Late:
    """Replaces a watcher that has not been started yet."""

    def __init__(self) -> None:
        self.start: Any = None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        return self.process is not None

    def begin(self) -> None:
        if self.process is None:
            self.process = self.start()

    def poll(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def wait(self, timeout: float) -> int | None:
        return None if self.process is None else self.process.wait(timeout)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()


def comparable(value: Any, folder: Path) -> Any:
    """Return every field of a state except times, without the names of this machine's directories."""
    if isinstance(value, dict):
        return {name: comparable(item, folder) for name, item in value.items() if name not in NOT_COMPARED}
    if isinstance(value, list):
        return [comparable(item, folder) for item in value]
    return value.replace(str(folder), "") if isinstance(value, str) else value


def judged(recorded: Path, folder: Path, mode: str) -> Any:
    log = (recorded / "runner.log").read_bytes() if (recorded / "runner.log").exists() else b""
    folder.mkdir()
    with MattermostModel() as webhook:
        return comparable(Watched(folder, read(recorded), log, mode).play(webhook), folder)


def without_shared_reports(state: Any) -> Any:
    """Return the state without the report of `check-xml-files.ts`, which each group writes under one name.

    A watcher that starts late reads two groups at once, and only one file is left of both.
    """
    subruns = [
        {
            **subrun,
            "specs": [
                spec if spec["host"] else {**spec, "artifact": None, "sources": None}
                for spec in subrun["specs"]
            ],
        }
        for subrun in state["subruns"]
    ]
    return {**state, "subruns": subruns}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_evaluated_the_same_however_it_is_watched(name: str, tmp_path: Path) -> None:
    folders = {mode: tmp_path / mode.replace(" ", "-") for mode in MODES}
    with ThreadPoolExecutor(3) as pool:
        states = dict(
            zip(
                folders,
                pool.map(lambda mode: judged(REPLAY / name, folders[mode], mode), folders),
                strict=True,
            )
        )
    kernel = states["inotify"]
    for mode, state in states.items():
        same = "same" if state == expected(mode, state, kernel) else "DIFFERS"
        print(
            f"{name:<26} {mode:<20} {state['phase']:<11} {state['reason']['code']:<18} {fields(state):>4} fields {same}"
        )

    assert kernel["phase"] == json.loads((REPLAY / name / "state.json").read_text())["phase"]
    assert states == {mode: expected(mode, state, kernel) for mode, state in states.items()}


def expected(mode: str, state: Any, kernel: Any) -> Any:
    """Return `kernel`, the state seen with inotify; with `state`'s own shared reports if its watcher started late."""
    alike = mode == "late" and without_shared_reports(state) == without_shared_reports(kernel)
    return state if alike else kernel


def fields(value: Any) -> int:
    """Return the number of values in a state."""
    if isinstance(value, dict):
        return sum(fields(item) for item in value.values())
    return sum(fields(item) for item in value) if isinstance(value, list) else 1


def test_what_is_not_compared_is_only_what_reports_times(tmp_path: Path) -> None:
    """The comparison includes a verdict, a count, a host's source and a post."""
    state = json.loads((REPLAY / "failed-demo" / "state.json").read_text())
    text = json.dumps(comparable(state, tmp_path))

    for word in ("phase", "ledger", "sources", "artifact", "outcome", "evidence", "notes", "duration_s"):
        assert f'"{word}"' in text
