"""Journal and snapshots of one run on disk.

The caller is responsible for the order (`loop.py`): append, reduce, sync, perform, save. The only writer is the process
that holds the watcher lock.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from atvm_pipeline.core.codec import (
    LINE_MAX_BYTES,
    decode_event,
    decode_state,
    encode_event,
    encode_subrun,
)
from atvm_pipeline.core.errors import DataError, NewerFormatError
from atvm_pipeline.core.events import Event, RunRequested
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import StateFile, SubRunView, subrun_file
from atvm_pipeline.core.state import Post, Run
from atvm_pipeline.core.state_encoder import StateEncoder
from atvm_pipeline.core.text import escape_json
from atvm_pipeline.shell.system.files import (
    FILE_MODE,
    OpenFile,
    free_name,
    make_folder,
    open_regular,
    read_small,
    replace_files,
    sync_folder,
    write_all,
)
from atvm_pipeline.shell.system.io_errors import naming
from atvm_pipeline.shell.system.log import log

from .reader import STATE_FILE_BYTES_MAX
from .records import Paths

REWRITTEN_MAX_BYTES = LINE_MAX_BYTES
"""How much of the end of a journal a restarted watcher writes again; far more than one batch of events."""


class Loaded(NamedTuple):
    """Stored history of a run, as a restarted watcher reads it."""

    run: Run | None
    journal_bytes: int
    """Length of the readable part of the journal; a torn line follows it."""


class PostFile(Post, frozen=True, kw_only=True, omit_defaults=False):
    """`posts/<name>.json`: payload and outcome of one delivery, with every key: `outcome` also while it is pending."""

    schema: int = 1
    build_name: str | None
    run_id: str


class Store:
    """The open journal and the snapshots of one run; `with Store(...):` closes the journal after the block."""

    def __init__(self, paths: Paths, journal_bytes: int) -> None:
        """Open the journal and truncate it to its readable part. Raises OSError."""
        self._paths = paths
        make_folder(paths.folder)
        make_folder(paths.subruns)
        make_folder(paths.posts)
        _remove_leftovers(paths)
        if journal_bytes == 0 and paths.journal.exists() and paths.journal.stat().st_size > 0:
            # No line of it is readable. It is kept for the operator and never overwritten.
            kept = free_name(paths.journal.with_name("journal.damaged"))
            paths.journal.replace(kept)
            log(f"{paths.journal} could not be read and is kept as {kept.name}")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._journal = OpenFile(os.open(paths.journal, flags, FILE_MODE), paths.journal)
        self._length = journal_bytes
        # Bytes that are written but perhaps not synced: at most the last batch, including one that an earlier watcher
        # failed to sync.
        self._unsynced = b""
        self._doubtful = True
        try:
            with naming(paths.journal):
                self._cut(journal_bytes)
        except BaseException:
            self.close()
            raise
        self._saved_posts: dict[str, Post] = {}
        self._saved_subruns: dict[int, SubRunView] = {}
        self._encoder = StateEncoder()

    def _cut(self, length: int) -> None:
        os.ftruncate(self._journal.number, length)
        start = max(0, length - REWRITTEN_MAX_BYTES)
        self._unsynced = os.pread(self._journal.number, REWRITTEN_MAX_BYTES, start)
        if len(self._unsynced) < length - start:
            # Writing it again from here would put it at the wrong offset.
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        # The name of the journal must survive a power failure, like its lines.
        sync_folder(self._paths.folder)

    def close(self) -> None:
        """Close the journal; a second call does nothing."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def append(self, events: Iterable[Event]) -> None:
        """Append events to the journal, all or none, without syncing. Raises OSError and leaves the journal unchanged."""
        data = b"".join(encode_event(event) for event in events)
        os.lseek(self._journal.number, self._length, os.SEEK_SET)
        try:
            write_all(self._journal.number, data, self._paths.journal)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._journal.number, self._length)
            raise
        self._length += len(data)
        self._unsynced += data

    def sync(self) -> None:
        """Make every appended event durable. Raises OSError.

        After a failed sync, Linux marks the pages that it could not write as clean, and the next sync succeeds without
        writing them. Only bytes that are written again are certain to be on disk (fsync(2), NOTES; LWN 752063).
        """
        with naming(self._paths.journal):
            if self._doubtful:
                os.lseek(self._journal.number, self._length - len(self._unsynced), os.SEEK_SET)
                write_all(self._journal.number, self._unsynced, self._paths.journal)
            self._doubtful = True
            os.fdatasync(self._journal.number)
        self._doubtful = False
        self._unsynced = b""

    def save(self, run: Run) -> StateFile:
        """Write `state.json` and the changed sub-runs and posts; return the content of `state.json`. Raises OSError.

        `state.json` is written last, so that a reader who sees a phase there finds the other files on disk. The journal
        is synced before and is the durable record: after a power failure the next save writes these files again.
        """
        state = self._encoder.state_of(run)
        saved = self._saved_subruns
        # The public form of an ended sub-run is the same object as at the last save.
        subruns = [
            view for view in state.subruns if (old := saved.get(view.index)) is not view and old != view
        ]
        posts = [post for post in run.outbox if self._saved_posts.get(post.key) != post]
        files = [
            *(
                (self._paths.subruns / f"{view.index:03d}.json", encode_subrun(subrun_file(state, view)))
                for view in subruns
            ),
            *((self._paths.posts / post_file_name(run, post), _encode_post(run, post)) for post in posts),
            (self._paths.state, self._encoder.encode(state)),
        ]
        # The temporary files are created in a directory that the watcher's own file watches ignore.
        replace_files(files, made_in=self._paths.subruns)
        self._saved_subruns.update({view.index: view for view in state.subruns})
        self._saved_posts.update({post.key: post for post in posts})
        return state


def post_file_name(run: Run, post: Post) -> str:
    """Return the file name of a post: its key without the run.

    Examples: `001.json`, `run.json`, `alert-end.json`, `001-resend-1.json`.
    """
    return post.key.removeprefix(f"{run.request.run_id}/").replace("/", "-") + ".json"


def _encode_post(run: Run, post: Post) -> bytes:
    fields = {name: getattr(post, name) for name in Post.__struct_fields__}
    file = PostFile(build_name=run.request.build_name, run_id=run.request.run_id, **fields)
    return msgspec.json.format(escape_json(msgspec.json.encode(file)), indent=1) + b"\n"


def _remove_leftovers(paths: Paths) -> None:
    """Delete temporary files of a watcher that was killed while writing; its files have no other writer."""
    leftovers = (*paths.folder.glob(".state.json.*.tmp"), *paths.folder.glob(".watcher.json.*.tmp"))
    for leftover in (*leftovers, *paths.subruns.glob(".*.tmp"), *paths.posts.glob(".*.tmp")):
        with contextlib.suppress(OSError):
            leftover.unlink()


class Journal(NamedTuple):
    """Readable content of a journal."""

    events: list[Event]
    length: int
    """Bytes up to the end of the last event; the bytes after it were torn by a crash."""
    damaged: DataError | None
    """The error of the first unreadable line that is followed by an event."""


def read_journal(path: Path) -> Journal:
    """Return the events of a journal, in order; an empty journal if the file does not exist.

    An unreadable end is left out, because it was torn by a crash. Raises DataError if the path is not a regular file,
    NewerFormatError for a journal of a later release, OSError.
    """
    events: list[Event] = []
    length = position = number = 0
    broken: DataError | None = None
    damaged: DataError | None = None
    try:
        opened = open_regular(path)
    except FileNotFoundError:
        return Journal(events, length, damaged)
    if opened is None:
        raise DataError(f"{path} is not a regular file")
    with opened, opened.reader() as file:
        while line := file.readline(LINE_MAX_BYTES + 2):
            number += 1
            position += len(line)
            if not line.endswith(b"\n"):
                broken = broken or DataError(f"{path}: line {number}: incomplete line")
                continue
            try:
                events.append(decode_event(line))
            except NewerFormatError as error:
                raise NewerFormatError(f"{path}: line {number}: {error}") from None
            except DataError as error:
                broken = broken or DataError(f"{path}: line {number}: {error}")
                continue
            # A bad line counts as damage only if an event follows it. Otherwise it is the tail that a crash left.
            length, damaged = position, damaged or broken
    return Journal(events, length, damaged)


def load(paths: Paths, run_id: str) -> Loaded:
    """Return the run according to its journal and snapshot; without a run if `run_id` has no history yet.

    The snapshot is only a shortcut, except when the journal was lost, damaged or truncated: then it is all that is
    known. Changes nothing. Raises DataError if the history cannot be derived from the remaining files, OSError.
    """
    _check_regular(paths.journal)
    _check_regular(paths.state)
    journal = read_journal(paths.journal)
    saved = _snapshot(paths, run_id)
    events = journal.events
    first = events[0] if events else None
    if not isinstance(first, RunRequested) or first.run_id != run_id:
        of_another_run = isinstance(first, RunRequested)
        if saved is None and not of_another_run and (events or _has_posts(paths, run_id)):
            # Starting again with an empty history would send messages again that were already sent, without marking them.
            raise journal.damaged or DataError(
                f"{paths.journal} does not start with the request of this run, and {paths.state} cannot be read"
            )
        return Loaded(saved, 0)
    run = saved if saved is not None else begin_run(first).run
    rest = [event for event in events if event.seq > run.seq]
    for number, event in enumerate(rest, run.seq + 1):
        if event.seq != number:
            last = event.seq - 1
            missing = f"event {number} is" if number == last else f"events {number} to {last} are"
            raise journal.damaged or DataError(
                f"{paths.journal}: {missing} missing, and not in {paths.state} either"
            )
    for event in rest:
        run = reduce(run, event).run
    return Loaded(run, journal.length)


def _check_regular(path: Path) -> None:
    """Raise DataError for a link (it might point anywhere), a directory, a device or a FIFO."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DataError(f"{path} is not a regular file: move it away")


def _snapshot(paths: Paths, run_id: str) -> Run | None:
    """Return the saved run; None if it is missing, torn or of another run. Raises NewerFormatError, OSError."""
    data = read_small(paths.state, STATE_FILE_BYTES_MAX)
    if data is None:
        return None
    try:
        run = decode_state(data)
    except NewerFormatError as error:
        raise NewerFormatError(f"{paths.state}: {error}") from None
    except DataError:
        return None
    return run if run.request.run_id == run_id else None


def _has_posts(paths: Paths, run_id: str) -> bool:
    """Return whether this run has requested a message. It then has a history, even if its other files are lost."""
    for path in paths.posts.glob("*.json"):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, OSError):
            if msgspec.json.decode(read_small(path) or b"", type=_Named).run_id == run_id:
                return True
    return False


class _Named(msgspec.Struct):
    run_id: str
