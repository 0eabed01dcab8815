"""Journal and snapshot on real files after a crash, after a disk error, or as another release left them."""

import os
from pathlib import Path

import pytest

from atvm_pipeline.core.codec import encode_event, encode_state
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.state_dir.store import Store, load, read_journal
from atvm_pipeline.shell.system.files import make_folder
from tests.support.recorded_runs import END, EVENTS, LINES, MIDDLE, RUN_ID, WHOLE, content, folded, lay


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "state", "b")
    make_folder(found.folder)
    return found


def reopened(paths: Paths) -> Run:
    """Load, open, append the missing events and save, as a watcher would; then load again."""
    loaded = load(paths, RUN_ID)
    assert loaded.run is not None
    store = Store(paths, loaded.journal_bytes)
    if loaded.journal_bytes == 0:
        store.append([loaded.run.request])
    missing = EVENTS[loaded.run.seq :]
    store.append(missing)
    store.sync()
    store.save(replay([*EVENTS[: loaded.run.seq], *missing]))
    store.close()
    again = load(paths, RUN_ID).run
    assert again is not None
    return again


LEFT: dict[str, tuple[bytes | None, int | None]] = {
    "complete, no snapshot": (WHOLE, None),
    "complete, with its snapshot": (WHOLE, len(LINES)),
    "longer than the snapshot": (WHOLE, MIDDLE),
    "shorter than the snapshot": (b"".join(LINES[:MIDDLE]), len(LINES)),
    "a torn last line": (WHOLE + LINES[-1][:40], None),
    "a last line without its line feed": (WHOLE[:-1], len(LINES) - 1),
    "a tail of zeros": (WHOLE + b"\0" * 5000, None),
    "a tail of several broken lines": (WHOLE + b"\0\n{\nx\n" * 3, None),
    "garbage in the middle, known to the snapshot": (
        b"".join([*LINES[:5], b"\xff" * 60 + b"\n", *LINES[7:]]),
        MIDDLE,
    ),
    "a line of a megabyte without end in the middle": (
        b"".join([*LINES[:5], b"x" * (17 * 1024 * 1024) + b"\n", *LINES[6:]]),
        MIDDLE,
    ),
    "empty, with its snapshot": (b"", len(LINES)),
    "lost, with its snapshot": (None, len(LINES)),
    "garbage, with its snapshot": (b"\0" * 4096, len(LINES)),
    "of another run, with our snapshot": (WHOLE.replace(RUN_ID.encode(), b"f" * 16), len(LINES)),
}


@pytest.mark.parametrize("left", LEFT)
def test_the_remaining_files_restore_the_run(left: str, paths: Paths) -> None:
    lay(paths, *LEFT[left])
    before = content(paths.folder)
    loaded = load(paths, RUN_ID)

    assert loaded.run == END if "line feed" not in left else folded(len(EVENTS) - 1)
    assert content(paths.folder) == before
    assert reopened(paths) == END


@pytest.mark.parametrize("left", LEFT)
def test_what_was_opened_again_is_complete_afterwards(left: str, paths: Paths) -> None:
    lay(paths, *LEFT[left])
    reopened(paths)
    journal = read_journal(paths.journal)

    assert journal.length == paths.journal.stat().st_size
    assert (journal.damaged is None) == ("middle" not in left)
    assert sorted(event.seq for event in journal.events) == [event.seq for event in journal.events]


@pytest.mark.parametrize(
    "tail", [LINES[MIDDLE][:40], LINES[MIDDLE][:-1], b"\0" * 5000, b"\0\n{\n"], ids=range(4)
)
def test_a_torn_end_is_cut_off_before_anything_is_appended(tail: bytes, paths: Paths) -> None:
    lay(paths, b"".join(LINES[:MIDDLE]) + tail, None)

    assert load(paths, RUN_ID).run == folded(MIDDLE)
    assert reopened(paths) == END
    appended = [encode_event(event) for event in EVENTS[MIDDLE:]]
    assert paths.journal.read_bytes() == b"".join([*LINES[:MIDDLE], *appended])


@pytest.mark.parametrize("state", [b"", b"{", b"\0" * 500, b"[]", b'{"schema": 1}'], ids=range(5))
def test_a_snapshot_that_is_torn_is_folded_again(state: bytes, paths: Paths) -> None:
    lay(paths, WHOLE, None)
    paths.state.write_bytes(state)

    assert load(paths, RUN_ID).run == END
    assert reopened(paths) == END
    assert paths.state.read_bytes() == encode_state(state_file(END))


def test_a_snapshot_of_another_run_is_not_there(paths: Paths) -> None:
    lay(paths, WHOLE, None)
    other = encode_state(state_file(END)).replace(RUN_ID.encode(), b"f" * 16)
    paths.state.write_bytes(other)

    assert load(paths, RUN_ID).run == END


@pytest.mark.parametrize(
    "journal", [None, b"", LINES[0][:50], b"\0" * 100, LINES[0].replace(RUN_ID.encode(), b"f" * 16)]
)
def test_a_run_without_any_history_starts_again(journal: bytes | None, paths: Paths) -> None:
    lay(paths, journal, None)
    loaded = load(paths, RUN_ID)

    assert loaded == (None, 0)
    store = Store(paths, loaded.journal_bytes)
    store.append(EVENTS)
    store.sync()
    store.close()
    assert load(paths, RUN_ID).run == END


def test_a_journal_that_cannot_be_read_is_moved_aside_and_never_overwritten(paths: Paths) -> None:
    for content_ in (b"\0" * 10, b"other\n"):
        lay(paths, content_, len(LINES))
        assert reopened(paths) == END

    kept = [path.read_bytes() for path in sorted(paths.folder.glob("journal.damaged*"))]
    assert kept == [b"\0" * 10, b"other\n"]


def test_leftover_temporary_files_of_a_killed_watcher_are_removed_and_others_are_not(paths: Paths) -> None:
    lay(paths, WHOLE, None)
    make_folder(paths.subruns)
    make_folder(paths.posts)
    ours = [
        paths.folder / ".state.json.aaaaaaaaaaaa.tmp",
        paths.folder / ".watcher.json.aaaaaaaaaaaa.tmp",
        paths.subruns / ".001.json.aaaaaaaaaaaa.tmp",
        paths.posts / ".001.json.aaaaaaaaaaaa.tmp",
    ]
    # Another process may be writing these at this moment.
    others = [
        paths.folder / ".cancel.json.aaaaaaaaaaaa.tmp",
        paths.folder / ".runner-exit.json.aaaaaaaaaaaa.tmp",
    ]
    for path in (*ours, *others):
        path.write_bytes(b"half")
    assert load(paths, RUN_ID).run == END
    Store(paths, len(WHOLE)).close()

    assert [path for path in (*ours, *others) if path.exists()] == others
    assert load(paths, RUN_ID).run == END


def test_an_append_that_fails_leaves_the_journal_as_it_was(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(paths, 0)
    store.append(EVENTS[:3])
    real, left = os.write, [1]

    def full(descriptor: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        return real(descriptor, bytes(data)[:100])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        store.append(EVENTS[3:6])
    monkeypatch.undo()
    assert read_journal(paths.journal).events == EVENTS[:3]
    store.append(EVENTS[3:])
    store.close()

    assert load(paths, RUN_ID).run == END


def test_a_journal_whose_end_cannot_be_read_back_complete_is_not_written_to(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.journal.write_bytes(WHOLE)
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, at: real(descriptor, min(length, 4096), at))
    with pytest.raises(OSError, match="Input/output error"):
        Store(paths, len(WHOLE))
    monkeypatch.undo()

    assert paths.journal.read_bytes() == WHOLE
