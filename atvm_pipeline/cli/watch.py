"""Follow one run until it has ended and every message is settled; then exit."""

import argparse
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from msgspec.structs import replace

from atvm_pipeline.core.events import DeliverySettled, RunRequested, WatcherStarted
from atvm_pipeline.core.naming import requested_hosts
from atvm_pipeline.core.reducer import begin
from atvm_pipeline.core.snapshot import Snapshot
from atvm_pipeline.core.state import TERMINAL_PHASES, Run
from atvm_pipeline.shell import clock, notify
from atvm_pipeline.shell.alerting import tell_apart
from atvm_pipeline.shell.delivery import deliverer
from atvm_pipeline.shell.files import Busy, locked
from atvm_pipeline.shell.inventories import load_inventory
from atvm_pipeline.shell.loop import Loop
from atvm_pipeline.shell.processes import self_identity
from atvm_pipeline.shell.records import Paths, Request, WatcherRecord, read_record, write_record
from atvm_pipeline.shell.refusals import DATA, DONE, IN_USE, UNAVAILABLE, Refused
from atvm_pipeline.shell.release import follow_release
from atvm_pipeline.shell.sources import Sources
from atvm_pipeline.shell.store import Store, load
from atvm_pipeline.shell.watch import Watch

from .common import add_state_root, checked_build_name, environment, given_state_root, say, state_root
from .starting import load_dialect


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Watch.  0 in every phase once its posts are settled, 69 if one was rejected or expired."""
    environ = environment()
    paths = Paths(state_root(args, environ), checked_build_name(args.build))
    follow_release(paths, ["watch", args.build, *given_state_root(args)])
    request = read_record(paths.request, Request)
    if request is None:
        raise Refused(
            DATA,
            f"build {paths.build_name} has no readable request.json in {paths.state_root}: start it with start-atvm-run.sh",
        )
    try:
        with locked(paths.watcher_lock):
            return _watch(paths, request, environ)
    except Busy:
        raise Refused(IN_USE, f"build {paths.build_name} is being watched already") from None


def _watch(paths: Paths, request: Request, environ: Mapping[str, str]) -> int:
    deliver = deliverer(request, environ)
    loaded = load(paths, request.run_id)
    store = Store(paths, loaded.journal_bytes)
    fresh = loaded.run is None
    # What the verdict depends on was read at the first start: its files may be gone by now.
    known = begin(first_event(request)).run if loaded.run is None else loaded.run
    loop = Loop(
        known,
        store,
        deliver,
        on_save=_tell,
        on_round=notify.watchdog,
        on_refused=lambda text: _refused(paths, request, environ, text),
    )
    if loaded.journal_bytes == 0:
        store.append([known.request])
    pid, create_time = self_identity()
    record = WatcherRecord(
        build_name=request.build_name,
        run_id=request.run_id,
        pid=pid,
        create_time=create_time,
        started_at=clock.now(),
    )
    write_record(paths.watcher, record)
    _stop_on_signals(loop)
    loop.feed([WatcherStarted(at=clock.now(), pid=pid, resumed=not fresh, utc_offset_s=clock.utc_offset_s())])
    loop.feed(crashed_deliveries(known))
    watch = Watch(paths.folder, Path(request.log_path), Path(request.artifacts_dir), loop.hint)
    watch.start()
    loop.degraded = watch.degraded is not None
    if watch.degraded is not None:
        say(f"watching by looking every second: {watch.degraded}")
    try:
        sources = Sources(paths, request, loop.run, loop.hint)
        loop.follow(sources, on_ready=lambda: _ready(paths, record))
    finally:
        watch.stop()
        store.close()
    bad = [post for post in loop.run.outbox if post.outcome in ("rejected", "expired")]
    return UNAVAILABLE if bad else DONE


def first_event(request: Request) -> RunRequested:
    """The first event of the journal: everything that the verdict depends on, so that it can be derived again.

    Only for a journal that is empty: dialect and inventory may be gone later.  Raises ConfigError.
    """
    dialect = load_dialect(request.dialect_path)
    inventory = load_inventory(Path(request.inventory_path) if request.inventory_path else None)
    hosts = requested_hosts(request.build_name, inventory, dialect)
    return RunRequested(
        seq=1,
        at=request.requested_at,
        build_name=request.build_name,
        run_id=request.run_id,
        categorized=request.categorized,
        metadata=request.metadata,
        settings=request.settings,
        dialect=dialect,
        requested_hosts=hosts,
        inventory=inventory,
        log_path=request.log_path,
        log_start=request.log_start,
        artifacts_dir=request.artifacts_dir,
        notes=request.notes,
    )


def crashed_deliveries(run: Run) -> list[DeliverySettled]:
    """Attempts that an earlier watcher had begun and did not see the end of: nobody knows whether they arrived."""
    return [
        DeliverySettled(
            at=clock.now(),
            key=post.key,
            attempt=post.attempts,
            outcome="uncertain",
            detail="the watcher ended while sending",
        )
        for post in run.outbox
        if post.in_flight
    ]


def _stop_on_signals(loop: Loop) -> None:
    def on_signal(number: int, _frame: FrameType | None) -> None:
        loop.stop(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _ready(paths: Paths, record: WatcherRecord) -> None:
    write_record(paths.watcher, replace(record, ready_at=clock.now()))
    notify.ready()


def _refused(paths: Paths, request: Request, environ: Mapping[str, str], text: str) -> None:
    """What cannot be recorded cannot be in the outbox either: it is told at once, and a repeat would do no harm."""
    notify.status(text)
    tell_apart(paths.build_name, request, environ, text, key=f"{request.run_id}/alert/refused")


def _tell(snapshot: Snapshot) -> None:
    """One line for `systemctl status`."""
    ledger = snapshot.ledger
    parts = [f"{ledger.passed} of {ledger.planned} specs passed, {len(snapshot.subruns)} sub-runs"]
    parts += ["failing"] if snapshot.failing else []
    parts += [snapshot.reason["text"]] if snapshot.phase in TERMINAL_PHASES else []
    parts += [snapshot.attention] if snapshot.attention else []
    posts = [snapshot.post, *snapshot.alerts, *(subrun.post for subrun in snapshot.subruns)]
    waiting = sum(1 for post in posts if post is not None and post.outcome == "pending")
    parts += [f"{waiting} message(s) not delivered yet"] if waiting else []
    notify.status(f"{snapshot.phase}: {'; '.join(parts)}")
