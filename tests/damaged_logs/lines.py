"""One line of a log dropped, doubled, joined to the next one, cut, or torn by another process's line.

A red log never becomes green.  A green log stays green wherever the rest of it proves it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atvm_pipeline.core.codec import decode_event
from atvm_pipeline.core.events import RunnerExited, RunRequested
from tests.conftest import REPLAY

from .runs import Asked, judge, make_run

DAMAGES = ("drop", "double", "glue", "cut", "tear")
NOISE = (
    b"[4711:1127/170000.123456:ERROR:gpu_memory_buffer_support_x11.cc(44)] dri3 extension not supported.\n"
)


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log, and the options of its evaluation."""

    name: str
    data: bytes
    asked: Asked


def recorded_logs() -> Iterator[Log]:
    """Yield the log of every recorded run, as it ended and as if the runner had ended with 0."""
    for folder in sorted(REPLAY.iterdir()):
        log = folder / "runner.log"
        data = log.read_bytes() if log.exists() else b""
        events = [decode_event(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]
        request = events[0]
        assert isinstance(request, RunRequested)
        exits = [event.exit_code for event in events if isinstance(event, RunnerExited)]
        for exit_code in dict.fromkeys((*exits, 0)):
            asked = Asked(build_name=request.build_name, categorize=request.categorized, exit_code=exit_code)
            if data and exit_code is not None:
                yield Log(name=f"{folder.name} {exit_code}", data=data, asked=asked)


def made_logs(count: int) -> Iterator[Log]:
    """Yield logs of randomly generated runs, half of them green."""
    for seed in range(count):
        rng = random.Random(seed)  # noqa: S311 - to be repeated
        run = make_run(rng, ("redhat9.6", "w2k25")[: 1 + seed % 2], green=seed % 4 < 2)
        asked = Asked(build_name=f"e2e-{'-'.join(run.hosts)}-fc", categorize=seed % 3 == 0)
        yield Log(name=f"made {seed}", data=run.data, asked=asked)


def damaged(data: bytes, at: int, how: str, rng: random.Random) -> bytes:
    """Return the log with its line `at` damaged."""
    lines = data.splitlines(keepends=True)
    line = lines[at]
    body = line.rstrip(b"\n")
    match how:
        case "drop":
            lines[at] = b""
        case "double":
            lines[at] = line + line
        case "glue":
            lines[at] = body
        case "cut":
            lines[at] = body[: rng.randrange(len(body) + 1)] + b"\n"
        case "tear":
            column = rng.randrange(len(body) + 1)
            lines[at] = body[:column] + NOISE + line[column:]
    return b"".join(lines)


@dataclass(frozen=True, kw_only=True)
class Damage:
    """The result of a log with one damaged line."""

    log: Log
    at: int
    how: str
    was: str
    phase: str
    reason: str

    @property
    def is_false_green(self) -> bool:
        return self.was != "COMPLETED" and self.phase == "COMPLETED"

    @property
    def is_lost_green(self) -> bool:
        return self.was == "COMPLETED" and self.phase != "COMPLETED"

    @property
    def line(self) -> str:
        return self.log.data.splitlines()[self.at].decode(errors="replace")


def damages(log: Log, path: Path, share: float, rng: random.Random) -> Iterator[Damage]:
    """Damage that share of a log's lines, each in every way."""
    was = judge(path, log.data, log.asked)
    for at in range(len(log.data.splitlines())):
        for how in DAMAGES:
            if rng.random() >= share:
                continue
            view = judge(path, damaged(log.data, at, how, rng), log.asked)
            yield Damage(
                log=log,
                at=at,
                how=how,
                was=was.phase.value,
                phase=view.phase.value,
                reason=f"{view.reason['code']}: {view.reason['text']}",
            )
