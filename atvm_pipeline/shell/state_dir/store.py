"""Journal and snapshots of one run on disk.

Order is the caller's duty (`loop.py`): append, reduce, sync, perform, save.  One writer: whoever holds the watcher lock.
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
    encode_state,
    encode_subrun,
)
from atvm_pipeline.core.errors import DataError, NewerFormatError
from atvm_pipeline.core.events import Event, RunRequested
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import StateFile, state_file, subrun_files
from atvm_pipeline.core.state import Post, Run
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
from atvm_pipeline.shell.system.log import log

from .reader import STATE_FILE_BYTES_MAX
from .records import Paths

REWRITTEN_MAX_BYTES = LINE_MAX_BYTES
"""How much of a journal's end a restarted watcher writes once more: far more than one batch of events has."""


class Loaded(NamedTuple):
    """What a restart finds."""

    run: Run | None
    journal_bytes: int
    """Length of the journal's readable part: what follows is a torn line."""


class PostFile(Post, frozen=True, kw_only=True):
    """`posts/<name>.json`: payload and outcome of one delivery."""

    schema: int = 1
    build_name: str | None
    run_id: str


class Store:
    """The journal, open for appending, and the snapshots beside it; `with Store(...):` closes it after the block."""

    def __init__(self, paths: Paths, journal_bytes: int) -> None:
        """Open the journal and cut it to its readable part.  Raises OSError."""
        self._paths = paths
        make_folder(paths.folder)
        make_folder(paths.subruns)
        make_folder(paths.posts)
        _remove_leftovers(paths)
        if journal_bytes == 0 and paths.journal.exists() and paths.journal.stat().st_size > 0:
            # Not one line of it can be read: kept for a person, never overwritten.
            kept = free_name(paths.journal.with_name("journal.damaged"))
            paths.journal.replace(kept)
            log(f"{paths.journal} could not be read and is kept as {kept.name}")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._journal = OpenFile(os.open(paths.journal, flags, FILE_MODE), paths.journal)
        self._length = journal_bytes
        # Written, and perhaps not synced; only the last batch can be, and an earlier watcher's may have been refused.
        self._unsynced = b""
        self._doubtful = True
        try:
            self._cut(journal_bytes)
        except BaseException:
            self.close()
            raise
        self._saved_posts: dict[str, Post] = {}
        self._saved_subruns: dict[int, bytes] = {}

    def _cut(self, length: int) -> None:
        os.ftruncate(self._journal.number, length)
        start = max(0, length - REWRITTEN_MAX_BYTES)
        self._unsynced = os.pread(self._journal.number, REWRITTEN_MAX_BYTES, start)
        if len(self._unsynced) < length - start:
            # Written once more from here, it would stand in the wrong place.
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self._paths.journal))
        # Its name must outlast a power cut as its lines do.
        sync_folder(self._paths.folder)

    def close(self) -> None:
        """Close the journal; a second call does nothing."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def append(self, events: Iterable[Event]) -> None:
        """Append events to the journal, all or none; not yet synced.  Raises OSError and leaves the journal as it was."""
        data = b"".join(encode_event(event) for event in events)
        os.lseek(self._journal.number, self._length, os.SEEK_SET)
        try:
            write_all(self._journal.number, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._journal.number, self._length)
            raise
        self._length += len(data)
        self._unsynced += data

    def sync(self) -> None:
        """Make every appended event durable.  Raises OSError.

        After a sync that failed, Linux takes what it could not write for written, and the next sync succeeds without
        it: only what is written once more is certain (fsync(2), NOTES; LWN 752063).
        """
        if self._doubtful:
            os.lseek(self._journal.number, self._length - len(self._unsynced), os.SEEK_SET)
            write_all(self._journal.number, self._unsynced)
        self._doubtful = True
        os.fdatasync(self._journal.number)
        self._doubtful = False
        self._unsynced = b""

    def save(self, run: Run) -> StateFile:
        """Write `state.json`, the sub-runs and the posts that changed; gives what was written.  Raises OSError.

        `state.json` last: a reader who sees a phase there finds the rest on disk.  The journal, which is synced before,
        is what lasts: after a power cut the next save makes these anew.
        """
        state = state_file(run)
        subruns = {index: encode_subrun(subrun) for index, subrun in subrun_files(state).items()}
        subruns = {index: data for index, data in subruns.items() if self._saved_subruns.get(index) != data}
        posts = [post for post in run.outbox if self._saved_posts.get(post.key) != post]
        files = [
            *((self._paths.subruns / f"{index:03d}.json", data) for index, data in subruns.items()),
            *((self._paths.posts / post_file_name(run, post), _encode_post(run, post)) for post in posts),
            (self._paths.state, encode_state(state)),
        ]
        # Made where no watch of ours wakes us for it.
        replace_files(files, made_in=self._paths.subruns)
        self._saved_subruns.update(subruns)
        self._saved_posts.update({post.key: post for post in posts})
        return state


def post_file_name(run: Run, post: Post) -> str:
    """`001.json`, `run.json`, `alert-end.json`, `001-resend-1.json`: the key without the run."""
    return post.key.removeprefix(f"{run.request.run_id}/").replace("/", "-") + ".json"


def _encode_post(run: Run, post: Post) -> bytes:
    fields = {name: getattr(post, name) for name in Post.__struct_fields__}
    file = PostFile(build_name=run.request.build_name, run_id=run.request.run_id, **fields)
    return msgspec.json.format(escape_json(msgspec.json.encode(file)), indent=1) + b"\n"


def _remove_leftovers(paths: Paths) -> None:
    """Temporary files of a watcher that was killed while it wrote; its files have no other writer."""
    ours = (*paths.folder.glob(".state.json.*.tmp"), *paths.folder.glob(".watcher.json.*.tmp"))
    for leftover in (*ours, *paths.subruns.glob(".*.tmp"), *paths.posts.glob(".*.tmp")):
        with contextlib.suppress(OSError):
            leftover.unlink()


class Journal(NamedTuple):
    """What can be read of a journal."""

    events: list[Event]
    length: int
    """Bytes up to the end of the last event: what follows was torn by a crash."""
    damaged: DataError | None
    """The first line that is no event and that an event follows."""


def read_journal(path: Path) -> Journal:
    """The events of a journal, in order; none if it is not there.

    What cannot be read at its end is left out: a crash tore it.  Raises DataError for what is not a regular file,
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
            # Only what an event follows is damage: the rest is the tail that a crash left.
            length, damaged = position, damaged or broken
    return Journal(events, length, damaged)


def load(paths: Paths, run_id: str) -> Loaded:
    """The run as its journal and snapshot show it; None in it if there is no history of `run_id` yet.

    The snapshot is only a shortcut, unless the journal was lost, damaged or cut: then it is what is known.
    Changes nothing.  Raises DataError if the history cannot be told from what is left, OSError.
    """
    _check_regular(paths.journal)
    _check_regular(paths.state)
    journal = read_journal(paths.journal)
    saved = _snapshot(paths, run_id)
    events = journal.events
    first = events[0] if events else None
    if not isinstance(first, RunRequested) or first.run_id != run_id:
        foreign = isinstance(first, RunRequested)
        if saved is None and not foreign and (events or _has_posts(paths, run_id)):
            # To begin anew would tell once more, unmarked, what was told.
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
    """Neither a link, which might lead anywhere, nor a folder, a device or a FIFO."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DataError(f"{path} is not a regular file: move it away")


def _snapshot(paths: Paths, run_id: str) -> Run | None:
    """The saved run; None if it is not there, torn or of another run.  Raises NewerFormatError, OSError."""
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
    """Whether this run has asked for a message: then it has a history, whatever became of it."""
    for path in paths.posts.glob("*.json"):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, OSError):
            if msgspec.json.decode(read_small(path) or b"", type=_Named).run_id == run_id:
                return True
    return False


class _Named(msgspec.Struct):
    run_id: str
