"""Conflicts of a start with living runs: over the build name, the log, the config file and the hosts under test.

All checks run before any command is run. They change nothing except the locks and the ticket that they hold.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.events import Process
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.exit_codes import CANNOT_WRITE, IN_USE, CommandError
from atvm_pipeline.shell.processes.discovery import find_runner
from atvm_pipeline.shell.runner.orphans import find_process
from atvm_pipeline.shell.state_dir.reader import phase_of
from atvm_pipeline.shell.state_dir.records import ExitRecord, Paths, Request, read_record
from atvm_pipeline.shell.system.files import Busy, is_locked, locked, make_folder
from atvm_pipeline.shell.system.io_errors import reason_of

from .resources import Resources, Shared, resources_in_use, shared, without_shared
from .start_options import StartOptions, hint
from .tickets import DrawnTicket, Ticket

UNDER_WAY = "is being started or cancelled by another command"


class Conflict(NamedTuple):
    """A reason why a start is not possible now."""

    text: str
    """One line for a refusal: the resource, the run that uses it, and the remedy."""
    waits_for: str
    """The run, and the resource that it uses, for a start that waits."""
    hosts_only: bool = False
    """Only hosts are in use."""


@contextlib.contextmanager
def attach_lock(options: StartOptions) -> Iterator[None]:
    """Hold only the lock of the build: attaching rewrites no config file. Raises CommandError."""
    try:
        with locked(options.paths.start_lock):
            yield
    except Busy:
        raise CommandError(IN_USE, under_way(options).text) from None


def under_way(options: StartOptions) -> Conflict:
    """Return the conflict with a command that holds the lock of the build."""
    build = options.paths.build_name
    return Conflict(
        f"build {build} {UNDER_WAY}; try again when it has returned",
        f"the command that starts or cancels {build}",
    )


def check_writable(paths: Paths) -> None:
    """Refuse a state root in which no lock can be created. Raises CommandError (73)."""
    try:
        make_folder(paths.start_lock.parent)
        usable = os.access(paths.state_root, os.W_OK | os.X_OK) and os.access(
            paths.start_lock.parent, os.W_OK | os.X_OK
        )
        why = "permission denied"
    except OSError as error:
        usable, why = False, reason_of(error)
    if not usable:
        raise CommandError(
            CANNOT_WRITE,
            f"cannot write the state root {paths.state_root} ({why}): set ATVM_WATCHER_STATE_ROOT to a directory that you can write to",
        )


def check_log(path: Path) -> None:
    """Refuse a log that a runner could not write. Raises CommandError (73)."""
    why = None
    if path.exists():
        if not path.is_file():
            why = "it is a directory" if path.is_dir() else "it is not a regular file"
        elif not os.access(path, os.W_OK):
            why = "permission denied"
    else:
        above = next((folder for folder in path.parents if folder.exists()), Path("/"))
        if not above.is_dir():
            why = f"{above} is not a directory"
        elif not os.access(above, os.W_OK | os.X_OK):
            why = f"permission denied in {above}"
    if why is not None:
        raise CommandError(
            CANNOT_WRITE, f"cannot write the log {path} ({why}): set ATVM_RUNNER_LOG to another file"
        )


def check_living(options: StartOptions) -> Process | None:
    """Refuse a start while a runner of this build is alive. Raises CommandError (75).

    The watcher's half accepts a runner of this build that was started by other means, and gets it returned.
    """
    found = living_runner(options)
    if isinstance(found, Conflict):
        raise CommandError(IN_USE, found.text)
    return found


def living_runner(options: StartOptions) -> Process | Conflict | None:
    """Return the conflict with a living runner of this build, or the runner that this half may follow; None without one."""
    paths = options.paths
    build = paths.build_name
    removed = None if paths.request.exists() else find_process(paths)
    # The watcher's half may follow a runner whose state directory was removed.
    if removed is not None and options.only != "watcher":
        return Conflict(removed.text(options.environ), f"the runner of build {build} ({removed.where()})")
    if removed is None and is_locked(paths.runner_lock):
        cancel = hint(options, "cancel-atvm-runner.sh", "--build-name", build)
        return Conflict(
            f"a runner of build {build} is alive; cancel it first with: {cancel}, or wait for it with --wait",
            f"the running build {build}",
        )
    runner = find_runner(build, options.workdir)
    if runner is None and removed is not None:
        stop = removed.command("cancel-atvm-runner.sh", options.environ)
        return Conflict(
            f"the runner of build {build} ({removed.where()}) cannot be watched again, because its state directory was "
            f"removed and no process in {options.workdir} has --build_name {build}; stop it with: {stop}",
            f"the runner of build {build} ({removed.where()})",
        )
    if runner is None:
        return None
    who = f"process {runner.pid} ({runner.name})"
    if options.only != "watcher":
        watch = hint(options, "start-atvm-run-watcher.sh", "--build-name", build)
        return Conflict(
            f"{who} is already running build {build}; wait for it with --wait, or watch it with: {watch}", who
        )
    if removed is None and is_locked(paths.watcher_lock) and phase_of(paths) not in TERMINAL_PHASES:
        return Conflict(f"build {build} is already being watched", f"the watcher of {build}")
    return runner


def conflict_with_others(options: StartOptions, ticket: DrawnTicket) -> Conflict | None:
    """Return the conflict with a living run of another build, or with an earlier start. The caller holds the queue lock."""
    needed = without_shared(ticket.ticket.resources, options)
    for paths, request in living_runs(options.paths):
        found = shared(needed, resources_in_use(paths, request))
        if found:
            return _with_run(found, request.build_name)
    conflicts = (_with_start(needed, earlier) for earlier in ticket.earlier())
    return next((conflict for conflict in conflicts if conflict is not None), None)


def _with_run(found: Shared, build: str) -> Conflict:
    words, plural = found.words()
    text = f"{words} {'are' if plural else 'is'} in use by the running build {build}"
    if found.config:
        text += ", which would read the rewritten config file in its later groups"
    waits_for = f"the running build {build}, which uses {words}"
    return Conflict(f"{text}; {_remedy(found)}", waits_for, found.hosts_only)


def _with_start(needed: Resources, earlier: Ticket) -> Conflict | None:
    """Return the conflict with an earlier start that is under way or waits for its turn."""
    build = earlier.resources.build_name
    state = "waits for its turn" if earlier.waiting else "is under way"
    start = f"the start of build {build} (process {earlier.pid}), which {state}"
    if build == needed.build_name:
        again = (
            "queue this one behind it with --wait" if earlier.waiting else "try again when it has returned"
        )
        return Conflict(f"build {build} {UNDER_WAY} (process {earlier.pid}, which {state}); {again}", start)
    found = shared(needed, earlier.resources)
    if not found:
        return None
    words, plural = found.words()
    text = f"{words} {'are' if plural else 'is'} reserved by {start}; {_remedy(found)}"
    return Conflict(text, f"{start} and uses {words}", found.hosts_only)


def _remedy(found: Shared) -> str:
    if found.log:
        return "wait for it with --wait, or set ATVM_RUNNER_LOG to another file"
    return f"wait for it with --wait, or continue with {found.overrides()}"


def check_not_starting(paths: Paths) -> None:
    """Refuse to stop a runner that another start is about to start: it would run a moment later. Raises CommandError."""
    if is_locked(paths.start_lock) and not is_locked(paths.runner_lock):
        raise CommandError(
            IN_USE,
            f"build {paths.build_name} is being started or cancelled and has no runner yet; try again when that command has returned",
        )


def living_runs(paths: Paths) -> Iterator[tuple[Paths, Request]]:
    """Yield all other builds in this state root that have a living runner, with their requests."""
    try:
        names = sorted(
            entry.name for entry in os.scandir(paths.state_root) if entry.is_dir() and entry.name[0] != "."
        )
    except OSError:
        return
    for name in names:
        other = Paths(paths.state_root, name)
        if name == paths.build_name:
            continue
        if not any(map(is_locked, (other.runner_lock, other.start_lock, other.watcher_lock))):
            continue
        with contextlib.suppress(OSError):  # an unreadable request is no reason to refuse this start
            request = read_record(other.request, Request)
            if request is not None and _is_alive(other, request):
                yield other, request


def _is_alive(other: Paths, request: Request) -> bool:
    """Return whether the runner of a request is alive or about to start.

    A runner that was started by other means counts if it is being watched.
    """
    if is_locked(other.runner_lock):
        return True
    ended = (
        phase_of(other) in TERMINAL_PHASES
        or read_record(other.runner_exit, ExitRecord, request.run_id) is not None
    )
    if is_locked(other.start_lock) and not ended:
        return True
    is_followed = request.runner_command is None and is_locked(other.watcher_lock) and not ended
    return is_followed and find_runner(other.build_name, Path(request.workdir)) is not None
