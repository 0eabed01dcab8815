"""Deliberate bugs: examples of the errors that the simulator must find, and proof that it can fail."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from atvm_pipeline.core import reducer
from atvm_pipeline.core.effects import Effect
from atvm_pipeline.core.events import CancelRequested, DeliverySettled, Event, WatcherStarted
from atvm_pipeline.core.messages import attempts, outbox, undelivered
from atvm_pipeline.core.state import Post, Run
from atvm_pipeline.shell.delivery import mattermost
from atvm_pipeline.shell.processes import process_table
from atvm_pipeline.shell.sources import collector
from atvm_pipeline.shell.start import senders
from atvm_pipeline.shell.state_dir import archive
from atvm_pipeline.shell.state_dir.records import ExitRecord
from atvm_pipeline.shell.state_dir.store import Loaded, Store, load
from atvm_pipeline.shell.system import files
from atvm_pipeline.shell.watcher import archived_run, service
from atvm_pipeline.shell.watcher.loop import Loop

Swap = tuple[Any, str, Any]
"""(where, name, replacement)"""


def _act_first(loop: Loop, events: Iterable[Event]) -> None:
    batch: list[Event] = []
    for event in events:
        for effect in loop._apply(event, batch):
            loop._perform(effect)
    loop._commit(batch)


def _save_first(loop: Loop, batch: list[Event], effects: Iterable[Effect] = ()) -> None:
    if batch:
        loop.save()
        loop._store.append(batch)
        loop._store.sync()
    for effect in effects:
        loop._perform(effect)


def _only_again(store: Store) -> None:
    os.fdatasync(store._journal.number)


def _without_outbox(paths: Any, run_id: str) -> Loaded:
    found = load(paths, run_id)
    return found if found.run is None else found._replace(run=replace(found.run, outbox=()))


def _with_torn_tail(paths: Any, run_id: str) -> Loaded:
    found = load(paths, run_id)
    return found._replace(journal_bytes=paths.journal.stat().st_size) if found.journal_bytes else found


def _not_arrived(run: Run) -> list[DeliverySettled]:
    return [replace(event, outcome="not-arrived") for event in CRASHED(run)]


def _overwritten(run: Run, event: Event) -> Run:
    if isinstance(event, CancelRequested) and run.verdict is not None:
        run = replace(run, verdict=None)
    return APPLY(run, event)


def _any_record(path: Any, kind: Any, run_id: str | None = None) -> Any:
    return READ(path, kind, None if kind is ExitRecord else run_id)


def _pid_alone(pid: int, _create_time: float) -> bool:
    row = process_table.read_row(pid)
    return row is not None and row.lives


def _unmarked(_run: Run, post: Post) -> str:
    return post.payload


def _gateway_unmarked(run: Run, post: Post, event: DeliverySettled) -> Post:
    return replace(GATEWAY(run, post, event), marked=False)


def _in_place(whole: Iterable[tuple[Any, bytes]], **_made_in: Any) -> None:
    for path, data in whole:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        files.write_all(descriptor, data, path)
        os.fsync(descriptor)
        os.close(descriptor)


def _without_sync(process: service.RunProcess, loaded: Loaded) -> Store:
    store = OPENED(process, loaded)
    if process._paths.is_archived:
        store.sync = lambda: None  # type: ignore[method-assign]
    return store


def _not_archived(record: Any, *, resumed: bool, archived: bool = False) -> WatcherStarted:
    return STARTED(record, resumed=resumed, archived=False)


OPENED = service.RunProcess.opened
STARTED = service.watcher_started
CRASHED: Callable[[Run], list[DeliverySettled]] = service.crashed_deliveries
GATEWAY = attempts._probably_not_arrived
APPLY = reducer._apply
READ = collector.read_record

MUTANTS: dict[str, Swap] = {
    "acts before the sync": (Loop, "feed", _act_first),
    "drops the outbox on restart": (service, "load", _without_outbox),
    "forgets the mark on a repeat": (outbox, "payload_to_send", _unmarked),
    "forgets the mark after a gateway": (attempts, "_probably_not_arrived", _gateway_unmarked),
    "repeats without a ping": (outbox, "_pinging", outbox.attempted),
    "waits for a ping that a crash cut off": (outbox, "forget_pings", lambda run: run),
    "takes a gateway for a server that failed": (mattermost, "AWAY_STATUS", ()),
    "reports no lost message": (undelivered, "note_lost", lambda run: run),
    "syncs nothing": (Store, "sync", lambda _store: None),
    "takes a repeated sync for the first one": (Store, "sync", _only_again),
    "syncs no directory": (files, "sync_folder", lambda *_args, **_more: None),
    "saves the snapshot before the journal": (Loop, "_commit", _save_first),
    "writes state files in place": (files, "replace_files", _in_place),
    "lets a late cancel overwrite the end": (reducer, "_apply", _overwritten),
    "forgets attempts that a crash cut off": (service, "crashed_deliveries", lambda _run: []),
    "takes a cut attempt as not arrived": (service, "crashed_deliveries", _not_arrived),
    "appends behind a torn line": (service, "load", _with_torn_tail),
    "reads the exit record of another run": (collector, "read_record", _any_record),
    "knows a process by its pid alone": (process_table, "is_alive", _pid_alone),
}
"""Description of the bug -> its replacements."""

SHOWN_BY: dict[str, int] = {
    "drops the outbox on restart": 7,
    "repeats without a ping": 55,
    "waits for a ping that a crash cut off": 16,
    "takes a gateway for a server that failed": 55,
    "lets a late cancel overwrite the end": 38,
    "forgets attempts that a crash cut off": 7,
    "takes a cut attempt as not arrived": 17,
    "appends behind a torn line": 65,
    "knows a process by its pid alone": 34,
}
"""The first long history that shows a bug, by its seed, where it is a late one. It is played first, to save time."""


SENDER_MUTANTS: dict[str, Swap] = {
    "sends before the intent is synced": (service.RunProcess, "opened", _without_sync),
    "forgets attempts that a crash cut off": (archived_run, "crashed_deliveries", lambda _run: []),
    "takes a cut attempt as not arrived": (archived_run, "crashed_deliveries", _not_arrived),
    "decides a verdict": (archived_run, "watcher_started", _not_archived),
    "is not started": (senders.Senders, "start", lambda *_: None),
    "is not found after a power cut": (archive, "_save", lambda *_: None),
}
"""Bugs of the sender of an archived run, or of the start that starts it."""


@contextmanager
def mutated(name: str, mutants: Mapping[str, Swap] = MUTANTS) -> Iterator[None]:
    """Run the block with this bug in the program, in every module that has imported the name."""
    place, attribute, wrong = mutants[name]
    right = getattr(place, attribute)
    places = [place]
    if not isinstance(place, type):
        ours = [module for key, module in sys.modules.items() if key.startswith("atvm_pipeline.shell")]
        places += [
            module for module in ours if getattr(module, attribute, None) is right and module is not place
        ]
    if attribute in ("load", "read_record", "crashed_deliveries", "watcher_started"):
        places = [place]
    for each in places:
        setattr(each, attribute, wrong)
    try:
        yield
    finally:
        for each in places:
            setattr(each, attribute, right)
