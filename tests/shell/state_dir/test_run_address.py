"""Addresses of runs: the current run, an archived one, a run id, a path."""

import json
from pathlib import Path

import pytest

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.run_address import address_of, all_archived_runs, archived_runs, find_run

TIMES = ("2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z.2", "2026-11-24T00:00:00Z.10", "2026-11-25T08:00:00Z")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a state root with a current run and four archived runs of build b, and one archived run of build c."""
    state_root = tmp_path / "state"
    add_run(state_root / "b", "current")
    for number, time in enumerate(TIMES):
        add_run(state_root / ".archive" / "b" / time, f"old{number}")
    add_run(state_root / ".archive" / "c" / TIMES[0], "of-c")
    return state_root


def add_run(folder: Path, run_id: str) -> None:
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps({"run_id": run_id}))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("b", "b"),
        ("b@2026-11-25T08:00:00Z", ".archive/b/2026-11-25T08:00:00Z"),
        ("b@2026-11-25", ".archive/b/2026-11-25T08:00:00Z"),
        ("b@2026-11-24T00:00:00Z", ".archive/b/2026-11-24T00:00:00Z"),
        ("b@2026-11-24T00:00:00Z.2", ".archive/b/2026-11-24T00:00:00Z.2"),
        ("current", "b"),
        ("old3", ".archive/b/2026-11-25T08:00:00Z"),
        ("of-c", ".archive/c/2026-11-24T00:00:00Z"),
        ("new-build", "new-build"),
    ],
)
def test_an_address_names_one_run(root: Path, address: str, place: str) -> None:
    assert find_run(root, address).folder == root / place


def test_the_address_of_each_run_finds_it_again(root: Path) -> None:
    runs = [Paths(root, "b"), *all_archived_runs(root)]

    assert [address_of(run) for run in runs] == ["b", *(f"b@{time}" for time in TIMES), f"c@{TIMES[0]}"]
    assert [find_run(root, address_of(run)).folder for run in runs] == [run.folder for run in runs]
    assert [run.is_archived for run in runs] == [False, *[True] * 5]


def test_a_path_names_a_run_of_any_state_root(root: Path, tmp_path: Path) -> None:
    for folder in (root / "b", root / ".archive" / "b" / TIMES[0]):
        found = find_run(tmp_path / "other", f"{folder}/../{folder.name}")

        assert (found.folder, found.state_root, found.build_name) == (folder, root, "b")
    assert find_run(root, str(root / "b")).watcher_lock == Paths(root, "b").watcher_lock
    assert address_of(find_run(root, str(root / ".archive/b" / TIMES[0]))) == f"b@{TIMES[0]}"


def test_a_path_below_a_link_keeps_the_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)

    assert find_run(root, str(tmp_path / "link" / "b")).state_root == tmp_path / "link"


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("b@2026-11-24", "has 3 archived runs that start with 2026-11-24"),
        ("b@1999", "has no archived run '1999'; its archived runs: b@2026-11-24T00:00:00Z, "),
        ("b@", "has no archived run ''"),
        ("d@2026", "build d has no archived run '2026'; it has none"),
        ("/nowhere/b", "no such directory"),
        ("/tmp", "/tmp is not the directory of a run"),
    ],
)
def test_an_address_without_exactly_one_run_is_an_error(root: Path, address: str, text: str) -> None:
    with pytest.raises(DataError) as refused:
        find_run(root, address)

    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("address", ["", "-x", "a b", "@2026", "b\x1b[0m"])
def test_a_text_that_cannot_be_an_address_is_a_usage_error(root: Path, address: str) -> None:
    with pytest.raises(CommandError) as refused:
        find_run(root, address)

    assert refused.value.code == USAGE
    assert "\x1b" not in str(refused.value)


def test_the_start_of_a_run_id_is_enough_if_only_one_run_has_it(root: Path) -> None:
    add_run(root / "d", "deadbeef00000001")
    add_run(root / ".archive" / "d" / TIMES[0], "deadbeef10000002")
    add_run(root / ".archive" / "d" / TIMES[3], "deadbea")

    assert find_run(root, "deadbeef00000001").folder == root / "d"
    assert find_run(root, "deadbea").folder == root / ".archive" / "d" / TIMES[3]
    assert find_run(root, "deadbeef1").folder == root / ".archive" / "d" / TIMES[0]
    assert find_run(root, "deadb").folder == root / "deadb"
    assert find_run(root, "deadbef").folder == root / "deadbef"
    with pytest.raises(
        DataError, match=r"2 runs have an id that starts with deadbeef: d, d@.*; give more of the id"
    ):
        find_run(root, "deadbeef")


def test_archived_runs_are_listed_by_age_and_without_links(root: Path) -> None:
    (root / ".archive" / "b" / "2026-12-01T00:00:00Z").symlink_to(root / "b")
    (root / ".archive" / "b" / "file").write_text("")

    assert [run.folder.name for run in archived_runs(root, "b")] == list(TIMES)
    assert archived_runs(root, "unknown") == []


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"run_id": 3}', b"\xff", b"[" * 100_000])
def test_an_unreadable_request_is_no_run_id(root: Path, data: bytes) -> None:
    (root / "b" / "request.json").write_bytes(data)

    assert find_run(root, "of-c").build_name == "c"
