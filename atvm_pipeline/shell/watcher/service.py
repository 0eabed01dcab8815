"""Assembly of a watcher, and the order of its start: journal, `watcher.json`, first scan of all sources."""

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from msgspec.structs import replace

from atvm_pipeline.core.events import DeliverySettled, RunRequested, WatcherStarted, WriteRefused
from atvm_pipeline.core.reducer import begin_run
from atvm_pipeline.core.snapshot import Snapshot
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.config.settings import state_root_option
from atvm_pipeline.shell.delivery.sender import make_sender, warm_up
from atvm_pipeline.shell.processes.process_table import self_identity
from atvm_pipeline.shell.sources.collector import Sources
from atvm_pipeline.shell.sources.fs_events import FileWatcher
from atvm_pipeline.shell.state_dir.records import Paths, Request, WatcherRecord, write_record
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.state_dir.store import Loaded, Store, load
from atvm_pipeline.shell.system import clock, sd_notify
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.typed_command import typed_command

from .disk_alerts import DiskAlerts
from .disk_retry import IoResult, is_permanent, retry_io
from .loop import Loop
from .present_state import present_state
from .story_log import StoryLog
from .story_messages import Naming

SWITCH_S = 0.0005
"""How long a thread may compute while another one waits for its turn."""


def run_watcher(
    paths: Paths,
    request: Request,
    environ: Mapping[str, str],
    first_event: Callable[[Request], RunRequested],
) -> Run:
    """Watch until the run has ended and every message is settled, or until a signal; return the run.

    The caller holds the watcher's lock. `first_event` returns the first event for an empty journal. A full disk is
    retried, also during the start. Raises ConfigError, DataError, OSError.
    """
    # The threads that hint run for microseconds at a time; the deciding thread must not wait five milliseconds for
    # them.
    sys.setswitchinterval(SWITCH_S)
    process = RunProcess(paths, request, environ)
    loaded = load(paths, request.run_id)
    with process.opened(loaded) as store:
        # The input of the verdict was read at the first start; its files may be gone by now.
        known = begin_run(first_event(request)).run if loaded.run is None else loaded.run
        loop = process.loop(store, known)
        if loaded.journal_bytes == 0:
            process.retried(lambda: store.append([known.request]), "append to")
        record = process.started(loop)
        loop.feed([watcher_started(record, resumed=loaded.run is not None)])
        loop.feed(crashed_deliveries(known))
        _follow(loop, paths, request, record)
    return loop.run


class RunProcess:
    """The parts of a process that follows one run: a watcher, or the sender of an archived run."""

    def __init__(self, paths: Paths, request: Request, environ: Mapping[str, str]) -> None:
        """Create the sender of the run's messages. Raises ConfigError."""
        self._paths, self._request = paths, request
        self._deliver = make_sender(request, environ)
        self._state_root_words = state_root_option(environ, paths.state_root)
        self._disk_alerts = DiskAlerts(paths.build_name, request, environ)
        self._refusals: list[WriteRefused] = []
        """Times at which the disk refused writes before there was a loop to record them."""

    def retried(self, attempt: Callable[[], IoResult], what: str) -> IoResult:
        """Write, retrying while the disk is full."""
        # Signals are not handled yet: until the loop installs its handlers, a signal ends the process immediately.
        return retry_io(
            attempt,
            what,
            on_round=sd_notify.watchdog,
            on_refused=self._disk_alerts.refused,
            on_recovered=self._refusals.append,
            gives_up=is_permanent,
        )

    def opened(self, loaded: Loaded) -> Store:
        """Open the journal."""
        return self.retried(lambda: Store(self._paths, loaded.journal_bytes), "open")

    def loop(self, store: Store, run: Run) -> Loop:
        """Return the loop of that run."""
        return Loop(
            run,
            store,
            self._deliver,
            on_save=_Saved().on_save,
            on_round=sd_notify.watchdog,
            on_refused=self._disk_alerts.refused,
            on_recovered=self._disk_alerts.recovered,
            story=StoryLog(Naming(address_of(self._paths), self._typed)),
        )

    def _typed(self, program: str, *words: str) -> str:
        return typed_command(program, *words, *self._state_root_words)

    def started(self, loop: Loop) -> WatcherRecord:
        """Write `watcher.json`, and let signals stop the loop."""
        pid, create_time = self_identity()
        record = WatcherRecord(
            build_name=self._request.build_name,
            run_id=self._request.run_id,
            pid=pid,
            create_time=create_time,
            started_at=clock.now(),
        )
        self.retried(lambda: write_record(self._paths.watcher, record), "write to")
        _stop_on_signals(loop)
        for refusal in self._refusals:
            loop.recovered(refusal)
        return record


def watcher_started(record: WatcherRecord, *, resumed: bool, archived: bool = False) -> WatcherStarted:
    """Return the event of a process that starts to follow a run; `archived` as in `WatcherStarted`."""
    return WatcherStarted(
        at=clock.now(),
        pid=record.pid,
        resumed=resumed,
        archived=archived,
        utc_offset_s=clock.utc_offset_s(),
    )


def _follow(loop: Loop, paths: Paths, request: Request, record: WatcherRecord) -> None:
    """Watch files and processes until the run has ended, and close them in any case."""
    watch = FileWatcher(paths.folder, Path(request.log_path), Path(request.artifacts_dir), loop.hint)
    watch.start()
    try:
        loop.degraded = watch.degraded is not None
        if watch.degraded is not None:
            log(f"polling files every second: {watch.degraded}")
        with Sources(paths, request, loop.run, loop.hint) as sources:
            loop.follow(sources, on_ready=lambda: report_ready(loop, paths, record))
    finally:
        watch.stop()


def crashed_deliveries(run: Run) -> list[DeliverySettled]:
    """Return outcomes for attempts that an earlier watcher started and did not see the end of: they may have arrived."""
    return [
        DeliverySettled(
            at=clock.now(),
            key=post.key,
            attempt=post.attempts,
            outcome="uncertain",
            detail="the watcher ended while sending",
            crashed=True,
        )
        for post in run.outbox
        if post.in_flight
    ]


def _stop_on_signals(loop: Loop) -> None:
    def on_signal(number: int, _frame: FrameType | None) -> None:
        loop.stop(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def report_ready(loop: Loop, paths: Paths, record: WatcherRecord) -> None:
    """Record that the first scan is done, and report it to systemd."""
    loop.retry_write(lambda: write_record(paths.watcher, replace(record, ready_at=clock.now())), "write to")
    sd_notify.ready()


class _Saved:
    """Actions after each saved state."""

    def __init__(self) -> None:
        self._warm = False

    def on_save(self, snapshot: Snapshot) -> None:
        """Report the status to systemd; load the sender once a spec has ended.

        From then on a message may follow at any time.
        """
        ledger = snapshot.ledger
        if not self._warm and ledger.planned > ledger.not_run + ledger.no_report:
            self._warm = True
            warm_up()
        sd_notify.status(present_state(snapshot))
