"""The follower after a restart: rotations while it was down or between two polls."""

from pathlib import Path

import pytest

from atvm_pipeline.core.events import LogRead
from tests.support.log_actions import Follow, append, caught_up, labels, line, read, replaced, resumed, rotate


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "runner.log"


def test_a_restarted_tail_continues_where_it_was(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(line("a") + line("b")[:20])
    events = list(tail.read())
    tail = resumed(follow, tail, events, identity=tail.identity)
    append(log, line("b")[20:])

    assert labels(list(tail.read())) == ["b"]


def test_a_log_that_was_renamed_while_it_was_not_watched_is_found_in_its_directory(
    log: Path, follow: Follow
) -> None:
    tail = follow(log)
    log.write_bytes(line("a"))
    events = list(tail.read())
    append(log, line("b"))
    log.rename(log.with_name("runner.log.1"))
    log.write_bytes(line("c"))
    tail = resumed(follow, tail, events, identity=tail.identity)

    assert read(tail) == (["b", "c"], [(1, "replaced", 0)])


@pytest.mark.parametrize("known", [True, False], ids=["identity known", "identity unknown"])
def test_a_log_that_was_cut_while_it_was_not_watched_is_read_from_its_start(
    log: Path, known: bool, follow: Follow
) -> None:
    tail = follow(log)
    log.write_bytes(line("aaaaaaaaaaaaaaaaaaaa"))
    events = list(tail.read())
    log.write_bytes(line("b"))
    tail = resumed(follow, tail, events, identity=tail.identity if known else None)

    assert read(tail) == (["b"], [(1, "truncated", None)])


def test_a_log_that_went_away_for_good_is_reported_at_the_end(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(line("a"))
    events = list(tail.read())
    log.unlink()
    tail = resumed(follow, tail, events, identity=tail.identity)

    assert list(tail.read()) == []

    events = list(tail.read(final=True))

    assert replaced(events) == [(1, "deleted", None)]
    assert [event.final for event in events if isinstance(event, LogRead)] == [True]


@pytest.mark.parametrize("restarted", [False, True], ids=["watched", "not watched"])
def test_files_that_came_and_went_between_two_polls_are_read_in_their_order(
    log: Path, restarted: bool, follow: Follow
) -> None:
    tail = follow(log)
    log.write_bytes(line("a"))
    events = list(tail.read())
    for name in ("b", "c", "d"):
        rotate(log)
        log.write_bytes(line(name))
    if restarted:
        tail = resumed(follow, tail, events, identity=tail.identity)

    assert read(tail) == (["b", "c", "d"], [(1, "replaced", 0), (2, "replaced", 0), (3, "replaced", 0)])


def test_a_log_without_an_extension_takes_no_file_of_another_build_for_its_own(
    tmp_path: Path, follow: Follow
) -> None:
    log = tmp_path / "e2e-redhat9"
    tail = caught_up(follow, log, line("ours"))
    log.rename(tmp_path / "away")
    (tmp_path / "e2e-redhat9.6").write_bytes(line("another-build"))
    log.write_bytes(line("ours-again"))

    assert read(tail) == (["ours-again"], [(1, "replaced", None)])


def test_a_line_that_a_rotation_cuts_is_read_as_one(log: Path, follow: Follow) -> None:
    tail = caught_up(follow, log, line("whole")[:20])
    rotate(log)
    log.write_bytes(line("whole")[20:])

    assert labels(list(tail.read())) == ["whole"]


@pytest.mark.parametrize("how", ["packed", "deleted"])
def test_a_rotated_file_that_cannot_be_read_any_more_is_a_gap(log: Path, how: str, follow: Follow) -> None:
    tail = caught_up(follow, log, line("a"))
    for name in ("b", "c"):
        rotate(log)
        log.write_bytes(line(name))
    between = log.with_name("runner.log.1")
    if how == "packed":
        between.with_name("runner.log.1.gz").write_bytes(b"packed")
    between.unlink()

    assert read(tail) == (["c"], [(1, "replaced", None)])


def test_a_copy_next_to_the_log_is_not_read_again(log: Path, follow: Follow) -> None:
    tail = caught_up(follow, log, line("a"))
    log.with_name("runner.log.old").write_bytes(line("a"))
    rotate(log)
    log.write_bytes(line("b"))

    assert read(tail) == (["b"], [(1, "replaced", 0)])


def test_the_log_of_another_build_is_no_part_of_this_one(log: Path, follow: Follow) -> None:
    tail = caught_up(follow, log, line("a"))
    for name in ("runner.log.json", "runner.log2", "runner-fc.log", "runner.log.bak"):
        log.with_name(name).write_bytes(line("other"))
    rotate(log)
    log.write_bytes(line("b"))

    assert labels(list(tail.read())) == ["b"]


def test_a_log_that_is_a_link_is_followed_when_it_is_switched(log: Path, follow: Follow) -> None:
    for name in ("one.txt", "two.txt"):
        log.with_name(name).touch()
    log.symlink_to("one.txt")
    tail = follow(log)
    append(log, line("a"))
    list(tail.read())
    append(log, line("b"))
    log.unlink()
    log.symlink_to("two.txt")
    append(log, line("c"))

    assert read(tail) == (["b", "c"], [(1, "replaced", 0)])


def test_a_directory_that_is_replaced_is_a_gap_though_the_old_log_is_read_to_its_end(
    tmp_path: Path, follow: Follow
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "runner.log"
    tail = caught_up(follow, log, line("a"))
    append(log, line("b"))
    folder.rename(tmp_path / "old")
    folder.mkdir()
    log.write_bytes(line("c"))

    assert read(tail) == (["b", "c"], [(1, "replaced", None)])


def test_a_regrown_log_with_the_same_first_kilobyte_is_noticed_after_a_restart(
    log: Path, follow: Follow
) -> None:
    banner = b"= banner =\n" * 200
    tail = follow(log)
    log.write_bytes(banner + line("a"))
    events = list(tail.read())
    log.write_bytes(banner + line("b") + line("c"))
    tail = resumed(follow, tail, events, identity=tail.identity)

    assert read(tail) == (["b", "c"], [(1, "truncated", None)])
