"""A complete recorded run through the follower, its log split into files by rotations: the verdict stays the same."""

import argparse
import json
import random
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from atvm_pipeline.cli.commands import explain
from atvm_pipeline.core.console.scanner import Scanner
from atvm_pipeline.core.events import LogRead, LogReplaced, RunRequested
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import snapshot
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.sources.log_follower import LogFollower
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import log_begin
from tests.conftest import REPLAY
from tests.core.test_replay import read

RUNS = ("completed", "failed-demo", "failed-wrapped-names", "completed-cypress-cloud")
ROTATIONS = 12


@contextmanager
def followed(run: Run, log: Path) -> Iterator[LogFollower]:
    """Create a follower as a new process would."""
    follower = LogFollower(
        log,
        Scanner(run.request.dialect),
        generation=run.log.generation,
        begin=run.log.begin,
        state=run.log.scanner,
        identity=run.log.identity,
        final=run.log.final,
        progress_every_s=0,
    )
    with closing(follower):
        yield follower


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
    """Return everything that a user reads about the sub-runs, except the file that contains a position."""
    view = msgspec.to_builtins(snapshot(run).subruns)
    for subrun in view:
        for item in subrun["reason"]["evidence"]:
            item.pop("file_begin", None)
    return view


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("looks", ["after each", "after three", "none between, and a restart each time"])
def test_a_run_whose_log_is_rotated_at_any_byte_is_evaluated_as_if_it_had_not_been(
    name: str, looks: str, tmp_path: Path
) -> None:
    first = read(REPLAY / name)[0]
    assert isinstance(first, RunRequested)
    data = (REPLAY / name / "runner.log").read_bytes()
    (tmp_path / "whole.log").write_bytes(data)
    started = begin_run(first).run
    with followed(started, tmp_path / "whole.log") as tail:
        whole = fold(started, list(tail.read(final=True)))
    dice = random.Random(f"{name}/{looks}")  # noqa: S311 - to be repeated
    cuts = sorted(dice.sample(range(1, len(data)), ROTATIONS))
    log = tmp_path / "runner.log"
    run = started
    with ExitStack() as stack:
        tail = stack.enter_context(followed(started, log))
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
                tail = stack.enter_context(followed(run, log))
        run = fold(run, list(tail.read(final=True)))
    gaps = [gap.unread_bytes for gap in run.log.replaced]

    assert gaps == [0] * ROTATIONS
    assert run.log.end == len(data)
    assert told(run) == told(whole)
    assert told(run)[0]["specs"]


@pytest.mark.parametrize("place", ["in the old file", "in the new file"])
def test_a_place_in_a_rotated_log_is_quoted_from_its_own_file_or_not_at_all(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The facts known about a file when a sub-run ended do not apply to the file that has the same name now."""
    log = tmp_path / "runner.log"
    log.write_bytes(b"of the new file\n" * 20)
    offset = 32 if place == "in the old file" else 100 + 32
    evidence = [{"kind": "log", "path": str(log), "offset": offset}]
    case = {
        "phase": "FAILED",
        "reason": {"code": "tests-failed", "text": "It failed.", "evidence": evidence},
        "ledger": {"planned": 1},
        "post": None,
    }
    state = {**case, "build_name": "b", "run_id": "r", "subruns": [], "facts": {"log": {"begin": 100}}}
    paths = Paths(tmp_path, "b")
    paths.folder.mkdir()
    paths.state.write_text(json.dumps(state))
    explain.run(argparse.Namespace(build="b", json=False, verbose=False, state_root=str(tmp_path)))

    assert ("of the new file" in capsys.readouterr().out) is (place == "in the new file")


@pytest.mark.parametrize(
    "state", [None, b"", b"[", b"[]", b"{}", b'{"facts": null}', b'{"facts": {"log": {"begin": "9"}}}']
)
def test_without_a_rotation_the_log_starts_at_its_first_byte(state: bytes | None, tmp_path: Path) -> None:
    paths = Paths(tmp_path, "b")
    paths.folder.mkdir()
    if state is not None:
        paths.state.write_bytes(state)

    assert log_begin(paths) == 0
