"""Common interface of both supervisors, and waiting for the records that their processes write.

A supervisor starts and stops processes. It decides nothing about runs.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from typing import Protocol

from atvm_pipeline.shell.config.settings import effective_environment, state_root_of
from atvm_pipeline.shell.processes.own_processes import OwnProcess, find_own_processes
from atvm_pipeline.shell.processes.process_table import identity, is_alive
from atvm_pipeline.shell.state_dir.records import (
    ExitRecord,
    Paths,
    Request,
    RunnerRecord,
    WatcherRecord,
    read_record,
)
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.subprocesses import systemctl

WATCHER_UNIT = "atvm-run-watcher@{}.service"
RUNNER_UNIT = "atvm-runner@{}.service"
SENDER_UNIT = "atvm-run-deliver@{}.service"
"""The instance is BUILD@TIME: `@` and `:` are legal there."""
SUPERVISOR_POLL_S = 0.05
SERVICE_KILL_WAIT_S = 5.0
REMOVED_WAIT_S = 3.0
"""How long a watcher may take to stop if its state directory was removed."""


class Supervisor(Protocol):
    """Keeps the two processes of a run: the watcher, and the wrapper around the runner command.

    The watcher of an archived run (`paths.is_archived`) is the sender of its messages.
    """

    name: str

    def check(self, paths: Paths, environment: Mapping[str, str]) -> None:
        """Refuse, before anything is changed, a start that this supervisor cannot perform. Raises ConfigError."""

    def start_watcher(self, paths: Paths, environment: Mapping[str, str]) -> None:
        """Start the watcher without waiting; `environment` has the settings and the secrets. Raises OSError."""

    def start_runner(self, paths: Paths) -> None:
        """Start the runner's wrapper without waiting. Raises OSError."""

    def wait_until_watching(self, paths: Paths, run_id: str, timeout_s: float) -> str | None:
        """Return None once the watcher has scanned all sources; otherwise one line with the reason why it has not."""

    def wait_until_running(self, paths: Paths, run_id: str, timeout_s: float) -> str | None:
        """Return None once the runner command runs, or has run; otherwise one line with the reason why it does not."""

    def stop_watcher(self, paths: Paths, timeout_s: float) -> None:
        """Stop the watcher of this build; return when it has stopped, or some seconds after `timeout_s`."""


def watcher_unit(paths: Paths) -> str:
    """Return the unit of a run's watcher, or of the sender of an archived run."""
    return (SENDER_UNIT if paths.is_archived else WATCHER_UNIT).format(address_of(paths))


Watcher = tuple[int, float]
"""The pid and start time of a watcher."""


def watcher_before(paths: Paths) -> Watcher | None:
    """Return the watcher that wrote the last `watcher.json` before a start."""
    record = read_record(paths.watcher, WatcherRecord)
    return None if record is None else (record.pid, record.create_time)


def wait_watching(
    paths: Paths,
    run_id: str,
    timeout_s: float,
    ended: Callable[[], str | None],
    before: Watcher | None = None,
) -> str | None:
    """Wait for `watcher.json` of another watcher than `before`.

    `ended` returns why its process is gone, None while it is alive. A watcher that was ready and is already gone had
    nothing left to watch.
    """

    def ready() -> bool:
        record = read_record(paths.watcher, WatcherRecord, run_id)
        new = record is not None and (record.pid, record.create_time) != before
        return new and record is not None and record.ready_at is not None

    return _wait(ready, ended, timeout_s, f"it is not ready after {timeout_s:.0f} s")


def wait_running(paths: Paths, run_id: str, timeout_s: float, ended: Callable[[], str | None]) -> str | None:
    """Wait for `runner.json` or `runner-exit.json`; `ended` returns why the wrapper is gone, None while it is alive."""

    def known() -> bool:
        running = read_record(paths.runner, RunnerRecord, run_id) is not None
        return running or read_record(paths.runner_exit, ExitRecord, run_id) is not None

    reason = _wait(known, ended, timeout_s, f"it is not running after {timeout_s:.0f} s")
    if reason is not None:
        return reason
    record = read_record(paths.runner_exit, ExitRecord, run_id)
    return record.error if record is not None else None


def _wait(
    done: Callable[[], bool], ended: Callable[[], str | None], timeout_s: float, late: str
) -> str | None:
    """Wait for `done` and return None; otherwise return why the process has ended, or `late`."""

    def outcome() -> tuple[str | None] | None:
        # Called in this order, so that everything done before the end is seen.
        why = ended()
        if done():
            return (None,)
        return None if why is None else (why,)

    known = clock.wait_until(outcome, timeout_s, SUPERVISOR_POLL_S)
    return late if known is None else known[0]


def stop_unit_of(paths: Paths, timeout_s: float) -> None:
    """Stop the watcher's unit if systemd started the current run: systemd would restart a killed watcher."""
    request = read_record(paths.request, Request)
    removed = _removed_watcher(paths)
    is_unit = request is not None and request.supervisor == "systemd"
    if is_unit or (removed is not None and removed.unit is not None):
        systemctl("stop", watcher_unit(paths), timeout_s=timeout_s)


def signal_watcher(paths: Paths, timeout_s: float) -> None:
    """Stop the process that holds the watcher's lock: SIGTERM, and SIGKILL after `timeout_s`.

    The lock may have been removed together with the state root; then the watcher is found in the process table.
    """
    removed = _watcher_without_record(paths)
    if removed is None and not is_locked(paths.watcher_lock):
        return
    record = removed or read_record(paths.watcher, WatcherRecord)
    if record is None:
        # It holds the lock and has not recorded its identity yet, or never will.
        _wait_gone(paths, None, timeout_s)
        return
    if not paths.request.exists():
        # Its state directory was removed: it has no file left to write its last event to.
        timeout_s = min(timeout_s, REMOVED_WAIT_S)
    _send(record, signal.SIGTERM)
    if not _wait_gone(paths, record, timeout_s):
        _send(record, signal.SIGKILL)
        _wait_gone(paths, record, SERVICE_KILL_WAIT_S)


def _removed_watcher(paths: Paths) -> OwnProcess | None:
    """Return the watcher of a build whose state directory was removed, from the process table."""
    if paths.is_archived or paths.request.exists():
        return None
    found = find_own_processes(
        "watch", paths.state_root, lambda environ: state_root_of(effective_environment(environ))
    )
    return next((process for process in found if process.build_name == paths.build_name), None)


def _watcher_without_record(paths: Paths) -> WatcherRecord | None:
    removed = _removed_watcher(paths)
    watcher = identity(removed.pid) if removed is not None else None
    if watcher is None:
        return None
    return WatcherRecord(
        build_name=paths.build_name,
        run_id="",
        pid=watcher.pid,
        create_time=watcher.create_time,
        started_at=clock.now(),
    )


def _send(record: WatcherRecord, number: signal.Signals) -> None:
    if is_alive(record.pid, record.create_time):
        with contextlib.suppress(OSError):
            os.kill(record.pid, number)


def _wait_gone(paths: Paths, record: WatcherRecord | None, timeout_s: float) -> bool:
    """Return whether the lock is free and its process has ended within `timeout_s`."""

    def gone() -> bool:
        lives = record is not None and is_alive(record.pid, record.create_time)
        return not lives and not is_locked(paths.watcher_lock)

    return clock.wait_until(gone, timeout_s, SUPERVISOR_POLL_S)
