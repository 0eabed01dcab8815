"""All sources of one watched run, polled in the one order that loses nothing.

The exit record is read first and fed last, so that everything written before the end is read before the core receives
the end. This module decides nothing about runs.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

from atvm_pipeline.core.console.scanner import Scanner
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import (
    CancelRequested,
    Event,
    Process,
    RunnerExited,
    RunnerStarted,
    RunnerVanished,
    StopRequest,
)
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.processes.exit_watch import ExitWatcher
from atvm_pipeline.shell.processes.process_table import is_alive
from atvm_pipeline.shell.processes.tree import ProcessTree
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    ExitRecord,
    MarkerRecord,
    Paths,
    Request,
    RunnerRecord,
    read_record,
)
from atvm_pipeline.shell.supervisor.base import RUNNER_UNIT
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.subprocesses import systemctl

from .fs_events import Hint
from .log_follower import LogFollower
from .report_claims import find_claims
from .report_files import ReportScanner, version_of

UNIT_ASK_S = 5.0
VANISH_LOOKS = 2
"""Consecutive polls that must miss the runner, because its record may be written between two reads of one poll."""


class Sources:
    """Log, artifacts, processes and markers of one run; `with Sources(...):` closes the open ones after the block."""

    def __init__(self, paths: Paths, request: Request, run: Run, hint: Hint) -> None:
        """Continue from the state of `run`. Raises OSError if the baseline exists and cannot be read."""
        dialect: Dialect = run.request.dialect
        self._paths = paths
        self._request = request
        self._hint = hint
        self._boot_id = clock.boot_id()
        scanner = Scanner(dialect)
        log = run.log
        self._tail = LogFollower(
            Path(request.log_path),
            scanner,
            generation=log.generation,
            begin=log.begin,
            state=log.scanner,
            identity=log.identity,
            final=log.final,
        )
        baseline = read_record(paths.baseline, BaselineRecord, request.run_id)
        folder = Path(request.artifacts_dir)
        self._artifacts = ReportScanner(
            folder,
            Path(request.workdir),
            dialect,
            baseline.files if baseline is not None else {},
            seen={artifact.path: version_of(artifact) for artifact in run.artifacts},
            rivals=find_claims(paths.state_root, paths.build_name, folder),
            patience_s=run.request.settings.settle_s,
        )
        known = (*run.processes, *(run.exit.survivors if run.exit is not None else ()))
        self._tree = ProcessTree(dialect, known)
        self._exit_watch: ExitWatcher | None = None
        self._runner = run.runner
        if run.runner is not None:
            self._follow(run.runner)
        self._exit_fed = run.exit is not None
        self._vanish_fed = run.vanished is not None
        self._cancel_fed = run.cancel is not None
        # Starts as False even if an earlier watcher fed a final read: the log may have grown, or that watcher died
        # between the final read and the end.
        self._final = False
        self._misses = 0

    def close(self) -> None:
        """Close the log, and stop waiting for the end of the runner."""
        self._tail.close()
        if self._exit_watch is not None:
            self._exit_watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def gather(self, hinted: Collection[Path] | None) -> Iterator[Event]:
        """Yield all events since the last call; `hinted` are report files that may have changed, None: scan everything."""
        exit_record = (
            None if self._exit_fed else read_record(self._paths.runner_exit, ExitRecord, self._request.run_id)
        )
        yield from self._runner_started()
        over = exit_record is not None or self._exit_fed or self._vanish_fed
        yield from self._tail.read()
        while exit_record is not None and self._tail.behind:
            # The end is fed only after everything that was written before it.
            yield from self._tail.read()
        yield from self._artifacts.scan(hinted)
        seen = self._tree.scan()
        if seen is not None:
            yield seen
        marker = (
            None if self._cancel_fed else read_record(self._paths.cancel, MarkerRecord, self._request.run_id)
        )
        if marker is not None:
            # Fed once: otherwise a watcher that still delivers messages would record it again with every poll, for
            # days.
            self._cancel_fed = True
            yield CancelRequested(
                at=clock.now(), who=marker.who, why=marker.why, requested_at=marker.requested_at
            )
        if exit_record is not None:
            # A second read: it finds the bytes that were written between the read above and the record.
            yield from self._flush(exit_record.survivors)
            yield from self._exited(exit_record)
        elif not self._exit_fed and not self._vanish_fed:
            yield from self._vanished()
        elif over:
            yield from self._flush(())

    def _flush(self, survivors: Collection[Process]) -> Iterator[Event]:
        """Read the log to its end for the last time, once no process of the run is alive that could write to it."""
        if self._final or survivors or self._tree.alive():
            return
        self._final = True
        yield from self._tail.read(final=True)
        yield from self._artifacts.scan(None, final=True)

    def _exited(self, record: ExitRecord) -> Iterator[Event]:
        self._exit_fed = True
        stop = self._stop_marker()
        if stop is not None and stop.host_down:
            # An orderly shutdown of the host stops the runner like an operator does, but was not meant for this run.
            self._vanish_fed = True
            yield RunnerVanished(at=clock.now(), rebooted=True)
            return
        yield RunnerExited(
            at=clock.now(),
            exit_code=record.exit_code,
            signal=record.signal,
            service_result=record.service_result,
            stop_requested=stop is not None,
            stop=_stop_request(stop),
            error=record.error,
            survivors=record.survivors,
        )

    def _runner_started(self) -> Iterator[Event]:
        if self._runner is not None or self._exit_fed:
            return
        record = read_record(self._paths.runner, RunnerRecord, self._request.run_id)
        if record is not None:
            self._runner = RunnerStarted(
                at=clock.now(), pid=record.pid, create_time=record.create_time, boot_id=record.boot_id
            )
        elif self._request.runner_command is None:
            from atvm_pipeline.shell.processes.discovery import find_runner  # noqa: PLC0415 - psutil, which other watchers do not need

            # The runner is started by other means, and is recognised by its command line.
            found = find_runner(self._paths.build_name, Path(self._request.workdir))
            if found is None:
                return
            self._runner = RunnerStarted(
                at=clock.now(), pid=found.pid, create_time=found.create_time, boot_id=self._boot_id
            )
        else:
            return
        self._follow(self._runner)
        yield self._runner

    def _follow(self, runner: RunnerStarted) -> None:
        """Start to scan the process tree of the runner, and to wait for its end."""
        self._tree.root(runner.pid, runner.create_time)
        # The end can only have changed the exit record; the reports are all scanned once the run is over.
        self._exit_watch = ExitWatcher(
            runner.pid, runner.create_time, lambda _: self._hint(self._paths.runner_exit)
        )

    def _vanished(self) -> Iterator[Event]:
        runner = self._runner
        boot_id = runner.boot_id if runner is not None else self._request.boot_id
        rebooted = bool(boot_id) and boot_id != self._boot_id
        self._misses = self._misses + 1 if rebooted or self._is_gone(runner) else 0
        if self._misses < VANISH_LOOKS:
            return
        self._vanish_fed = True
        stop = self._stop_marker()
        down = stop is not None and stop.host_down
        stopped = stop is not None and not down
        yield RunnerVanished(
            at=clock.now(),
            rebooted=rebooted or down,
            stop_requested=stopped,
            stop=_stop_request(stop) if stopped else None,
        )

    def _is_gone(self, runner: RunnerStarted | None) -> bool:
        if runner is None:
            # A runner that the wrapper does not start may be stopped before a poll has found it.
            return self._request.runner_command is None and self._stop_marker() is not None
        lives = is_locked(self._paths.runner_lock) or is_alive(runner.pid, runner.create_time)
        return not (lives or self._unit_is_ending())

    def _stop_marker(self) -> MarkerRecord | None:
        return read_record(self._paths.stop, MarkerRecord, self._request.run_id)

    def _unit_is_ending(self) -> bool:
        """Return whether systemd is still stopping the processes of a killed wrapper; it writes the record afterwards."""
        if self._request.supervisor != "systemd" or self._request.runner_command is None:
            return False
        answer = systemctl("is-active", RUNNER_UNIT.format(self._request.build_name), timeout_s=UNIT_ASK_S)
        return answer.text.strip() in ("active", "activating", "deactivating")


def _stop_request(marker: MarkerRecord | None) -> StopRequest | None:
    if marker is None:
        return None
    return StopRequest(who=marker.who, why=marker.why, requested_at=marker.requested_at)
