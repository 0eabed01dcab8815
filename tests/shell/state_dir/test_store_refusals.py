"""A state that cannot be continued is refused in one line, and every file is left as it is."""

import os
from pathlib import Path

import pytest

from atvm_pipeline.core.codec import encode_state
from atvm_pipeline.core.errors import DataError, NewerFormatError
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.state_dir.store import Store, load, read_journal
from atvm_pipeline.shell.system.files import make_folder
from tests.support.recorded_runs import END, LINES, MIDDLE, RUN_ID, WHOLE, content, lay

NEWER = b'{"at":"2027-01-01T00:00:00Z","seq":%d,"type":"host-woken"}\n'


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "state", "b")
    make_folder(found.folder)
    return found


LOST: dict[str, tuple[bytes, int | None]] = {
    "garbage in the middle, no snapshot": (b"".join([*LINES[:5], b"{]\n", *LINES[6:]]), None),
    "garbage in the middle that an older snapshot does not know": (
        b"".join([*LINES[: MIDDLE + 2], b"\0\n", *LINES[MIDDLE + 3 :]]),
        MIDDLE,
    ),
    "lines missing in the middle": (b"".join([*LINES[:5], *LINES[8:]]), None),
    "no first line": (b"".join(LINES[1:]), None),
    "a broken first line": (b"\0\n" + b"".join(LINES[1:]), None),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_history_that_cannot_be_read_is_refused_in_one_line_and_left_as_it_is(
    lost: str, paths: Paths
) -> None:
    lay(paths, *LOST[lost])
    before = content(paths.folder)
    with pytest.raises(DataError) as refusal:
        load(paths, RUN_ID)

    assert str(paths.journal) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert content(paths.folder) == before


@pytest.mark.parametrize("journal", [None, b"", b"\0" * 100])
def test_a_run_that_has_reported_something_is_never_started_again(
    journal: bytes | None, paths: Paths
) -> None:
    lay(paths, WHOLE, None)
    store = Store(paths, len(WHOLE))
    store.save(END)
    store.close()
    paths.state.write_bytes(b"")
    paths.journal.unlink()
    lay(paths, journal, None)
    with pytest.raises(DataError, match="cannot be read"):
        load(paths, RUN_ID)

    (paths.posts / "001.json").write_bytes(b"no json")
    for post in paths.posts.iterdir():
        post.write_bytes(post.read_bytes().replace(RUN_ID.encode(), b"f" * 16))
    assert load(paths, RUN_ID).run is None


NEW: dict[str, tuple[bytes, bytes | None]] = {
    "the journal's schema": (WHOLE.replace(b"{", b'{"schema":3,', 1), None),
    "the snapshot's schema": (
        WHOLE,
        encode_state(state_file(END)).replace(b'"schema": 2', b'"schema": 3', 1),
    ),
    "only a snapshot": (b"", encode_state(state_file(END)).replace(b'"schema": 2', b'"schema": 3', 1)),
    "an event in the middle": (
        b"".join([*LINES[:5], NEWER % 6, *LINES[6:]]),
        encode_state(state_file(END)),
    ),
    "the last event": (WHOLE + NEWER % (len(LINES) + 1), encode_state(state_file(END))),
}


@pytest.mark.parametrize("new", NEW)
def test_what_a_newer_release_has_written_is_refused_in_one_line_and_left_as_it_is(
    new: str, paths: Paths
) -> None:
    journal, state = NEW[new]
    lay(paths, journal, None)
    if state is not None:
        paths.state.write_bytes(state)
    before = content(paths.folder)
    with pytest.raises(NewerFormatError) as refusal:
        load(paths, RUN_ID)

    assert str(paths.folder) in str(refusal.value)
    assert "release" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert content(paths.folder) == before


@pytest.mark.parametrize("name", ["journal.jsonl", "state.json"])
@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "dangling link", "device"])
def test_what_is_no_file_is_refused_and_never_waited_for(
    kind: str, name: str, paths: Paths, tmp_path: Path
) -> None:
    lay(paths, WHOLE, len(LINES))
    place = paths.folder / name
    elsewhere = tmp_path / "elsewhere"
    if kind == "link":
        place.rename(elsewhere)
    else:
        place.unlink()
    if kind == "folder":
        place.mkdir()
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to({"device": Path("/dev/zero")}.get(kind, elsewhere))
    with pytest.raises(DataError, match="not a regular file") as refusal:
        load(paths, RUN_ID)

    assert str(place) in str(refusal.value)
    assert kind != "link" or elsewhere.stat().st_size > 1000


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_a_journal_to_be_replayed_that_is_no_file_is_refused(kind: str, paths: Paths) -> None:
    if kind == "fifo":
        os.mkfifo(paths.journal)
    else:
        paths.journal.mkdir()
    with pytest.raises(DataError, match="not a regular file"):
        read_journal(paths.journal)
