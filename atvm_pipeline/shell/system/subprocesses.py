"""Starting of other programs. Only this module imports subprocess.

Nothing here depends on runs. A command of the user is one argument of bash, never inserted into another text.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.text import one_line

from .files import FILE_MODE, make_folder

BASH = "/bin/bash"
INTERRUPT_WAIT_S = 5.0
"""How long a foreground command may take to end after this process was asked to end."""
ATTACHED_POLL_S = 0.5
SHOWN_LINE_BYTES_MAX = 64 * 1024
"""A longer line of a displayed program is passed on in pieces."""
ANSWER_BYTES_MAX = 64 * 1024
FAILURE_CHARS_MAX = 300


def shell_argv(command: str) -> list[str]:
    """Return the arguments that run `command` with bash, where a failure inside a pipe is a failure of the command.

    Raises FileNotFoundError.
    """
    found = BASH if os.access(BASH, os.X_OK) else shutil.which("bash")
    if found is None:
        raise FileNotFoundError(2, "bash is not installed", BASH)
    return [found, "-o", "pipefail", "-c", command]


def signal_name(number: int) -> str:
    """Return the name of a signal, or `SIG64` and the like if it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def open_log(path: Path) -> int:
    """Return a descriptor that appends to `path`, created 0600 with its directory if missing. Raises OSError."""
    make_folder(path.parent)
    # O_NONBLOCK matters only for a FIFO: opening one without a reader fails instead of waiting indefinitely.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, FILE_MODE)
    os.set_blocking(descriptor, True)
    return descriptor


def start_child(argv: Sequence[str], environment: Mapping[str, str], cwd: Path, output: int) -> int:
    """Start a program in its own session, with its output into `output`; return its pid, which the caller must reap.

    Raises OSError if it cannot be started; the error names the missing directory or program.
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
    # The caller reaps every child by waitpid(-1); Popen must neither do that nor warn that it was not done.
    process.returncode = 0
    return process.pid


class Started:
    """A detached program, which outlives this process. As its parent, this process knows whether it has ended."""

    def __init__(self, pid: int) -> None:
        """Take a child of this process that no other code reaps."""
        self.pid = pid
        self._status: int | None = None

    def ended(self) -> str | None:
        """Return a text about how it ended; None while it runs."""
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
    """Start a program that outlives this process: own session, no inherited files, its output appended to `log`.

    Raises OSError.
    """
    descriptor = open_log(log)
    try:
        return Started(start_child(argv, environment, cwd, descriptor))
    finally:
        os.close(descriptor)


def run_foreground(argv: Sequence[str], environment: Mapping[str, str], cwd: Path, output: int) -> int:
    """Run a program in the session and terminal of this process; return its exit code, -n for signal n.

    ^C reaches it. Its output goes into `output`. If this process is interrupted or asked to end, the program is ended first.
    Raises OSError.
    """
    with _interrupts() as interrupts:
        process = subprocess.Popen(
            argv, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            interrupts.arm()
            return process.wait()
        except BaseException:
            _terminate(process)
            raise


class _Interrupts:
    """Signals that end this process, held back until there is a program to end first."""

    def __init__(self) -> None:
        self._armed = False
        self._came = False

    def on_signal(self, _number: int, _frame: object) -> None:
        if self._armed:
            raise KeyboardInterrupt
        self._came = True

    def arm(self) -> None:
        """Let the signals raise KeyboardInterrupt from now on; immediately if one came before."""
        self._armed = True
        if self._came:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    """Let SIGTERM and SIGHUP raise like ^C, so that a started program is ended too.

    An ignored signal (nohup) stays ignored.
    """
    interrupts = _Interrupts()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupts.on_signal) for number in handled}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(process: subprocess.Popen[bytes]) -> None:
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
    """Run a program to its end and pass each line of its output to `show`; return its exit code. Raises OSError."""
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


def run_attached(argv: Sequence[str], until: Callable[[], bool]) -> int:
    """Run a program with the output and the terminal of this process, until it ends or `until` is true; return its exit code.

    Raises OSError if it cannot be started.
    """
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not until():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(ATTACHED_POLL_S)
        finally:
            if process.poll() is None:
                _terminate(process)
    return process.returncode


class ProgramAnswer(NamedTuple):
    """Result of a short program."""

    code: int
    text: str
    """Standard output; standard error if that is empty."""

    @property
    def failure(self) -> str:
        """The line of the text that best explains a failure: the last one that mentions an error, else the last one."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return one_line((errors or lines or [f"exit code {self.code}"])[-1], FAILURE_CHARS_MAX)


def systemctl(*words: str, timeout_s: float = 30.0) -> ProgramAnswer:
    """Run systemctl. Never raises: a failure to run it is an answer with code -1."""
    return run_program("systemctl", "--no-ask-password", "--no-pager", *words, timeout_s=timeout_s)


def run_program(*argv: str, timeout_s: float = 30.0) -> ProgramAnswer:
    """Run a short program and return its result. Never raises: a failure to run it is an answer with code -1."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return ProgramAnswer(-1, f"{argv[0]}: {getattr(error, 'strerror', None) or type(error).__name__}")
    output = done.stdout.strip() or done.stderr.strip()
    return ProgramAnswer(done.returncode, output[:ANSWER_BYTES_MAX].decode("utf-8", "replace"))
