"""Open files are always closed: by a watcher at its end, by a follower after any error, and for an owner that forgets."""

import os
import signal
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atvm_pipeline.core.events import Settings
from atvm_pipeline.core.reducer import phase_of
from atvm_pipeline.shell.processes.process_table import identity
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.records import ExitRecord, Request, RunnerRecord, read_record, write_record
from atvm_pipeline.shell.system.clock import boot_id
from atvm_pipeline.shell.system.files import OpenFile, open_regular
from atvm_pipeline.shell.watcher.first_event import first_event
from atvm_pipeline.shell.watcher.service import run_watcher
from tests.support import descriptors
from tests.support.log_actions import Follow, append, line, rotate
from tests.support.processes import RUN_ID, make_request
from tests.support.project import ONE_HOST_BUILD as BUILD
from tests.support.waiting import wait_for

NAMED = {"build_name": BUILD, "run_id": RUN_ID}


# --- an owner ---


def test_a_file_is_closed_once_and_its_number_is_used_no_more(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    opened = open_regular(tmp_path / "a")
    assert opened is not None
    number = opened.number
    opened.close()
    again = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        assert again == number
        opened.close()
        os.fstat(again)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(opened.number)
    finally:
        os.close(again)


def test_a_file_that_its_owner_forgot_is_closed_and_reported() -> None:
    forgotten = OpenFile(os.open(os.devnull, os.O_RDONLY), os.devnull)
    number = forgotten.number
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del forgotten

    assert [(str(warning.message), warning.category) for warning in caught] == [
        (f"unclosed file {os.devnull}", ResourceWarning)
    ]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_what_is_not_a_regular_file_is_closed_again(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a")
    before = descriptors.names()

    assert open_regular(tmp_path / "a") is None
    assert descriptors.left_open(before) == {}


# --- a follower ---


@pytest.mark.parametrize("call", ["fstat", "pread", "stat", "readlink", "scandir", "listdir"])
def test_an_error_at_any_call_of_a_follower_leaves_no_file_open(
    call: str, follow: Follow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, call)
    for failing in range(40):
        log = tmp_path / str(failing) / "runner.log"
        log.parent.mkdir()
        log.write_bytes(line("a"))
        tail = follow(log)
        list(tail.read())
        append(log, line("b"))
        for name in ("c", "d"):
            rotate(log)
            log.write_bytes(line(name))
        calls = iter(range(failing))

        def refuse(*args: object, calls: Iterator[int] = calls, **more: object) -> object:
            if next(calls, None) is None:
                raise OSError(5, "Input/output error")
            return real(*args, **more)

        before = descriptors.names()
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            list(tail.read())
            tail.close()
        assert not [name for name in descriptors.names() - before if str(log.parent) in name]


@pytest.mark.parametrize("steps", range(4))
def test_a_read_that_is_given_up_midway_leaves_one_file_open_and_none_after_the_close(
    steps: int, follow: Follow, tmp_path: Path
) -> None:
    log = tmp_path / "runner.log"
    log.write_bytes(line("a"))
    tail = follow(log)
    list(tail.read())
    for name in ("b", "c"):
        rotate(log)
        log.write_bytes(line(name))
    reading = tail.read()
    for _ in range(steps):
        next(reading)
    reading.close()  # type: ignore[attr-defined]

    assert sum(tmp_path.name in name for name in descriptors.names().elements()) == 1

    tail.close()

    assert sum(tmp_path.name in name for name in descriptors.names().elements()) == 0


# --- a watcher ---


@pytest.fixture
def _own_signals() -> Iterator[None]:
    """Restore the signal handlers afterwards: the watcher replaces those of its process."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def started(paths: Paths, pid: int) -> None:
    process = identity(pid)
    assert process is not None
    record = RunnerRecord(
        **NAMED,
        pid=pid,
        create_time=process.create_time,
        started_at=datetime.now(UTC),
        boot_id=boot_id(),
    )
    write_record(paths.runner, record)


def watched(paths: Paths) -> str:
    """Watch in this process until the end; return the phase."""
    request = read_record(paths.request, Request)
    assert request is not None
    return phase_of(run_watcher(paths, request, {}, first_event)).value


@pytest.mark.usefixtures("_own_signals")
@pytest.mark.parametrize("end", ["ended", "hangs"])
def test_a_watcher_in_this_process_leaves_no_descriptor_and_no_thread(end: str, tmp_path: Path) -> None:
    """If the run hangs, its runner is alive at the end, and the watcher was waiting for its exit."""
    settings = Settings(settle_s=0, post_phases=(), stall_limit_s=0.2 if end == "hangs" else 600)
    paths = make_request(tmp_path, "played", settings=settings)
    paths.runner_log.write_bytes(line("a"))
    (tmp_path / "work" / "cmcReporter").mkdir()
    files, threads = descriptors.names(), set(threading.enumerate())
    with subprocess.Popen(["sleep", "300"]) as runner:
        try:
            started(paths, runner.pid)
            if end == "ended":
                now = datetime.now(UTC)
                write_record(paths.runner_exit, ExitRecord(**NAMED, exit_code=3, finished_at=now))
            phase = watched(paths)
        finally:
            runner.kill()

    assert phase == {"ended": "FAILED", "hangs": "HUNG"}[end]
    assert descriptors.left_open(files) == {}
    wait_for(lambda: set(threading.enumerate()) <= threads, "the end of every thread")


@pytest.mark.usefixtures("_own_signals")
def test_a_watcher_that_cannot_start_leaves_no_descriptor(tmp_path: Path) -> None:
    """Its journal is open when `watcher.json` cannot be written."""
    paths = make_request(tmp_path, "played", settings=Settings(post_phases=()))
    paths.watcher.mkdir()
    files = descriptors.names()
    with pytest.raises(OSError, match="directory"):
        watched(paths)

    assert descriptors.left_open(files) == {}
