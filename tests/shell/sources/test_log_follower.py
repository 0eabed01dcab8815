"""The log follower with real files: all written lines are read, and a loss is reported."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from atvm_pipeline.core.events import LogRead
from atvm_pipeline.shell.sources.log_follower import FOLLOW_BLOCK_BYTES
from tests.support.log_actions import Follow, append, caught_up, labels, line, read, replaced, rotate
from tests.support.privileges import no_access
from tests.support.project import PROJECT


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "runner.log"


def test_a_log_that_comes_late_is_read_from_its_start(log: Path, follow: Follow) -> None:
    tail = follow(log)

    assert list(tail.read()) == []

    log.write_bytes(line("a"))
    events = list(tail.read())

    assert labels(events) == ["a"]
    assert tail.generation == 0


def test_a_half_line_waits_for_its_end(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(line("a") + line("b")[:30])

    assert labels(list(tail.read())) == ["a"]

    append(log, line("b")[30:])

    assert labels(list(tail.read())) == ["b"]


def test_the_last_line_needs_no_newline(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(line("a") + line("b").rstrip())

    events = list(tail.read(final=True))

    assert labels(events) == ["a", "b"]
    last = events[-1]
    assert isinstance(last, LogRead)
    assert last.final
    assert last.end == log.stat().st_size


def test_a_final_read_without_any_log_reports_it_once(log: Path, follow: Follow) -> None:
    tail = follow(log)

    events = list(tail.read(final=True))

    assert [(event.final, event.end) for event in events if isinstance(event, LogRead)] == [(True, 0)]
    assert list(tail.read(final=True)) == []


def test_what_is_written_after_the_final_read_is_still_read(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(line("a"))
    list(tail.read(final=True))
    append(log, line("b"))

    events = list(tail.read(final=True))

    assert labels(events) == ["b"]
    assert [event.final for event in events if isinstance(event, LogRead)][-1]


def test_the_ranges_of_the_events_touch(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(b"".join(line(f"n{number}") + b"." * 100_000 + b"\n" for number in range(20)))

    events = [event for event in tail.read(final=True) if isinstance(event, LogRead)]

    assert len(events) > 3
    assert events[0].start == 0
    assert all(one.end == other.start for one, other in pairwise(events))
    assert events[-1].end == log.stat().st_size


def test_noise_alone_is_reported_rarely_and_not_forgotten(log: Path, follow: Follow) -> None:
    tail = follow(log, progress_every_s=3600)
    log.write_bytes(b"noise\n")

    assert len(list(tail.read())) == 1

    append(log, b"more noise\n")

    assert list(tail.read()) == []
    assert tail.due_s is not None

    events = list(tail.read(final=True))

    assert [event.end for event in events if isinstance(event, LogRead)] == [len(b"noise\nmore noise\n")]


def test_unreported_noise_is_reported_when_due_even_if_nothing_new_comes(log: Path, follow: Follow) -> None:
    tail = follow(log, progress_every_s=0)
    log.write_bytes(b"noise\n")
    list(tail.read())

    assert list(tail.read()) == []

    append(log, b"x")

    assert [event.end for event in tail.read() if isinstance(event, LogRead)] == [7]


def test_a_large_log_is_caught_up_with_in_portions(log: Path, follow: Follow) -> None:
    log.write_bytes((b"." * 99 + b"\n") * 20_000 + line("end"))
    tail = follow(log)

    events = list(tail.read(max_bytes=FOLLOW_BLOCK_BYTES))

    assert tail.behind
    assert labels(events) == []

    while tail.behind:
        events += list(tail.read(max_bytes=FOLLOW_BLOCK_BYTES))

    assert labels(events) == ["end"]


def test_a_renamed_log_is_read_to_its_end_before_the_new_one(log: Path, follow: Follow) -> None:
    tail = caught_up(follow, log, line("a"))
    append(log, line("b"))
    log.rename(log.with_name("runner.log.1"))
    log.write_bytes(line("c"))

    assert read(tail) == (["b", "c"], [(1, "replaced", 0)])


def test_a_writer_whose_log_was_renamed_is_followed_while_the_new_file_is_empty(
    log: Path, follow: Follow
) -> None:
    tail = caught_up(follow, log, line("a"))
    log.rename(log.with_name("runner.log.1"))
    log.touch()
    append(log.with_name("runner.log.1"), line("b"))

    assert read(tail) == (["b"], [])


def test_a_deleted_log_is_read_to_its_end_and_its_successor_from_its_start(log: Path, follow: Follow) -> None:
    tail = caught_up(follow, log, line("a"))
    with log.open("ab") as writer:
        log.unlink()
        writer.write(line("b"))
        writer.flush()

        assert labels(list(tail.read())) == ["b"]

    log.write_bytes(line("c"))
    assert read(tail) == (["c"], [(1, "deleted", None)])


def test_a_truncated_log_is_read_again_from_its_start(log: Path, follow: Follow) -> None:
    tail = caught_up(follow, log, line("aaaaaaaaaaaaaaaa"))
    log.write_bytes(line("b"))

    assert read(tail) == (["b"], [(1, "truncated", None)])


def test_a_log_cut_and_grown_past_the_old_offset_between_two_polls_is_noticed(
    log: Path, follow: Follow
) -> None:
    tail = caught_up(follow, log, line("a"))
    log.write_bytes(line("b") + line("c") + line("d"))

    assert read(tail) == (["b", "c", "d"], [(1, "truncated", None)])


def test_a_regrown_log_with_the_same_first_kilobyte_is_noticed(log: Path, follow: Follow) -> None:
    banner = b"= banner =\n" * 200
    tail = caught_up(follow, log, banner + line("a"))
    log.write_bytes(banner + line("b") + line("c"))

    assert read(tail) == (["b", "c"], [(1, "truncated", None)])


def test_a_copytruncated_writer_without_append_leaves_nuls_and_is_followed(log: Path, follow: Follow) -> None:
    tail = follow(log)
    with log.open("wb", buffering=0) as writer:
        writer.write(line("a"))
        list(tail.read())
        os.truncate(log, 0)
        writer.write(b"\n" + line("b"))

        events = list(tail.read())

    assert labels(events) == ["b"]
    assert replaced(events) == [(1, "truncated", None)]


def test_nuls_and_bad_utf8_are_only_bytes(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(b"\0\0\xff\xfe\n" + line("a") + b"\xc3\n" + line("b"))

    assert labels(list(tail.read(final=True))) == ["a", "b"]


def test_a_log_that_may_not_be_read_for_a_while_is_read_later(log: Path, follow: Follow) -> None:
    tail = follow(log)
    log.write_bytes(line("a"))
    with no_access(log):
        assert list(tail.read()) == []

    assert labels(list(tail.read())) == ["a"]


def test_losing_the_directory_does_not_lose_the_open_log(tmp_path: Path, follow: Follow) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "runner.log"
    tail = caught_up(follow, log, line("a"))
    append(log, line("b"))
    with no_access(folder):
        assert labels(list(tail.read())) == ["b"]

    append(log, line("c"))

    assert labels(list(tail.read())) == ["c"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_what_is_no_regular_file_is_no_log(log: Path, make: object, follow: Follow) -> None:
    assert callable(make)
    make(log)

    assert list(follow(log).read()) == []


def test_no_descriptor_is_left_behind_by_many_rotations(log: Path, follow: Follow) -> None:
    tail = caught_up(follow, log, line("a"))
    before = len(os.listdir("/proc/self/fd"))
    for number in range(40):
        rotate(log) if number % 3 else os.truncate(log, 0)
        log.write_bytes(line(f"n{number}"))
        list(tail.read())

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_line_of_a_quarter_gigabyte_takes_no_more_memory_than_a_block(tmp_path: Path) -> None:
    """`python -m tests.support.long_line` does the same with 1 GB."""
    call = [sys.executable, "-m", "tests.support.long_line", "--megabytes", "256", "--limit", "300"]
    done = subprocess.run(
        call,
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    print(done.stdout)
    found = re.match(r"one line of 256 MB: (\d+) MB at most", done.stdout)

    assert found is not None
    assert int(found[1]) < 100
