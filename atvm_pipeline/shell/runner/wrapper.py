"""Wrapper around the runner command: starts it, keeps its process tree, and records how it ended.

It neither decides nor posts anything. While it is alive it holds the runner's lock; its record is on disk before the
lock is released. `stop.py` stops it, `exit_status.py` adds systemd's result.
"""

import contextlib
import ctypes
import os
import signal
from datetime import datetime
from pathlib import Path

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.events import Process
from atvm_pipeline.shell.config.runner_env import without_secrets
from atvm_pipeline.shell.exit_codes import IN_USE, UNAVAILABLE, CommandError
from atvm_pipeline.shell.processes.process_table import is_alive, self_identity
from atvm_pipeline.shell.processes.tree import ProcessTree
from atvm_pipeline.shell.state_dir.records import (
    ExitRecord,
    MarkerRecord,
    Paths,
    Record,
    Request,
    RunnerRecord,
    read_record,
    write_record,
)
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import Busy, locked
from atvm_pipeline.shell.system.io_errors import io_error_text
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.subprocesses import open_log, shell_argv, signal_name, start_child, systemctl

from .exit_status import OOM_KILL
from .oom_kills import oom_kills

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphaned descendants become children of this process, so that none is lost and waitpid reports the end of
the last one."""
RUNNER_POLL_S = 0.1
WRITE_RETRY_S = 1.0
WRITE_TRIES = 600
"""Ten minutes for a full disk: without the record, the exit code is lost."""


def run_runner(paths: Paths, *, run_id: str | None = None) -> int:
    """Run the runner command of `request.json` until its process tree has ended; return its exit code.

    The exit code is 128+n for signal n, and 69 if the command could not be started; the record has the reason. `run_id`:
    run only the request of this run. Raises DataError for a request that cannot be run, CommandError (75) if this run has
    or had a runner, OSError.
    """
    try:
        with locked(paths.runner_lock):
            # Read under the lock: before, the request may be that of the run that has just been replaced.
            request = read_record(paths.request, Request, run_id)
            if request is None or request.runner_command is None:
                raise DataError(
                    f"{paths.request} contains no runner command: start the run with start-atvm-run.sh or start-atvm-runner.sh"
                )
            if read_record(paths.runner_exit, ExitRecord, request.run_id) is not None:
                raise CommandError(
                    IN_USE, f"the runner of {paths.build_name} has already ended: start a new run"
                )
            if read_record(paths.runner, RunnerRecord, request.run_id) is not None:
                raise CommandError(IN_USE, f"run {request.run_id} already had a runner: start a new run")
            return _Wrapper(paths, request, request.runner_command).run()
    except Busy:
        raise CommandError(IN_USE, f"a runner of build {paths.build_name} is alive") from None


class _Wrapper:
    """One run of the runner command."""

    def __init__(self, paths: Paths, request: Request, command: str) -> None:
        self._paths = paths
        self._request = request
        self._command = command
        self._command_pid: int | None = None
        self._stopped_by: signal.Signals | None = None
        self._forwarded = False

    def run(self) -> int:
        _adopt_orphans()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        # The terminal may close: an hours-long run does not end with a connection. A handler, not SIG_IGN, which the
        # command would inherit.
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
        started_at, oom_before = clock.now(), oom_kills()
        try:
            self._start()
        except OSError as error:
            return self._not_started(error)
        self._write(self._paths.runner, self._runner_record(started_at))
        if self._stopped_by is not None:
            self._forward()
        status = self._wait_for_command()
        survivors = self._wait_for_orphans()
        code = os.waitstatus_to_exitcode(status)
        out_of_memory = code == -signal.SIGKILL and oom_kills() > oom_before
        self._write(
            self._paths.runner_exit,
            ExitRecord(
                build_name=self._request.build_name,
                run_id=self._request.run_id,
                exit_code=code if code >= 0 else None,
                signal=signal_name(-code) if code < 0 else None,
                service_result=OOM_KILL if out_of_memory else None,
                started_at=started_at,
                finished_at=clock.now(),
                survivors=survivors,
            ),
        )
        return code if code >= 0 else 128 - code

    def _start(self) -> None:
        output = open_log(Path(self._request.log_path))
        try:
            environment = {"PYTHONUNBUFFERED": "1", **without_secrets(self._request.environment)}
            self._command_pid = start_child(
                shell_argv(self._command), environment, Path(self._request.workdir), output
            )
        finally:
            os.close(output)

    def _not_started(self, error: OSError) -> int:
        text = io_error_text(error)
        record = ExitRecord(
            build_name=self._request.build_name,
            run_id=self._request.run_id,
            error=text,
            finished_at=clock.now(),
        )
        self._write(self._paths.runner_exit, record)
        log(f"the runner command was not started: {text}")
        return UNAVAILABLE

    def _runner_record(self, started_at: datetime) -> RunnerRecord:
        pid, create_time = self_identity()
        return RunnerRecord(
            build_name=self._request.build_name,
            run_id=self._request.run_id,
            pid=pid,
            create_time=create_time,
            command_pid=self._command_pid,
            started_at=started_at,
            boot_id=clock.boot_id(),
        )

    def _wait_for_command(self) -> int:
        """Return the command's wait status; other children that end in the meantime are reaped."""
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == self._command_pid:
                return status

    def _wait_for_orphans(self) -> tuple[Process, ...]:
        """Wait until no descendant is left, at most the orphan limit; return those that are still alive."""
        gone = clock.wait_until(_reap_all, self._request.orphan_limit_s, RUNNER_POLL_S)
        return () if gone else _descendants()

    def _on_stop(self, number: int, _frame: object) -> None:
        self._stopped_by = signal.Signals(number)
        if self._command_pid is not None:
            self._forward()

    def _forward(self) -> None:
        """Pass a stop signal on to the process tree, once, and record that the end was requested from outside.

        A command may catch SIGTERM and exit with 0; only the marker distinguishes such an end from a success.
        """
        if self._forwarded:
            return
        self._forwarded = True
        with contextlib.suppress(OSError):
            if read_record(self._paths.stop, MarkerRecord, self._request.run_id) is None:
                marker = MarkerRecord(
                    build_name=self._request.build_name,
                    run_id=self._request.run_id,
                    who=f"{self._stopped_by.name if self._stopped_by else 'a signal'} to the runner's wrapper",
                    host_down=systemctl("is-system-running", timeout_s=2.0).text == "stopping",
                    requested_at=clock.now(),
                )
                write_record(self._paths.stop, marker)
        for process in _descendants():
            with contextlib.suppress(OSError):
                if is_alive(process.pid, process.create_time):
                    os.kill(process.pid, signal.SIGTERM)
                    # A stopped process handles SIGTERM only when it continues.
                    os.kill(process.pid, signal.SIGCONT)

    def _write(self, path: Path, record: Record) -> None:
        """Write a record; retry, because a full disk may have space again a minute later."""
        for attempt in range(WRITE_TRIES):
            try:
                return write_record(path, record)
            except OSError as error:
                if isinstance(error, FileNotFoundError) and not path.parent.exists():
                    # No later start could use a record of this run.
                    log(f"cannot write {path}: the state directory was removed; the end is not recorded")
                    return None
                if attempt == 0:
                    log(f"{io_error_text(error, 'write to', path)}; trying again for {WRITE_TRIES} s")
            clock.sleep(WRITE_RETRY_S)
        log(f"{path} could not be written")
        return None


def _reap_all() -> bool:
    """Collect the exit codes of all children that have ended; return whether none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _adopt_orphans() -> None:
    """Become the parent of orphaned descendants; if the kernel does not support it, they become children of PID 1."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _descendants() -> tuple[Process, ...]:
    """Return the living descendants of this process."""
    pid, create_time = self_identity()
    tree = ProcessTree(Dialect())
    tree.root(pid, create_time)
    seen = tree.scan()
    return tuple(process for process in seen.processes if process.pid != pid) if seen is not None else ()
