"""Stop of a runner with its process tree, under any supervisor. The stop marker is on disk before the first signal."""

import contextlib
import os
import signal
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.events import Process
from atvm_pipeline.shell.processes.discovery import find_runner
from atvm_pipeline.shell.processes.process_table import identity, is_alive
from atvm_pipeline.shell.processes.stopping import stop_tree
from atvm_pipeline.shell.state_dir.records import (
    ExitRecord,
    MarkerRecord,
    Paths,
    Request,
    RunnerRecord,
    read_record,
    write_record,
)
from atvm_pipeline.shell.supervisor.base import RUNNER_UNIT
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.subprocesses import systemctl

from .orphans import find_process, missing_text

STOP_POLL_INTERVAL_S = 0.05
RECORD_WAIT_S = 10.0
COMMAND_START_S = 60.0
"""The wrapper starts its command within this time; a process that started later only reuses its pid."""
SURVIVORS_NAMED_MAX = 5


class StopResult(NamedTuple):
    """Result of a stop."""

    stopped: bool
    """Whether no process of the runner's tree is known to be alive."""
    text: str
    """One line for the operator."""


def stop_runner(paths: Paths, *, who: str, why: str, grace_s: float = 20.0) -> StopResult:
    """Stop the runner of the current run: SIGTERM to its tree, SIGKILL after `grace_s`.

    Returns when the exit record exists and no process is alive, or with the names of processes that did not stop.
    Raises OSError.
    """
    request = read_record(paths.request, Request)
    if request is None:
        return _stop_without_request(paths, grace_s)
    _wait_recorded(paths, request)
    roots = _roots(paths, request)
    if not roots and not is_locked(paths.runner_lock):
        return StopResult(stopped=True, text="no runner is running")
    if read_record(paths.stop, MarkerRecord, request.run_id) is None:
        write_record(
            paths.stop,
            MarkerRecord(
                build_name=request.build_name,
                run_id=request.run_id,
                who=who,
                why=why,
                requested_at=clock.now(),
            ),
        )
    was_alive = _stop_wrapper(paths, request, grace_s)
    roots = _roots(paths, request)
    left = stop_tree(roots[0], grace_s=0.0 if was_alive else grace_s, also_known=roots[1:]) if roots else []
    clock.wait_until(lambda: not is_locked(paths.runner_lock), RECORD_WAIT_S, STOP_POLL_INTERVAL_S)
    return _result(paths, left)


def _stop_without_request(paths: Paths, grace_s: float) -> StopResult:
    """Stop the runner of a build whose state directory was removed: its wrapper is found in the process table."""
    orphan = find_process(paths)
    wrapper = identity(orphan.pid) if orphan is not None else None
    if orphan is None or wrapper is None:
        return StopResult(stopped=True, text="no runner is running")
    if orphan.unit is not None:
        systemctl("stop", "--no-block", orphan.unit)
    left = stop_tree(wrapper, grace_s=grace_s)
    clock.wait_until(lambda: not is_locked(paths.runner_lock), RECORD_WAIT_S, STOP_POLL_INTERVAL_S)
    result = _result(paths, left)
    if not result.stopped:
        return result
    return StopResult(
        stopped=True,
        text=f"runner stopped ({orphan.where()}); {missing_text(paths)}, so the end is not recorded",
    )


def _roots(paths: Paths, request: Request) -> list[Process]:
    """Return the living top processes of the tree: the wrapper, else what it left.

    Without a record of a wrapper, a runner that was started by other means.
    """
    record = read_record(paths.runner, RunnerRecord, request.run_id)
    if record is None:
        found = find_runner(paths.build_name, Path(request.workdir))
        return [found] if found is not None else []
    roots = []
    wrapper = identity(record.pid)
    if wrapper is not None and is_alive(record.pid, record.create_time):
        roots.append(wrapper)
    elif record.boot_id == clock.boot_id():
        command = identity(record.command_pid) if record.command_pid is not None else None
        if command is not None and _is_command(command, record):
            roots.append(command)
    survivors = read_record(paths.runner_exit, ExitRecord, record.run_id)
    left = survivors.survivors if survivors is not None else ()
    return roots + [process for process in left if is_alive(process.pid, process.create_time)]


def _is_command(command: Process, record: RunnerRecord) -> bool:
    """Return whether this is still the command: it leads its own session, and started just after the wrapper."""
    try:
        leads = os.getsid(command.pid) == command.pid
    except OSError:
        return False
    return leads and 0.0 <= command.create_time - record.create_time <= COMMAND_START_S


def _stop_wrapper(paths: Paths, request: Request, grace_s: float) -> bool:
    """Send SIGTERM to the wrapper, which passes it on, so that no process receives it twice; wait up to `grace_s`.

    Returns whether the wrapper was alive.
    """
    record = read_record(paths.runner, RunnerRecord, request.run_id)
    if record is None or not is_alive(record.pid, record.create_time):
        return False
    if request.supervisor == "systemd":
        # Not waited for: systemd would kill the wrapper together with its tree before it could write its record.
        systemctl("stop", "--no-block", RUNNER_UNIT.format(paths.build_name))
    with contextlib.suppress(OSError):
        if is_alive(record.pid, record.create_time):
            os.kill(record.pid, signal.SIGTERM)
    clock.wait_until(lambda: not is_alive(record.pid, record.create_time), grace_s, STOP_POLL_INTERVAL_S)
    return True


def _wait_recorded(paths: Paths, request: Request) -> None:
    """Wait until a wrapper that has just started has recorded its identity."""
    clock.wait_until(
        lambda: (
            not is_locked(paths.runner_lock)
            or read_record(paths.runner, RunnerRecord, request.run_id) is not None
        ),
        RECORD_WAIT_S,
        STOP_POLL_INTERVAL_S,
    )


def _result(paths: Paths, left: list[Process]) -> StopResult:
    if left:
        names = ", ".join(f"{process.name} ({process.pid})" for process in left[:SURVIVORS_NAMED_MAX])
        count = "1 process" if len(left) == 1 else f"{len(left)} processes"
        return StopResult(stopped=False, text=f"{count} of the runner did not stop: {names}")
    if is_locked(paths.runner_lock):
        return StopResult(stopped=False, text="the runner's wrapper did not stop")
    return StopResult(stopped=True, text="runner stopped")
