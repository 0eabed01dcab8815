"""Template step: the user's command runs in the foreground to its end, with its output in the launch log.

The launch log is `/tmp/<build>.launch.log`, or a file of that name in `ATVM_WATCHER_LAUNCH_LOG_DIR`. This module does
not depend on runs, states or locks.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.shell.config.settings import LAUNCH_LOG_DIR
from atvm_pipeline.shell.exit_codes import CANNOT_WRITE, CommandError
from atvm_pipeline.shell.system.files import FILE_MODE, OpenFile, open_regular, user_name, write_whole
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.subprocesses import run_foreground, shell_argv, signal_name
from atvm_pipeline.shell.system.tail_lines import last_lines

KEPT_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of the output that are kept in the state directory."""


class TemplateResult(NamedTuple):
    """Result of the template command."""

    exit_code: int | None
    """None if a signal ended the command."""
    signal: str | None
    log_path: Path
    tail: tuple[str, ...]
    """The last lines of its output, safe for a terminal."""


def run_template(
    command: str,
    workdir: Path,
    environment: Mapping[str, str],
    build_name: str,
    folder: Path = LAUNCH_LOG_DIR,
) -> TemplateResult:
    """Run `command` to its end. ^C ends the command and is raised again.

    Raises CommandError (73) if its log cannot be written, OSError if it cannot be started.
    """
    log_path = folder / f"{build_name}.launch.log"
    with _new_log(log_path) as log:
        code = run_foreground(shell_argv(command), environment, workdir, log.number)
        tail = last_lines(log.number)
    if code < 0:
        return TemplateResult(None, signal_name(-code), log_path, tail)
    return TemplateResult(code, None, log_path, tail)


def keep_output(build_name: str, folder: Path, kept: Path) -> None:
    """Copy the launch log to the state directory, because the next start replaces it; of a long one, the end.

    Never raises: a start must not fail because of a copy.
    """
    with contextlib.suppress(OSError):
        log = open_regular(folder / f"{build_name}.launch.log")
        if log is not None:
            with log:
                size = os.fstat(log.number).st_size
                write_whole(kept, os.pread(log.number, KEPT_BYTES_MAX, max(0, size - KEPT_BYTES_MAX)))


def check_launch_log(build_name: str, folder: Path = LAUNCH_LOG_DIR) -> None:
    """Refuse a launch log that this process could not replace, before any command runs. Raises CommandError (73)."""
    path = folder / f"{build_name}.launch.log"
    obstacle = _obstacle(path)
    if obstacle is not None:
        raise _refused(path, *obstacle)


def _new_log(path: Path) -> OpenFile:
    """Create a new file at `path`, replacing an existing one. Raises CommandError (73).

    Every user may write to the directory: a link or a file that another user created there is replaced, never written
    through.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        log = OpenFile(os.open(temporary, flags, FILE_MODE), path)
        with contextlib.ExitStack() as on_error:
            on_error.callback(temporary.unlink, missing_ok=True)
            on_error.callback(log.close)
            temporary.replace(path)
            on_error.pop_all()
    except OSError as error:
        raise _refused(path, *(_obstacle(path) or (reason_of(error), ""))) from None
    return log


def _obstacle(path: Path) -> tuple[str, str] | None:
    """Return why this process cannot replace `path`, and a remedy ("" for none); None if no reason is found."""
    folder = path.parent
    try:
        above = folder.stat()
    except OSError as error:
        return f"{folder}: {reason_of(error)}", ""
    if not stat.S_ISDIR(above.st_mode):
        return f"{folder} is not a directory", ""
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"permission denied in {folder}", ""
    try:
        there = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(there.st_mode):
        return "it is a directory", "remove it, or "
    # In a sticky directory such as /tmp, only these three users may replace a file (unlink(2), EPERM).
    if above.st_mode & stat.S_ISVTX and os.geteuid() not in (0, above.st_uid, there.st_uid):
        return f"it belongs to {user_name(there.st_uid)}", "ask that user or root to remove it, or "
    return None


def _refused(path: Path, why: str, remedy: str) -> CommandError:
    return CommandError(
        CANNOT_WRITE,
        f"cannot write the launch log {path}: {why}; {remedy}set ATVM_WATCHER_LAUNCH_LOG_DIR to a directory of your own; "
        "nothing was started",
    )
