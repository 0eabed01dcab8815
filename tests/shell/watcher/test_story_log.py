"""The lines of a watcher are written after the effects, and never delay or end it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.core.events import ClockTicked, RunnerExited, WatcherStarted
from atvm_pipeline.shell.system import log as log_module
from atvm_pipeline.shell.system.log import accepts_line, log, start_lines_with_time
from atvm_pipeline.shell.watcher import story_log
from atvm_pipeline.shell.watcher.story_log import STORY_LINES_MAX, StoryLog
from atvm_pipeline.shell.watcher.story_messages import Line, Naming
from tests.shell.watcher.test_loop_order import started
from tests.support.run_builder import BEGIN, Story

RUN = Story().run
TICK = ClockTicked(at=BEGIN)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """Let each event have these lines."""
    lines: list[Line] = []
    monkeypatch.setattr(story_log, "story_lines", lambda *_: list(lines))
    return lines


@contextmanager
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let standard error be a full pipe that nothing reads yet; yield its reading end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb"):
        monkeypatch.setattr(sys, "stderr", stream)
        with suppress(BlockingIOError):
            while accepts_line():
                os.write(writing, b"x" * 4096)
        yield reading


def test_a_line_that_repeats_is_logged_at_growing_intervals(
    told: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    told.append(Line("refused", "message 1", "no connection"))
    story = StoryLog(Naming("b", " ".join))
    for _ in range(300):
        story.add(RUN, TICK, RUN)
        story.write()

    assert capsys.readouterr().err.splitlines() == ["refused"] * 9


def test_lines_wait_while_the_log_accepts_none_and_the_oldest_are_dropped(
    told: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    story = StoryLog(Naming("b", " ".join))
    with unread(monkeypatch) as reading:
        for number in range(STORY_LINES_MAX + 3):
            told[:] = [Line(f"line {number}")]
            story.add(RUN, TICK, RUN)
            story.write()
        while not accepts_line():
            os.read(reading, 65536)
        story.write()
        text = os.read(reading, 1 << 20).decode().lstrip("x")

    assert text.splitlines()[:2] == [
        "3 earlier lines of this log dropped, because none was accepted",
        "line 3",
    ]


def test_a_bug_in_a_line_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> list[Line]:
        raise LookupError("secret")

    monkeypatch.setattr(story_log, "story_lines", fail)
    story = StoryLog(Naming("b", " ".join))
    story.add(RUN, TICK, RUN)
    story.write()

    assert capsys.readouterr().err == "bug: no log line for ClockTicked: LookupError\n"


def test_control_characters_of_a_cancel_do_not_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    before = Story().feed(WatcherStarted(at=BEGIN, pid=1)).run
    cancelled = Story().feed(WatcherStarted(at=BEGIN, pid=1)).cancel()
    event = cancelled.events[-1]
    story = StoryLog(Naming("b", " ".join))
    story.add(before, event, cancelled.run)
    story._lines.append("a\x1b[31m\nb\u202e")
    story.write()

    written = capsys.readouterr().err
    assert "the run was cancelled by alice: wrong host\n" in written
    assert written.splitlines()[-1] == "a [31m b"


def test_lines_are_written_after_the_effects_and_the_snapshots(tmp_path: Path) -> None:
    steps: list[str] = []

    class Told:
        def add(self, *_: object) -> None:
            steps.append("added")

        def write(self) -> None:
            steps.append("written")

    with started(tmp_path, steps, lambda _work: steps.append("performed"), story=Told()) as loop:
        loop.feed([RunnerExited(at=BEGIN, exit_code=1)])

    assert steps == ["added", "synced", "performed", "saved", "written"]


# --- the time in front of a line ---


def test_a_process_that_runs_for_days_starts_its_lines_with_the_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log_module, "_has_times", False)
    log("a")
    start_lines_with_time()
    log("b")
    first, second = capsys.readouterr().err.splitlines()

    assert first == "a"
    assert second[4::3][:5] == "-- ::"
    assert second.endswith(" b")


def test_journald_adds_the_time_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_has_times", False)
    with (tmp_path / "journal").open("w+") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        start_lines_with_time()
        log("a")
        monkeypatch.setenv("JOURNAL_STREAM", "1:2")  # inherited from another service
        start_lines_with_time()
        log("b")

    first, second = (tmp_path / "journal").read_text().splitlines()
    assert (first, second[-2:]) == ("a", " b")
    assert len(second) > 20
