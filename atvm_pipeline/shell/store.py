"""Journal and snapshots of one run on disk.

Order is the caller's duty (`loop.py`): append, reduce, sync, save, perform.  One writer: whoever holds the watcher lock.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from atvm_pipeline.core.codec import (
    LINE_MAX_BYTES,
    decode_event,
    decode_state,
    encode_event,
    encode_state,
    encode_subrun,
)
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.events import Event, RunRequested
from atvm_pipeline.core.reducer import begin, reduce
from atvm_pipeline.core.snapshot import StateFile, state_file, subrun_files
from atvm_pipeline.core.state import Post, Run

from .files import FILE_MODE, free_name, make_folder, read_small, write_all, write_whole
from .records import Paths

STATE_MAX_BYTES = 256 * 1024 * 1024
"""A snapshot of thousands of specs has megabytes; a larger file is not ours."""


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
    """The journal, open for appending, and the snapshots beside it."""

    def __init__(self, paths: Paths, journal_bytes: int) -> None:
        """Open the journal and cut it to its readable part.  Raises OSError."""
        self._paths = paths
        make_folder(paths.folder)
        make_folder(paths.subruns)
        make_folder(paths.posts)
        _remove_leftovers(paths)
        if journal_bytes == 0 and paths.journal.exists() and paths.journal.stat().st_size > 0:
            # Not one line of it can be read: kept for a person, never overwritten.
            paths.journal.replace(free_name(paths.journal.with_name("journal.damaged")))
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._journal = os.open(paths.journal, flags, FILE_MODE)
        self._length = journal_bytes
        os.ftruncate(self._journal, journal_bytes)
        self._saved_posts: dict[str, Post] = {}
        self._saved_subruns: dict[int, bytes] = {}

    def close(self) -> None:
        """Close the journal."""
        os.close(self._journal)

    def append(self, events: Iterable[Event]) -> None:
        """Append events to the journal, all or none; not yet synced.  Raises OSError and leaves the journal as it was."""
        data = b"".join(encode_event(event) for event in events)
        os.lseek(self._journal, self._length, os.SEEK_SET)
        try:
            write_all(self._journal, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._journal, self._length)
            raise
        self._length += len(data)

    def sync(self) -> None:
        """Make every appended event durable.  Raises OSError."""
        os.fdatasync(self._journal)

    def save(self, run: Run) -> StateFile:
        """Write `state.json`, the sub-runs and the posts that changed; gives what was written.  Raises OSError.

        `state.json` last: a reader who sees a phase there finds the rest on disk.
        """
        state = state_file(run)
        for index, subrun in subrun_files(state).items():
            data = encode_subrun(subrun)
            if self._saved_subruns.get(index) != data:
                write_whole(self._paths.subruns / f"{index:03d}.json", data)
                self._saved_subruns[index] = data
        for post in run.outbox:
            if self._saved_posts.get(post.key) != post:
                write_whole(self._paths.posts / post_file_name(run, post), _encode_post(run, post))
                self._saved_posts[post.key] = post
        write_whole(self._paths.state, encode_state(state))
        return state


def post_file_name(run: Run, post: Post) -> str:
    """`001.json`, `run.json`, `alert-end.json`, `001-resend-1.json`: the key without the run."""
    return post.key.removeprefix(f"{run.request.run_id}/").replace("/", "-") + ".json"


def _encode_post(run: Run, post: Post) -> bytes:
    fields = {name: getattr(post, name) for name in Post.__struct_fields__}
    file = PostFile(build_name=run.request.build_name, run_id=run.request.run_id, **fields)
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


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
    """Bytes up to the end of the last whole line: what follows was torn by a crash."""
    damaged: DataError | None
    """The first line in the middle that is no event."""


def read_journal(path: Path) -> Journal:
    """The events of a journal, in order; none if it is not there.  A torn last line is left out.  Raises OSError."""
    events: list[Event] = []
    length = number = 0
    damaged: DataError | None = None
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            return Journal(events, length, damaged)
        while line := file.readline(LINE_MAX_BYTES + 2):
            number += 1
            if not line.endswith(b"\n"):
                break
            try:
                events.append(decode_event(line))
            except DataError as error:
                last = not file.peek(1)
                if last:
                    break
                damaged = damaged or DataError(f"{path}: line {number}: {error}")
            length += len(line)
    return Journal(events, length, damaged)


def load(paths: Paths, run_id: str) -> Loaded:
    """The run as its journal and snapshot show it; None in it if there is no history of `run_id` yet.

    The snapshot is only a shortcut, unless the journal was lost or damaged: then it is what is known.
    Raises DataError if the history cannot be told from what is left, OSError.
    """
    journal = read_journal(paths.journal)
    saved = _snapshot(paths, run_id)
    events = journal.events
    if not events or not isinstance(events[0], RunRequested) or events[0].run_id != run_id:
        return Loaded(saved, 0)
    run = saved if saved is not None and saved.seq <= events[-1].seq else begin(events[0]).run
    rest = [event for event in events if event.seq > run.seq]
    if journal.damaged is not None and [event.seq for event in rest] != list(
        range(run.seq + 1, run.seq + 1 + len(rest))
    ):
        raise journal.damaged
    for event in rest:
        run = reduce(run, event).run
    return Loaded(run, journal.length)


def _snapshot(paths: Paths, run_id: str) -> Run | None:
    data = read_small(paths.state, STATE_MAX_BYTES)
    if data is None:
        return None
    try:
        run = decode_state(data)
    except DataError:
        return None
    return run if run.request.run_id == run_id else None
