"""Conflicts of a start with living runs: over the build name, the log and the config file.

All checks run before any command is run. They change nothing except the locks that they hold.
"""

import contextlib
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from atvm_pipeline.core.events import Process
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.exit_codes import CANNOT_WRITE, IN_USE, CommandError
from atvm_pipeline.shell.processes.discovery import find_runner
from atvm_pipeline.shell.state_dir.reader import phase_of
from atvm_pipeline.shell.state_dir.records import ExitRecord, Paths, Request, read_record
from atvm_pipeline.shell.system.files import Busy, is_locked, locked, make_folder
from atvm_pipeline.shell.system.io_errors import reason_of

from .start_options import StartOptions


@contextlib.contextmanager
def attach_lock(options: StartOptions) -> Iterator[None]:
    """Hold only the lock of the build: attaching rewrites no config file. Raises CommandError."""
    try:
        with locked(options.paths.start_lock):
            yield
    except Busy:
        raise CommandError(
            IN_USE,
            f"build {options.paths.build_name} is being started or cancelled by another command; try again when it has returned",
        ) from None


@contextlib.contextmanager
def start_locks(options: StartOptions) -> Iterator[None]:
    """Hold the locks of the build and of the config file, which two starts must not rewrite at once.

    Raises CommandError.
    """
    paths = options.paths
    _check_writable(paths)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(paths.start_lock))
        except Busy:
            raise CommandError(
                IN_USE,
                f"build {paths.build_name} is being started or cancelled by another command; try again when it has returned",
            ) from None
        config = options.config_path
        if config is not None and not options.share_config:
            name = sha256(os.path.realpath(config).encode()).hexdigest()[:24]
            try:
                stack.enter_context(locked(paths.start_lock.with_name(f"{name}.config")))
            except Busy:
                raise CommandError(
                    IN_USE,
                    f"config file {config} is in use by another start; try again when it has returned",
                ) from None
        yield


def _check_writable(paths: Paths) -> None:
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


def check_living(options: StartOptions, *, may_follow: bool = False) -> Process | None:
    """Refuse a start that needs the build, the log or the config file of a living run.

    Files are compared by their real path.

    The config file is compared if both runs have the same working directory.

    With `may_follow`, a runner of this build that was started by other means is accepted and returned. Raises
    CommandError.
    """
    paths = options.paths
    if is_locked(paths.runner_lock):
        raise CommandError(
            IN_USE,
            f"a runner of build {paths.build_name} is alive; cancel it first with: cancel-atvm-runner.sh --build-name {paths.build_name}",
        )
    runner = find_runner(paths.build_name, options.workdir)
    if runner is not None and not may_follow:
        raise CommandError(
            IN_USE,
            f"process {runner.pid} ({runner.name}) is already running build {paths.build_name}; wait for it, or watch it with: "
            f"start-atvm-run-watcher.sh --build-name {paths.build_name}",
        )
    if runner is not None and is_locked(paths.watcher_lock) and phase_of(paths) not in TERMINAL_PHASES:
        raise CommandError(IN_USE, f"build {paths.build_name} is already being watched")
    for other in living_requests(paths):
        _check_other(options, other)
    return runner


def _check_other(options: StartOptions, other: Request) -> None:
    log, config = options.log_path, options.config_path
    if os.path.realpath(log) == os.path.realpath(other.log_path):
        raise CommandError(
            IN_USE,
            f"log {log} is in use by the running build {other.build_name}; set ATVM_RUNNER_LOG to another file",
        )
    other_config = other.config_path or other.metadata.config_file
    if config is None or other_config is None or options.share_config:
        return
    if os.path.realpath(config) == os.path.realpath(Path(other.workdir) / other_config):
        raise CommandError(
            IN_USE,
            f"config file {config} is in use by the running build {other.build_name}, which would read the rewritten file "
            "in its later groups; wait for it, or continue with --share-config",
        )


def check_not_starting(paths: Paths) -> None:
    """Refuse to stop a runner that another start is about to start: it would run a moment later. Raises CommandError."""
    if is_locked(paths.start_lock) and not is_locked(paths.runner_lock):
        raise CommandError(
            IN_USE,
            f"build {paths.build_name} is being started or cancelled and has no runner yet; try again when that command has returned",
        )


def living_requests(paths: Paths) -> Iterator[Request]:
    """Yield the requests of all other builds in this state root that have a living runner."""
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
        with contextlib.suppress(OSError):  # an unreadable request is no reason to refuse this start
            request = read_record(other.request, Request)
            if request is not None and _is_alive(other, request):
                yield request


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
