"""Conditions that must hold at every moment and at the end. Each check raises Broken with one sentence."""

import json
from pathlib import Path
from typing import Any

import msgspec

from atvm_pipeline.core.codec import decode_event, encode_state
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.events import Event
from atvm_pipeline.core.messages.attempts import REPEATS_MAX
from atvm_pipeline.core.messages.outbox import may_have_arrived
from atvm_pipeline.core.messages.undelivered import LOST_OUTCOMES, last_outcomes
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.state_dir.store import load, read_journal

from .server import Server

ENDED = {phase.value for phase in TERMINAL_PHASES}


class Broken(AssertionError):  # noqa: N818 - the name refers to a promise
    """A promise does not hold."""


class _Part(msgspec.Struct):
    phase: str
    reason: dict[str, Any]
    index: int = 0
    subruns: tuple["_Part", ...] = ()


class Finals:
    """Every terminal phase that a reader has seen; none may change."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[str, str]] = {}
        self.reasons: set[str] = set()

    def look(self, path: Path) -> None:
        """Read a `state.json` that has just been put in its place."""
        try:
            whole = msgspec.json.decode(path.read_bytes(), type=_Part)
        except (OSError, msgspec.DecodeError) as error:
            raise Broken(f"{path.name} cannot be read: {error}") from error
        for part in (whole, *whole.subruns):
            said = (part.phase, part.reason["code"])
            self.reasons.add(said[1])
            before = self.seen.get(part.index)
            if before is not None and part.phase in ENDED and said != before:
                raise Broken(f"what had ended as {before} ended as {said}")
            if part.phase in ENDED:
                self.seen[part.index] = said


def events_of(data: bytes) -> list[Event]:
    """Return the events of a journal's bytes, up to the first line that is not an event."""
    events: list[Event] = []
    for line in data.splitlines(keepends=True):
        try:
            events.append(decode_event(line))
        except DataError:
            break
    return events


def check_intent(journal: bytes | None, delivery_id: str) -> None:
    """Check that the durable part of the journal records an attempt before the request reaches the server."""
    events = events_of(journal or b"")
    run = replay(events) if events else None
    if run is None or not any(post.in_flight and post.delivery_id == delivery_id for post in run.outbox):
        raise Broken(f"delivery {delivery_id} went out before its cause was synced")


def check_files(paths: Paths, run_id: str, known_seq: int) -> Run | None:
    """Check that state files are readable, and that the journal folds to the same state, byte for byte."""
    try:
        journal = read_journal(paths.journal)
        loaded = load(paths, run_id).run
    except DataError as error:
        raise Broken(f"the history cannot be read: {error}") from error
    if journal.damaged is not None:
        raise Broken(f"the journal is damaged: {journal.damaged}")
    for folder in (paths.subruns, paths.posts):
        for path in folder.glob("[!.]*.json"):
            _readable(path)
    if not journal.events:
        if known_seq:
            raise Broken(f"{known_seq} events were synced, and the journal is empty")
        return None
    whole = replay(journal.events)
    if loaded != whole:
        raise Broken("loading the snapshot and the rest of the journal is not folding the journal")
    if whole.seq < known_seq:
        raise Broken(f"event {known_seq} was synced, and the journal ends with {whole.seq}")
    if paths.state.exists():
        data = paths.state.read_bytes()
        seq = int(_readable(paths.state)["facts"]["seq"])
        folded = [event for event in journal.events if event.seq <= seq]
        if encode_state(state_file(replay(folded))) != data:
            raise Broken(f"state.json is not what the journal's first {seq} events give")
    return whole


def _readable(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Broken(f"{path.name} cannot be read: {error}") from error


def check_messages(run: Run, server: Server, *, crashed: bool) -> None:
    """Check that every requested message is seen or has an outcome that explains it.

    No message may be seen twice without a mark.
    """
    for post in run.outbox:
        repeats = server.marked_repeats(post.delivery_id)
        if repeats > REPEATS_MAX:
            raise Broken(f"{post.key} was repeated {repeats} times")
        seen = server.seen(post.delivery_id)
        if sum(not message.marked for message in seen) > 1:
            raise Broken(f"{post.key} is seen twice without a mark")
        attempts = [
            message.behaviour for message in server.requests if message.delivery_id == post.delivery_id
        ]
        match post.outcome:
            case "sent":
                lost = not seen
            case "rejected":
                lost = not any(name.startswith(("refused", "disabled", "redirected")) for name in attempts)
            case "uncertain":
                lost = not may_have_arrived(post)
            case "expired":
                lost = bool(seen) or not attempts
            case "dropped":
                lost = run.cancel is None
            case _:
                lost = True
        if lost:
            raise Broken(f"{post.key} is lost: {post.outcome} after {attempts}")
        if len(seen) > 1 and not crashed and not may_have_arrived(post):
            raise Broken(f"{post.key} is seen {len(seen)} times for no reason")


def check_lost(run: Run) -> None:
    """Check that every message is settled, and each possible loss is reported to the operator."""
    lost = {post.outcome for post in last_outcomes(run) if post.outcome in LOST_OUTCOMES}
    named = {notice.code.removeprefix("message-") for notice in run.notices}
    if not lost <= named:
        raise Broken(f"messages ended as {sorted(lost)}, and the notices are {sorted(named)}")


def check_patience(run: Run, away_s: float, honesty: str) -> None:
    """Check that a server that is back in time receives every message."""
    in_time = away_s <= (71 * HOUR_S if honesty == "truthful" else 24 * HOUR_S)
    for post in run.outbox:
        if in_time and post.outcome != "sent":
            raise Broken(f"{post.key} was {post.outcome}, though the server came back after {away_s:.0f} s")


HOUR_S = 3600.0
