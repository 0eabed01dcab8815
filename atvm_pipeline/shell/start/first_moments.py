"""First moments of a runner: whether it prints a line of Cypress, runs for a while, or ends immediately.

A command that is not found, or a runner that cannot read its config file, ends within milliseconds. The start waits for
that, so that the caller gets the cause immediately and not from a message.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.console.scanner import Scanner
from atvm_pipeline.core.console.scanner_state import FailureBlock, RetriedTest, ScannerState
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.facts import ChildLaunched, ErrorReported, Fact, RunnerProgressed
from atvm_pipeline.core.verdict.exit_code_text import exit_code_text, signal_text
from atvm_pipeline.shell.state_dir.records import ExitRecord, Paths, Request, read_record
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.tail_lines import last_lines

FIRST_LINE_WAIT_S = 2.0
"""A runner that has run for this long counts as started."""
FIRST_LINE_POLL_S = 0.05
FIRST_LINE_BLOCK_BYTES = 256 * 1024
SCANNED_BYTES_MAX = 64 * 1024 * 1024
"""A log that grew by more than this within two seconds is not a command that failed to start."""
NOT_EXECUTED = frozenset({126, 127})
"""Exit codes of a shell that could not execute a command; an error in the log is then not from Cypress."""


class FirstMoments(NamedTuple):
    """Result of watching the first moments of a runner."""

    ended: str | None = None
    """Text about how the runner ended; None while it runs."""
    failed: bool = False
    """The runner ended with something else than exit code 0, and its log has no line of Cypress."""
    last_lines: tuple[str, ...] = ()
    """The last lines of its log if it failed."""


def watch_first_moments(request: Request, paths: Paths, dialect: Dialect) -> FirstMoments:
    """Wait for the end of the runner, for the first line of Cypress in its log, or for two seconds.

    The runner has been started: its record is on disk. A log that cannot be read proves nothing.
    """
    saved = read_record(paths.request, Request, request.run_id) or request
    log = _Log(Path(saved.log_path), saved.log_start, dialect)

    def moments() -> FirstMoments | None:
        # The end is checked first, so that everything that was printed before the end is read after it.
        end = _end_of(paths, request.run_id)
        log.read()
        if end is not None:
            return _evaluate(end, log)
        return FirstMoments() if log.has_structure else None

    with contextlib.closing(log):
        return clock.wait_until(moments, FIRST_LINE_WAIT_S, FIRST_LINE_POLL_S) or FirstMoments()


class _End(NamedTuple):
    text: str
    exit_code: int | None


def _end_of(paths: Paths, run_id: str) -> _End | None:
    """Return how the runner ended; None while it runs. Its lock is released only after its record is on disk."""
    alive = is_locked(paths.runner_lock)
    record = read_record(paths.runner_exit, ExitRecord, run_id)
    if record is None:
        return None if alive else _End("without an exit record", None)
    if record.service_result == "oom-kill":
        return _End("because memory ran out", None)
    if record.exit_code is not None:
        return _End(f"with {exit_code_text(record.exit_code)}", record.exit_code)
    return _End(f"by signal {signal_text(record.signal or 'unknown')}", None)


def _evaluate(end: _End, log: "_Log") -> FirstMoments:
    log.finish()
    known = log.has_structure or log.is_unread or (log.has_error and end.exit_code not in NOT_EXECUTED)
    failed = end.exit_code != 0 and not known
    return FirstMoments(ended=end.text, failed=failed, last_lines=log.last_lines() if failed else ())


class _Log:
    """The runner's log from the start of this run, as far as it was read."""

    def __init__(self, path: Path, begin: int, dialect: Dialect) -> None:
        self.has_structure = False
        """Whether a line of Cypress's own output was read: a header, a spec, a box, a table."""
        self.has_error = False
        """Whether an error of Cypress or of its command line tool was read."""
        self.is_unread = False
        """Whether the log is longer than what is read here, or cannot be read."""
        self._path = path
        self._start = begin
        self._descriptor: int | None = None
        self._scanner = Scanner(dialect)
        self._state = ScannerState()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def read(self) -> None:
        """Read appended bytes, up to the first line of Cypress."""
        try:
            for block in self._blocks():
                scan = self._scanner.scan(self._state, block)
                self._state = scan.state
                self._note(scan.facts)
                if self.has_structure:
                    return
        except OSError:
            self.is_unread = True

    def finish(self) -> None:
        """Read a last line that has no line feed."""
        self._note(self._scanner.finish(self._state).facts)

    def last_lines(self) -> tuple[str, ...]:
        """Return the last lines of the log, without lines of an earlier run."""
        with contextlib.suppress(OSError):
            return () if self._descriptor is None else last_lines(self._descriptor, self._start)
        return ()

    def _blocks(self) -> Iterator[bytes]:
        if self._descriptor is None and not self._open():
            return
        assert self._descriptor is not None
        while not self.is_unread:
            data = os.pread(self._descriptor, FIRST_LINE_BLOCK_BYTES, self._start + self._state.offset)
            if not data:
                return
            yield data
            self.is_unread = self._state.offset >= SCANNED_BYTES_MAX

    def _open(self) -> bool:
        # O_NONBLOCK: opening a FIFO in place of the log must not block.
        with contextlib.suppress(FileNotFoundError):
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if os.fstat(self._descriptor).st_size < self._start:
                # The log was truncated or replaced after the start took its length, so all of it belongs to this run.
                self._start = 0
        return self._descriptor is not None

    def _note(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            if isinstance(fact, ErrorReported):
                self.has_error = True
            elif not isinstance(fact, ChildLaunched | RunnerProgressed):
                self.has_structure = True
        pending = self._state.pending
        self.has_structure |= pending is not None and not isinstance(pending, FailureBlock | RetriedTest)
