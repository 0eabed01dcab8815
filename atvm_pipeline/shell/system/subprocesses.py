"""Other programs are started here, and only here: this is the one module that imports subprocess.

Nothing here knows what a run is.  A command of the user's is one argument of bash, never pasted into anything.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .files import FILE_MODE, make_folder

BASH = "/bin/bash"
INTERRUPT_WAIT_S = 5.0
"""How long a foreground command may take to end after we were told to end."""
SHOWN_LINE_BYTES_MAX = 64 * 1024
"""A longer line of a shown program is shown in pieces."""
ANSWER_BYTES_MAX = 64 * 1024


def shell_argv(command: str) -> list[str]:
    """How `command` is run: by bash, and a failure inside a pipe is the command's failure.  Raises FileNotFoundError."""
    found = BASH if os.access(BASH, os.X_OK) else shutil.which("bash")
    if found is None:
        raise FileNotFoundError(2, "bash is not installed", BASH)
    return [found, "-o", "pipefail", "-c", command]


def signal_name(number: int) -> str:
    """The name of a signal, `SIG64` and the like where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`, made 0600 with its folder if missing.  Raises OSError."""
    make_folder(path.parent)
    # O_NONBLOCK only matters for a FIFO: opening one that nobody reads fails instead of waiting for ever.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, FILE_MODE)
    os.set_blocking(descriptor, True)
    return descriptor


def start_child(argv: Sequence[str], environment: Mapping[str, str], cwd: Path, output: int) -> int:
    """Start a program in a session of its own, its output into `output`; gives its pid, which the caller must reap.

    Raises OSError if it cannot be started; the error names the folder or the program that is missing.
    """
    process = subprocess.Popen(
        argv,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    # The caller reaps every child by waitpid(-1); Popen must neither do it nor warn that nobody did.
    process.returncode = 0
    return process.pid


class Started:
    """A detached program: it outlives us.  While we live, we are its parent and know whether it has ended."""

    def __init__(self, pid: int) -> None:
        """`pid` is a child of this process that nobody else reaps."""
        self.pid = pid
        self._status: int | None = None

    def ended(self) -> str | None:
        """How it ended, in words; None while it lives."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                return "it has ended"
            if pid == 0:
                return None
            self._status = status
        code = os.waitstatus_to_exitcode(self._status)
        return f"it ended by {signal_name(-code)}" if code < 0 else f"it ended with exit code {code}"


def start_detached(argv: Sequence[str], environment: Mapping[str, str], cwd: Path, log: Path) -> Started:
    """Start a program that outlives us: own session, nothing of ours open, its output appended to `log`.

    Raises OSError.
    """
    descriptor = open_log(log)
    try:
        return Started(start_child(argv, environment, cwd, descriptor))
    finally:
        os.close(descriptor)


def run_foreground(argv: Sequence[str], environment: Mapping[str, str], cwd: Path, output: int) -> int:
    """Run a program to its end in our own session and terminal, so that ^C reaches it; output into `output`.

    Gives its exit code, -n for signal n.  If we are interrupted or told to end, it is ended first.  Raises OSError.
    """
    with _interrupts() as interrupts:
        process = subprocess.Popen(
            argv, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            interrupts.arm()
            return process.wait()
        except BaseException:
            _end(process)
            raise


class _Interrupts:
    """Signals that end us, held back until there is something to end first."""

    def __init__(self) -> None:
        self._armed = False
        self._came = False

    def on_signal(self, _number: int, _frame: object) -> None:
        if self._armed:
            raise KeyboardInterrupt
        self._came = True

    def arm(self) -> None:
        """From now on they raise KeyboardInterrupt; at once if one came already."""
        self._armed = True
        if self._came:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    """SIGTERM and SIGHUP raise as ^C does, so that what was begun is ended too; who ignores one (nohup) goes on to."""
    interrupts = _Interrupts()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupts.on_signal) for number in heard}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program: SIGTERM, then SIGKILL."""
    process.terminate()
    try:
        process.wait(INTERRUPT_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_shown(
    argv: Sequence[str], cwd: Path, environment: Mapping[str, str], show: Callable[[str], None]
) -> int:
    """Run a program to its end and give each line of its output to `show`; gives its exit code.  Raises OSError."""
    with subprocess.Popen(
        argv,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        while line := process.stdout.readline(SHOWN_LINE_BYTES_MAX):
            show(line.decode("utf-8", "replace").rstrip("\n"))
    return process.returncode


class ProgramAnswer(NamedTuple):
    """What a short program said."""

    code: int
    text: str
    """Standard output; where that is empty, standard error."""


def systemctl(*words: str, timeout_s: float = 30.0) -> ProgramAnswer:
    """Ask systemd for something.  Never raises: what cannot be asked is an answer with code -1."""
    return run_program("systemctl", "--no-ask-password", "--no-pager", *words, timeout_s=timeout_s)


def run_program(*argv: str, timeout_s: float = 30.0) -> ProgramAnswer:
    """What a short program says.  Never raises: what cannot be asked is an answer with code -1."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return ProgramAnswer(-1, f"{argv[0]}: {type(error).__name__}")
    said = done.stdout.strip() or done.stderr.strip()
    return ProgramAnswer(done.returncode, said[:ANSWER_BYTES_MAX].decode("utf-8", "replace"))
