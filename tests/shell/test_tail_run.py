"""A whole recorded run through the follower, its log cut into files by rotations: judged as if it had not been."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from atvm_pipeline.core.events import LogRead, LogReplaced, RunRequested
from atvm_pipeline.core.recognise.console import Scanner
from atvm_pipeline.core.reducer import begin, reduce
from atvm_pipeline.core.snapshot import snapshot
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.tail import Tail
from tests.conftest import REPLAY
from tests.core.test_replay import read

RUNS = ("completed", "failed-demo", "failed-wrapped-names", "completed-cypress-cloud")
ROTATIONS = 12


def followed(run: Run, log: Path) -> Tail:
    """A follower as a new process makes it."""
    return Tail(
        log,
        Scanner(run.request.dialect),
        generation=run.log.generation,
        begin=run.log.begin,
        state=run.log.scanner,
        identity=run.log.identity,
        final=run.log.final,
        progress_every_s=0,
    )


def fold(run: Run, events: list[LogRead | LogReplaced]) -> Run:
    for event in events:
        run = reduce(
            run,
            replace(event, at=run.at, seq=run.seq + 1, since=None)
            if isinstance(event, LogRead)
            else replace(event, at=run.at, seq=run.seq + 1),
        ).run
    return run


def told(run: Run) -> Any:
    """Everything that a user reads of the sub-runs, but which file a place lies in."""
    view = msgspec.to_builtins(snapshot(run).subruns)
    for subrun in view:
        for item in subrun["reason"]["evidence"]:
            item.pop("file_begin", None)
    return view


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("looks", ["after each", "after three", "none between, and a restart each time"])
def test_a_run_whose_log_is_rotated_at_any_byte_is_judged_as_if_it_had_not_been(
    name: str, looks: str, tmp_path: Path
) -> None:
    first = read(REPLAY / name)[0]
    assert isinstance(first, RunRequested)
    data = (REPLAY / name / "runner.log").read_bytes()
    (tmp_path / "whole.log").write_bytes(data)
    started = begin(first).run
    whole = fold(started, list(followed(started, tmp_path / "whole.log").read(final=True)))
    dice = random.Random(f"{name}/{looks}")  # noqa: S311 - to be repeated
    cuts = sorted(dice.sample(range(1, len(data)), ROTATIONS))
    log = tmp_path / "runner.log"
    run, tail = started, followed(started, log)
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(data)], strict=True)):
        if number:
            for old in range(number - 1, 0, -1):
                (tmp_path / f"runner.log.{old}").rename(tmp_path / f"runner.log.{old + 1}")
            log.rename(tmp_path / "runner.log.1")
        log.write_bytes(data[start:stop])
        if number == 0 or looks == "after each" or (looks == "after three" and number % 3 == 0):
            run = fold(run, list(tail.read()))
        elif looks.startswith("none"):
            tail.close()
            tail = followed(run, log)
    run = fold(run, list(tail.read(final=True)))
    gaps = [gap.unread_bytes for gap in run.log.replaced]

    assert gaps == [0] * ROTATIONS
    assert run.log.end == len(data)
    assert told(run) == told(whole)
    assert told(run)[0]["specs"]
