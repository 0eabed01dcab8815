"""Log source: follows the runner's log and yields the facts that the scanner finds in it. Decides nothing about runs.

The file is followed by identity, not by name: after a rename, a truncation or a deletion, everything that can still be
read is read, and a loss is reported in a `LogReplaced`. A rotation without a loss interrupts nothing: the byte count
continues, and a line or a spec that started in the old file continues in the new one.
"""

import contextlib
from collections.abc import Generator, Iterator
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Literal

from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.events import LogIdentity, LogRead, LogReplaced
from atvm_pipeline.core.facts import Fact
from atvm_pipeline.shell.system import clock

from .log_file import LogFile, find_renamed
from .log_rotation import RotationTracker

FOLLOW_BLOCK_BYTES = 512 * 1024
"""Bytes of one read, and the most that one event covers."""
READ_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of one call, so that other sources are polled too while a large log is being caught up with."""
PROGRESS_EVERY_S = 10.0
"""Progress without a fact is reported no more often than this."""
SWITCHES_MAX = 16
"""Files followed one after another in one call; a log that is replaced more often is read further in the next call."""
FINAL_SWITCHES_MAX = 10_000
"""The same limit for the last read, which must reach the end."""

StopReason = Literal["truncated", "replaced", "deleted"]
End = Literal["drained", "behind", "cut"]


class LogFollower:
    """Follows one log from the offset of the scanner's state. Never raises because of the file system.

    The file may appear late. While the name leads to no file, to an empty new file or to an unreadable one, reading
    continues in the old file, because a writer whose log was renamed continues to write there.
    """

    def __init__(
        self,
        path: Path,
        scanner: Scanner,
        *,
        generation: int = 0,
        begin: int = 0,
        state: ScannerState = ScannerState(),  # noqa: B008 - frozen
        identity: LogIdentity | None = None,
        final: bool = False,
        progress_every_s: float = PROGRESS_EVERY_S,
    ) -> None:
        """Continue from the last event: `generation` and `begin` of its file, `state` of the scanner.

        `identity` is that of the file, None if unknown; `final`: the scanner was flushed, and an event has reported it.
        """
        self._path = path
        self._scanner = scanner
        self._generation = generation
        self._begin = begin
        self._state = state
        self._identity = identity
        self._progress_every_s = progress_every_s
        self._file: LogFile | None = None
        self._searched = False
        self._reported_offset = state.offset
        self._reported_at_s = -inf
        self._final = final
        self._behind = False
        self._rotation = RotationTracker(path)
        self._caught_up_at: datetime | None = None

    @property
    def generation(self) -> int:
        """Number of replacements of the log file."""
        return self._generation

    @property
    def state(self) -> ScannerState:
        """State of the scanner after everything that was read, reported or not."""
        return self._state

    @property
    def identity(self) -> LogIdentity | None:
        """Identity of the followed file, to be kept for the next process; None while there is no file."""
        return self._identity if self._file is None else self._file.identity()

    @property
    def behind(self) -> bool:
        """Whether the last `read` stopped at its `max_bytes`, so that there is more to read immediately."""
        return self._behind

    @property
    def due_s(self) -> float | None:
        """Monotonic time at which a `read` has progress to report even without new bytes; None if it has none."""
        return (
            self._reported_at_s + self._progress_every_s
            if self._state.offset > self._reported_offset
            else None
        )

    def close(self) -> None:
        """Close the file; a later `read` finds it again."""
        self._identity = self.identity
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(
        self, *, final: bool = False, max_bytes: int = READ_BYTES_MAX
    ) -> Iterator[LogRead | LogReplaced]:
        """Read new bytes and yield their events in order; the iterator must be exhausted.

        Reads at most about `max_bytes` (see `behind`). With `final` it reads to the end that the log has at that time,
        whatever its size, and the last event has `final` set: the scanner was flushed.
        """
        self._behind = False
        started_at = clock.now()
        try:
            yield from self._follow(inf if final else max_bytes, final=final)
            if not self._behind:
                self._caught_up_at = started_at
        except OSError:
            # The file cannot be read at the moment (permission, stale handle, I/O). The next call opens it again.
            self.close()
        if final:
            yield from self._finish()
        elif self.due_s is not None and clock.monotonic() >= self.due_s:
            yield self._log_read(())

    def _follow(self, budget: float, *, final: bool) -> Iterator[LogRead | LogReplaced]:
        """Read the current file to its end, then the next file, and so on."""
        for _ in range(FINAL_SWITCHES_MAX if final else SWITCHES_MAX):
            if self._file is None:
                yield from self._open()
            file = self._file
            if file is None:
                return
            # Checked before the old file is drained, so that everything written before the switch is read.
            has_next = self._rotation.has_next(file)
            before = self._state.offset
            end = yield from self._drain(file, budget, final=final)
            budget -= self._state.offset - before
            if end == "cut":
                yield from self._replace(file, "truncated", unread_bytes=None)
                self._rotation.follow(file)
                continue
            next_file = self._rotation.next(file) if end == "drained" and has_next else None
            if next_file is None:
                self._behind = end == "behind"
                return
            with self._closed_unless_followed(next_file.file):
                why: StopReason = "deleted" if file.unlinked() else "replaced"
                yield from self._replace(next_file.file, why, unread_bytes=0 if next_file.complete else None)
                self._rotation.mark_done(file.identity(), next_file.file)
        self._behind = True

    def _drain(self, file: LogFile, budget: float, *, final: bool) -> Generator[LogRead, None, End]:
        """Read `file` to its end, at most about `budget` bytes."""
        # A writer that never pauses must not keep the last read from ending.
        stop = self._begin + file.size() if final else self._state.offset + budget
        while True:
            data = file.read(self._state.offset - self._begin, FOLLOW_BLOCK_BYTES)
            if data is None:
                return "cut"
            if not data:
                return "drained"
            scan = self._scanner.scan(self._state, data)
            self._state = scan.state
            self._final = False
            if scan.facts:
                yield self._log_read(scan.facts)
            if self._state.offset >= stop:
                return "drained" if final else "behind"

    def _open(self) -> Iterator[LogReplaced | LogRead]:
        """Open the log for the first time, or again after it could not be read."""
        file = LogFile.open(self._path)
        with self._closed_unless_followed(file):
            if file is not None and self._continues(file):
                self._adopt(file)
            elif not self._adopt_renamed() and file is not None and (self._was_cut(file) or file.size() > 0):
                why: StopReason = "truncated" if self._was_cut(file) else "replaced"
                yield from self._replace(file, why, unread_bytes=None)
                self._rotation.follow(file)

    @contextlib.contextmanager
    def _closed_unless_followed(self, file: LogFile | None) -> Iterator[None]:
        """Close `file` after the block, also after an exception, unless it has become the followed file."""
        try:
            yield
        finally:
            if file is not None and file is not self._file:
                file.close()

    def _continues(self, file: LogFile) -> bool:
        """Return whether `file` is the one that was read up to the scanner's offset."""
        offset = self._state.offset - self._begin
        if file.size() < offset:
            return False
        known = self._identity
        return known is None or (file.matches(known) and file.ends_as(known, offset))

    def _was_cut(self, file: LogFile) -> bool:
        return self._identity is None or self._identity.inode == file.inode

    def _adopt_renamed(self) -> bool:
        """Follow the previous file again if it exists under another name; search for it only once."""
        if self._searched or self._identity is None:
            return False
        found = find_renamed(self._path, self._identity)
        self._searched = True
        with self._closed_unless_followed(found):
            if found is None or not self._continues(found):
                return False
            self._adopt(found)
        return True

    def _adopt(self, file: LogFile) -> None:
        file.remember(self._state.offset - self._begin)
        self._rotation.follow(file)
        self._file = file
        self._searched = False

    def _replace(
        self, file: LogFile | None, why: StopReason, *, unread_bytes: int | None
    ) -> Iterator[LogRead | LogReplaced]:
        """Start a new generation with `file`; after a loss, first emit and discard the pending state of the scanner.

        The previously followed file is closed.
        """
        if file is not None:
            file.remember(0)
        if unread_bytes != 0:
            yield from self._flush()
        elif self._state.offset > self._reported_offset:
            yield self._log_read(())
        self._generation += 1
        self._begin = self._reported_offset = self._state.offset
        if unread_bytes != 0:
            self._state = ScannerState(offset=self._begin)
        self._identity = None
        self._final = False
        former, self._file = self._file, file
        if former is not None and former is not file:
            former.close()
        yield LogReplaced(
            at=clock.now(),
            generation=self._generation,
            why=why,
            unread_bytes=unread_bytes,
            begin=self._begin,
            identity=self.identity,
        )

    def _flush(self) -> Iterator[LogRead]:
        """Report an incomplete line and unreported progress: this generation will not grow any more."""
        scan = self._scanner.finish(self._state)
        self._state = scan.state
        if scan.facts or self._state.offset > self._reported_offset:
            yield self._log_read(scan.facts, final=True)

    def _finish(self) -> Iterator[LogRead | LogReplaced]:
        """Report the end of the log, which will not grow any more."""
        unread = self._state.offset > self._begin or self._identity is not None
        if self._file is None and unread and not self._final:
            # The file that was read is gone, including its bytes after the offset.
            yield from self._replace(None, "deleted", unread_bytes=None)
        if self._final and self._state.offset == self._reported_offset:
            return
        scan = self._scanner.finish(self._state)
        self._state = scan.state
        self._final = True
        yield self._log_read(scan.facts, final=True)

    def _log_read(self, facts: tuple[Fact, ...], *, final: bool = False) -> LogRead:
        start, self._reported_offset = self._reported_offset, self._state.offset
        self._reported_at_s = clock.monotonic()
        return LogRead(
            at=clock.now(),
            generation=self._generation,
            start=start,
            end=self._reported_offset,
            facts=facts,
            scanner=self._state,
            identity=self.identity,
            since=self._caught_up_at,
            final=final,
        )
