"""Retention: which parts of the state root are deleted when there are too many builds, and which never are."""

import contextlib
import fcntl
import json
import os
from pathlib import Path

import pytest

from atvm_pipeline.shell.state_dir import retention
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.state_dir.retention import disk_usage, prune_builds
from atvm_pipeline.shell.system.files import locked

STATE = {
    "build_name": "b",
    "run_id": "r",
    "phase": "COMPLETED",
    "reason": {"code": "all-passed", "text": "", "evidence": []},
    "ledger": {"planned": 1},
    "post": None,
    "subruns": [],
}
WAITING = {**STATE, "post": {"outcome": "pending"}}


def build(root: Path, name: str, at_s: int, state: object = STATE, archived: object = STATE) -> Paths:
    """Create a build whose state was written `at_s`, with one archived run and its locks."""
    paths = Paths(root, name)
    for folder, content in ((paths.folder, state), (paths.archive / "earlier", archived)):
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps(content))
    for lock in (paths.start_lock, paths.watcher_lock, paths.runner_lock):
        lock.parent.mkdir(exist_ok=True)
        lock.touch()
    for path in (paths.folder / "state.json", paths.folder, paths.archive):
        os.utime(path, (at_s, at_s))
    return paths


def left(root: Path) -> set[str]:
    """Return every build name that still occurs in a file name of the state root."""
    places = (root, root / ".archive", root / ".locks")
    return {path.name.partition(".")[0] for place in places for path in place.iterdir()} - {""}


def test_the_oldest_builds_are_deleted_completely_and_the_newest_stay(tmp_path: Path) -> None:
    for number in range(5):
        build(tmp_path, f"b{number}", 1000 + number)

    assert prune_builds(tmp_path, 2, "none") == ["b0", "b1", "b2"]
    assert left(tmp_path) == {"b3", "b4"}


def test_as_many_as_are_kept_are_left_alone_however_old(tmp_path: Path) -> None:
    for number in range(3):
        build(tmp_path, f"b{number}", number)

    assert prune_builds(tmp_path, 3, "none") == []
    assert left(tmp_path) == {"b0", "b1", "b2"}


@pytest.mark.parametrize(
    "state",
    [WAITING, {**STATE, "phase": "RUNNING"}, {**STATE, "alerts": [{"outcome": "pending"}]}, "no state", None],
    ids=["message-waits", "runs", "alert-waits", "corrupt", "not-watched-yet"],
)
def test_a_run_that_may_still_need_action_is_never_deleted(state: object, tmp_path: Path) -> None:
    paths = build(tmp_path, "b", 1000, state)
    if state is None:
        (paths.folder / "state.json").unlink()

    assert prune_builds(tmp_path, 0, "none") == []
    assert left(tmp_path) == {"b"}


def test_an_archived_run_with_a_message_that_can_be_resent_keeps_its_build(tmp_path: Path) -> None:
    build(tmp_path, "b", 1000, archived=WAITING)

    assert prune_builds(tmp_path, 0, "none") == []


def test_the_build_that_is_being_started_is_spared(tmp_path: Path) -> None:
    build(tmp_path, "b", 1000)

    assert prune_builds(tmp_path, 0, "b") == []


@pytest.mark.parametrize("lock", ["start_lock", "watcher_lock", "runner_lock"])
def test_a_build_that_is_held_is_left_alone(lock: str, tmp_path: Path) -> None:
    paths = build(tmp_path, "b", 1000)
    with locked(getattr(paths, lock)):
        assert prune_builds(tmp_path, 0, "none") == []

    assert prune_builds(tmp_path, 0, "none") == ["b"]


def test_archives_without_a_build_count_and_go_too(tmp_path: Path) -> None:
    paths = build(tmp_path, "b", 1000)
    (paths.folder / "state.json").unlink()
    paths.folder.rmdir()

    assert prune_builds(tmp_path, 0, "none") == ["b"]
    assert left(tmp_path) == set()


def test_of_a_linked_build_only_the_link_goes(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    root = tmp_path / "root"
    build(elsewhere, "b", 1000)
    root.mkdir()
    (root / "b").symlink_to(elsewhere / "b")

    assert prune_builds(root, 0, "none") == ["b"]
    assert (elsewhere / "b" / "state.json").exists()
    assert not (root / "b").is_symlink()


def test_nothing_untrusted_is_touched(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "notes.txt").write_text("mine")

    assert prune_builds(tmp_path, 0, "none") == []
    assert prune_builds(tmp_path / "none", 0, "none") == []
    assert {path.name for path in tmp_path.iterdir()} >= {"lost+found", "notes.txt"}


def test_who_opened_a_lock_just_before_it_was_deleted_takes_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise two processes would hold "the" lock: one that of the deleted file, one that of the new file."""
    path = tmp_path / "lock"
    flock = fcntl.flock
    deleted: list[int] = []

    def deleting(descriptor: int, how: int) -> None:
        if not deleted:
            path.unlink()
            deleted.append(os.fstat(descriptor).st_ino)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", deleting)
    with locked(path) as held:
        assert os.path.samestat(os.fstat(held), path.stat())
    assert deleted


# --- disk usage ---


def test_the_size_is_that_of_all_builds_and_archives_on_the_disk(tmp_path: Path) -> None:
    paths = build(tmp_path, "b", 1000)
    before = disk_usage(tmp_path)
    (paths.archive / "earlier" / "runner.log").write_bytes(b"x" * 10 * 2**20)
    os.truncate(paths.folder / "state.json", 2**40)
    os.mkfifo(paths.folder / "fifo")
    (paths.folder / "loop").symlink_to(tmp_path)
    after = disk_usage(tmp_path)

    assert (after.builds, after.complete) == (1, True)
    assert 10 * 2**20 <= after.size - before.size < 11 * 2**20


def test_a_state_root_with_too_many_names_is_measured_in_part_and_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SIZED_MAX", 5)
    for number in range(9):
        build(tmp_path, f"b{number}", 1000)

    assert not disk_usage(tmp_path).complete
    assert disk_usage(tmp_path / "none") == (0, 0, True)


@pytest.mark.parametrize("survived", range(3))
def test_a_build_whose_deletion_was_cut_off_is_not_there_any_more(
    survived: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request without a state would look like a run that was never watched, and would be reported again."""
    paths = build(tmp_path, "b", 1000)
    (paths.folder / "request.json").write_text("{}")
    real, left_to_do = os.unlink, [survived]

    def killed(*args: object, **options: object) -> None:
        if not left_to_do[0]:
            raise KeyboardInterrupt
        left_to_do[0] -= 1
        real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "unlink", killed)
    with contextlib.suppress(KeyboardInterrupt):
        prune_builds(tmp_path, 0, "none")
    monkeypatch.undo()

    assert not paths.folder.exists()
    prune_builds(tmp_path, 0, "none")
    assert not paths.archive.exists()
    assert not (tmp_path / retention.DELETED).exists()
