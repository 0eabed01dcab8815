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
from atvm_pipeline.shell.state_dir.records import Paths, Request, write_record
from atvm_pipeline.shell.system.files import make_folder
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
        assert archive_run(paths, 3) is None

    assert archived(paths) == ["02", "03", "04"]
    assert not paths.folder.exists()


def test_a_run_with_a_message_that_can_be_resent_is_named_in_one_line_and_kept(paths: Paths) -> None:
    lay(paths, 0, WAITS)
    notice = archive_run(paths, 2)
    for hour in range(1, 5):
        lay(paths, hour)
        archive_run(paths, 2)
    first = paths.archive / "2026-11-24T00:00:00Z"

    assert archived(paths) == ["00", "03", "04"]
    assert notice is not None
    assert f"resend b --archived {first}" in notice
    assert "2 messages of the earlier run were not delivered" in notice
    assert "\n" not in notice


def test_a_message_that_would_have_expired_keeps_no_run(paths: Paths) -> None:
    lay(paths, 0, WAITS)
    archive_run(paths, 1)
    old = time.time() - EXPIRES_S - 60
    os.utime(paths.archive / "2026-11-24T00:00:00Z" / "state.json", (old, old))
    lay(paths, 1)
    archive_run(paths, 1)

    assert archived(paths) == ["01"]


@pytest.mark.parametrize("state", [b"", b"{", None])
def test_an_archive_that_cannot_be_read_is_not_kept_for_ever(state: bytes | None, paths: Paths) -> None:
    lay(paths, 0, WAITS)
    archive_run(paths, 1)
    place = paths.archive / "2026-11-24T00:00:00Z" / "state.json"
    place.unlink()
    if state is not None:
        place.write_bytes(state)
    lay(paths, 1)
    archive_run(paths, 1)

    assert archived(paths) == ["01"]


def test_two_runs_of_one_second_have_a_folder_each(paths: Paths) -> None:
    for _ in range(3):
        lay(paths, 0)
        archive_run(paths, 5)

    assert sorted(folder.name for folder in paths.archive.iterdir()) == [
        "2026-11-24T00:00:00Z",
        "2026-11-24T00:00:00Z.2",
        "2026-11-24T00:00:00Z.3",
    ]


def test_a_history_that_cannot_be_read_is_said_and_moved_aside_whole(paths: Paths) -> None:
    lay(paths, 0)
    paths.state.unlink()
    paths.journal.write_bytes(b"".join([*LINES[:3], b"\0\n", *LINES[4:]]))
    notice = archive_run(paths, 5)

    assert notice is not None
    assert "cannot be read" in notice
    assert (paths.archive / "2026-11-24T00:00:00Z" / "journal.jsonl").is_file()


def test_a_folder_without_a_request_is_moved_aside_too(paths: Paths) -> None:
    make_folder(paths.folder)
    (paths.folder / "note").write_text("x")

    assert archive_run(paths, 5) is None
    assert (paths.archive / "unknown" / "note").is_file()
    assert archive_run(paths, 5) is None
