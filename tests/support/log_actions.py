"""Shared helpers for the tests of the follower: lines, contents of events, changes by people and rotations."""

from collections.abc import Callable
from pathlib import Path

from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import LogIdentity, LogRead, LogReplaced
from atvm_pipeline.core.facts import ChildLaunched, Fact
from atvm_pipeline.shell.sources.log_follower import LogFollower

SCANNER = Scanner(Dialect())
Follow = Callable[..., LogFollower]
"""Type of the fixture `follow`."""


def line(name: str) -> bytes:
    return f"cypress run --record --ci-build-id {name}\n".encode()


def labels(events: list[LogRead | LogReplaced]) -> list[str]:
    return [fact.label for fact in facts(events) if isinstance(fact, ChildLaunched)]


def facts(events: list[LogRead | LogReplaced], generation: int | None = None) -> list[Fact]:
    reads = [event for event in events if isinstance(event, LogRead)]
    return [fact for event in reads if generation in (None, event.generation) for fact in event.facts]


def replaced(events: list[LogRead | LogReplaced]) -> list[tuple[int, str, int | None]]:
    return [(e.generation, e.why, e.unread_bytes) for e in events if isinstance(e, LogReplaced)]


def caught_up(follow: Follow, log: Path, data: bytes) -> LogFollower:
    """Return a follower that has read `data`, the first content of `log`."""
    tail = follow(log)
    log.write_bytes(data)
    list(tail.read())
    return tail


def read(tail: LogFollower) -> tuple[list[str], list[tuple[int, str, int | None]]]:
    """Read new content; return the labels in it, and how the log was replaced."""
    events = list(tail.read())
    return labels(events), replaced(events)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def resumed(
    follow: Follow, tail: LogFollower, events: list[LogRead | LogReplaced], *, identity: LogIdentity | None
) -> LogFollower:
    """Return a tail as a restarted watcher creates it, from the events alone and the stored identity."""
    state, generation = ScannerState(), 0
    for event in events:
        generation = event.generation
        state = event.scanner if isinstance(event, LogRead) else ScannerState()
    path = tail._path
    tail.close()
    return follow(path, generation=generation, state=state, identity=identity)


def rotate(log: Path) -> None:
    """Rotate as logrotate(8) does: every number increases by one."""
    for number in range(9, 0, -1):
        old = log.with_name(f"{log.name}.{number}")
        if old.exists():
            old.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))
