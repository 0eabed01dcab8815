"""A state root with recorded runs in any stage, for the commands that show runs.

A run is the fold of the first events of a recorded journal, under another name and at another time. The locks that
living processes hold are held by this process.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from msgspec.structs import replace

from atvm_pipeline.core.codec import encode_event, encode_state
from atvm_pipeline.core.events import DeliverySettled, Event, RunRequested
from atvm_pipeline.core.reducer import reduce, replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.state_dir.records import ExitRecord, Paths, Request, write_record
from atvm_pipeline.shell.state_dir.store import read_journal
from atvm_pipeline.shell.system.files import locked, make_folder, write_whole
from tests.support.project import PROJECT


class ShownRuns:
    """`with ShownRuns(tmp_path) as runs:` releases every lock after the block."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = datetime.now(UTC)
        self._locks = ExitStack()
        make_folder(root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._locks.close()

    def add(
        self,
        build: str,
        recorded: str,
        *,
        events: int | None = None,
        took_s: float = 3600.0,
        ended_s_ago: float = 0.0,
        delivery: tuple[str, str] | None = None,
        archived: str | None = None,
        live: tuple[str, ...] = (),
        run_id: str | None = None,
        exit_code: int | None = None,
        **request: Any,
    ) -> Paths:
        """Write a run: the first `events` of the recording, stretched to `took_s`, the last one `ended_s_ago`.

        `delivery`: outcome and detail of every delivery; `archived`: its time in the archive; `live`: the processes that
        hold their lock, `watcher` and `runner`.
        """
        folder = self.root / ".archive" / build / archived if archived else None
        paths = Paths(self.root, build, folder)
        found = read_journal(PROJECT / "fixtures" / "replay" / recorded / "journal.jsonl").events[:events]
        moved = list(_renamed(self._moved(found, took_s, ended_s_ago), build, run_id, str(paths.runner_log)))
        if delivery is not None:
            moved = _delivered(moved, *delivery)
        first = moved[0]
        assert isinstance(first, RunRequested)
        make_folder(paths.folder)
        make_folder(self.root / ".locks")
        paths.journal.write_bytes(b"".join(map(encode_event, moved)))
        # A command may be reading it.
        write_whole(paths.state, encode_state(state_file(replay(moved))))
        given = {
            "workdir": "/srv/automation",
            "log_path": str(Path(self.root) / build / "runner.log"),
            "artifacts_dir": "/srv/automation/cmcReporter",
            "runner_command": "true",
            **request,
        }
        record = Request(build_name=build, run_id=first.run_id, requested_at=first.at, **given)
        write_record(paths.request, record)
        if exit_code is not None:
            ended = ExitRecord(
                build_name=build, run_id=first.run_id, exit_code=exit_code, finished_at=self.now
            )
            write_record(paths.runner_exit, ended)
        if "watcher" in live:
            self.hold(paths.watcher_lock)
        if "runner" in live:
            self.hold(paths.runner_lock)
        return paths

    def hold(self, lock: Path) -> None:
        """Hold a lock until the end of the block."""
        self._locks.enter_context(locked(lock))

    def let_go(self) -> None:
        """Release every lock, as if all processes had ended."""
        self._locks.close()

    def _moved(self, events: list[Event], took_s: float, ended_s_ago: float) -> list[Event]:
        begin, end = events[0].at, events[-1].at
        span = max((end - begin).total_seconds(), 1e-6)
        last = self.now - timedelta(seconds=ended_s_ago)
        first = last - timedelta(seconds=took_s)
        return [
            replace(event, at=first + timedelta(seconds=(event.at - begin).total_seconds() / span * took_s))
            for event in events
        ]


def _renamed(events: list[Event], build: str, run_id: str | None, log: str) -> Iterator[Event]:
    """Yield the events as those of another build and run."""
    first = events[0]
    assert isinstance(first, RunRequested)
    name = run_id or first.run_id
    yield replace(first, build_name=build, run_id=name, log_path=log)
    for event in events[1:]:
        if isinstance(event, DeliverySettled):
            yield replace(event, key=event.key.replace(first.run_id, name))
        else:
            yield event


def _delivered(events: list[Event], outcome: str, detail: str) -> list[Event]:
    """Return the events with other deliveries: every message has this outcome, and every alert is sent."""
    kept = [event for event in events if not isinstance(event, DeliverySettled)]
    if outcome == "uncertain":
        # Otherwise the message waits for its repeat.
        first = kept[0]
        assert isinstance(first, RunRequested)
        kept[0] = replace(first, settings=replace(first.settings, post_uncertain="hold"))
    run = replay(kept)
    while flying := [post for post in run.outbox if post.in_flight]:
        post = flying[0]
        result = "sent" if post.kind == "alert" else outcome
        event = DeliverySettled(
            seq=run.seq + 1,
            at=run.at,
            watched_s=run.watched_s,
            key=post.key,
            attempt=post.attempts,
            outcome=result,  # type: ignore[arg-type]
            detail=detail,
        )
        kept.append(event)
        run = reduce(run, event).run
    return kept
