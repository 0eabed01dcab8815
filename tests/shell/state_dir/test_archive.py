"""Archiving a build's files for a new run: nothing that still has to be reported is lost."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atvm_pipeline.core.codec import decode_event, encode_state
from atvm_pipeline.core.messages.outbox import EXPIRES_S
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.state_dir.archive import archive_run
from atvm_pipeline.shell.state_dir.archived_messages import archived_messages
from atvm_pipeline.shell.state_dir.records import MarkerRecord, Paths, Request, write_record
from atvm_pipeline.shell.state_dir.store import Store
from atvm_pipeline.shell.system.files import locked, make_folder
from tests.support.project import PROJECT

LINES = (PROJECT / "fixtures" / "schema-1" / "journal.jsonl").read_bytes().splitlines(keepends=True)
RUN_ID = decode_event(LINES[0]).run_id
SENT, WAITS = len(LINES), len(LINES) - 3
"""How much of the journal exists: all of it, or up to where two messages were not sent yet."""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "state", "b")


def lay(paths: Paths, hour: int, count: int = SENT) -> None:
    """Write a run of that hour, as its watcher left it."""
    make_folder(paths.folder)
    paths.journal.write_bytes(b"".join(LINES[:count]))
    paths.state.write_bytes(encode_state(state_file(replay([decode_event(line) for line in LINES[:count]]))))
    write_record(
        paths.request,
        Request(
            build_name="b",
            run_id=RUN_ID,
            requested_at=datetime(2026, 11, 24, tzinfo=UTC) + timedelta(hours=hour),
            workdir="/",
            log_path="/l",
            artifacts_dir="/a",
        ),
    )


def archived(paths: Paths) -> list[str]:
    return sorted(folder.name[11:13] for folder in paths.archive.iterdir())


def test_only_the_newest_runs_are_kept(paths: Paths) -> None:
    for hour in range(5):
        lay(paths, hour)
        found = archive_run(paths, 3)

        assert found is not None
        assert (found.waiting, found.cancelled, found.problem) == (0, False, "")

    assert archived(paths) == ["02", "03", "04"]
    assert not paths.folder.exists()


def test_a_run_with_messages_to_deliver_is_counted_and_kept(paths: Paths) -> None:
    lay(paths, 0, WAITS)
    found = archive_run(paths, 2)
    for hour in range(1, 5):
        lay(paths, hour)
        archive_run(paths, 2)

    assert archived(paths) == ["00", "03", "04"]
    assert found is not None
    assert found.paths.folder == paths.archive / "2026-11-24T00:00:00Z"
    assert (found.waiting, found.problem) == (2, "the previous run had not finished")


def test_messages_that_are_only_in_the_journal_are_in_the_state_of_the_archived_run(paths: Paths) -> None:
    """A watcher that was killed between the journal and the snapshot has left an old snapshot."""
    lay(paths, 0, WAITS)
    paths.state.write_bytes(encode_state(state_file(replay([decode_event(line) for line in LINES[:9]]))))
    archive_run(paths, 0)
    (found,) = archived_messages(paths.state_root)

    assert (len(found.waiting), found.sending) == (2, False)


def test_a_disk_that_refuses_the_snapshot_does_not_stop_the_start(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    lay(paths, 0, WAITS)
    paths.state.unlink()
    monkeypatch.setattr(Store, "save", refuse)
    found = archive_run(paths, 0)

    assert found is not None
    assert found.waiting == 2
    assert archived(paths) == ["00"]


def test_a_run_whose_sender_is_running_is_kept_however_old_it_is(paths: Paths) -> None:
    lay(paths, 0, WAITS)
    archive_run(paths, 1)
    folder = paths.archive / "2026-11-24T00:00:00Z"
    old = time.time() - EXPIRES_S - 60
    os.utime(folder / "state.json", (old, old))
    with locked(folder / "watcher.lock"):
        lay(paths, 1)
        archive_run(paths, 1)
        during = archived(paths)
    lay(paths, 2)
    archive_run(paths, 1)

    assert during == ["00", "01"]
    assert archived(paths) == ["02"]


def test_a_sender_that_writes_into_an_archived_run_does_not_make_it_newer(paths: Paths) -> None:
    for hour in range(3):
        lay(paths, hour)
        archive_run(paths, 3)
    (paths.archive / "2026-11-24T00:00:00Z" / "watcher.lock").touch()
    lay(paths, 3)
    archive_run(paths, 2)

    assert archived(paths) == ["02", "03"]


@pytest.mark.parametrize(("count", "cancelled"), [(WAITS, True), (SENT, False)])
def test_a_cancel_that_no_watcher_has_read_counts_for_a_run_without_a_verdict(
    paths: Paths, count: int, cancelled: bool
) -> None:
    lay(paths, 0, count)
    marker = MarkerRecord(build_name="b", run_id=RUN_ID, who="alice", requested_at=datetime.now(UTC))
    write_record(paths.cancel, marker)
    found = archive_run(paths, 1)

    assert found is not None
    assert found.cancelled is cancelled


def test_a_message_that_would_have_expired_keeps_no_run(paths: Paths) -> None:
    lay(paths, 0, WAITS)
    archive_run(paths, 1)
    old = time.time() - EXPIRES_S - 60
    os.utime(paths.archive / "2026-11-24T00:00:00Z" / "state.json", (old, old))
    lay(paths, 1)
    archive_run(paths, 1)

    assert archived(paths) == ["01"]


@pytest.mark.parametrize("state", [b"", b"{", None])
def test_an_archive_that_cannot_be_read_is_not_kept_indefinitely(state: bytes | None, paths: Paths) -> None:
    lay(paths, 0, WAITS)
    archive_run(paths, 1)
    place = paths.archive / "2026-11-24T00:00:00Z" / "state.json"
    place.unlink()
    if state is not None:
        place.write_bytes(state)
    lay(paths, 1)
    archive_run(paths, 1)

    assert archived(paths) == ["01"]


def test_two_runs_of_one_second_have_a_directory_each(paths: Paths) -> None:
    for _ in range(3):
        lay(paths, 0)
        archive_run(paths, 5)

    assert sorted(folder.name for folder in paths.archive.iterdir()) == [
        "2026-11-24T00:00:00Z",
        "2026-11-24T00:00:00Z.2",
        "2026-11-24T00:00:00Z.3",
    ]


def test_a_history_that_cannot_be_read_is_reported_and_moved_aside_completely(paths: Paths) -> None:
    lay(paths, 0)
    paths.state.unlink()
    paths.journal.write_bytes(b"".join([*LINES[:3], b"\0\n", *LINES[4:]]))
    found = archive_run(paths, 5)

    assert found is not None
    assert found.problem == "the history of the previous run cannot be read"
    assert (paths.archive / "2026-11-24T00:00:00Z" / "journal.jsonl").is_file()


def test_a_directory_without_a_request_is_moved_aside_too(paths: Paths) -> None:
    make_folder(paths.folder)
    (paths.folder / "note").write_text("x")

    found = archive_run(paths, 5)

    assert found is not None
    assert (found.waiting, found.problem) == (0, "")
    assert (paths.archive / "unknown" / "note").is_file()
    assert archive_run(paths, 5) is None
