"""The file system hints at the limits of the kernel, with real limits, losses and file systems."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.shell.sources import fs_events as watching, report_files as artifacts_source
from atvm_pipeline.shell.sources.report_files import ReportScanner
from atvm_pipeline.shell.system.mounts import file_system_of
from tests.support.hint_recorder import Place, has_been_told
from tests.support.privileges import needs
from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S, wait_for


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


CHILD = """
import os
import sys
from pathlib import Path
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.shell.sources import report_files as artifacts_source, fs_events as watching
from atvm_pipeline.shell.sources.report_files import ReportScanner
from atvm_pipeline.shell.sources.fs_events import FileWatcher
def report(text):
    # Hints come from several threads: a line is written at once, or two become one.
    os.write(1, f"{text}\\n".encode())
root = Path(sys.argv[1])
watch = FileWatcher(root / "state" / "build", root / "logs" / "runner.log", root / "work" / "cmcReporter",
              lambda path: report(str(path)))
watch.start()
report(f"degraded: {watch.degraded}")
sys.stdin.readline()
report(f"degraded: {watch.degraded}")
watch.stop()
"""


class Child:
    """A watch in a separate process, and its hints line by line. `limits` apply in a separate user namespace."""

    def __init__(self, place: Place, **limits: int) -> None:
        sets = [f"echo {value} > /proc/sys/user/{name}" for name, value in limits.items()]
        call = [sys.executable, "-c", CHILD, str(place.state.parents[1])]
        if sets:
            call = ["unshare", "-U", "-r", "sh", "-c", f'{" && ".join(sets)} && exec "$@"', "sh", *call]
        self.process = subprocess.Popen(
            call, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self.collect, daemon=True)
        self.reader.start()

    def collect(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            self.lines.append(text.strip())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        wait_for(condition, "a word of the watching process")

    def told(self, word: str) -> bool:
        return any(word in text for text in self.lines)

    def end(self) -> None:
        # Only the reader reads. A second reader would take lines away from it.
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self.process.stdin:
            self.process.stdin.write("\n")
        self.reader.join(DEADLINE_S)
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()


def can_limit() -> bool:
    """Return whether a separate user namespace is available, in which a limit of inotify may be set."""
    if shutil.which("unshare") is None:
        return False
    script = "echo 100 > /proc/sys/user/max_inotify_watches"
    done = subprocess.run(["unshare", "-U", "-r", "sh", "-c", script], capture_output=True, check=False)
    return done.returncode == 0


needs_limits = needs(None if can_limit() else "no user namespace may be made here")


@needs_limits
def test_at_the_limit_of_watches_a_subdirectory_that_was_left_out_is_polled(place: Place) -> None:
    """watchdog watches as much as it can and does not report the rest: a report there would be seen half a minute late."""
    place.logs.mkdir()
    inner = [place.artifacts / f"host{number}" for number in range(5)]
    for folder in inner:
        folder.mkdir(parents=True)
    child = Child(place, max_inotify_watches=6)
    try:
        child.wait_until(lambda: child.told("degraded: the kernel cannot watch: not every directory"))
        for folder in inner:
            child.wait_until(lambda path=folder / "late.xml": written_and_told(child, path))  # type: ignore[misc]
    finally:
        child.end()


@needs_limits
def test_a_subdirectory_that_comes_when_the_limit_is_reached_is_polled(place: Place) -> None:
    place.logs.mkdir()
    place.artifacts.mkdir()
    child = Child(place, max_inotify_watches=6)
    try:
        child.wait_until(lambda: child.told("degraded: None"))
        inner = [place.artifacts / f"host{number}" for number in range(5)]
        for folder in inner:
            folder.mkdir()
        for folder in inner:
            child.wait_until(lambda path=folder / "late.xml": written_and_told(child, path))  # type: ignore[misc]
    finally:
        child.end()

    assert child.told("degraded: the kernel cannot watch: not every directory")


def written_and_told(child: Child, path: Path) -> bool:
    """Write again; return whether a hint for any such write has arrived."""
    path.write_bytes(b"x")
    time.sleep(0.02)
    return str(path) in child.lines


@needs_limits
@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_where_no_instance_or_no_watch_is_left_everything_is_polled(place: Place, limit: str) -> None:
    place.logs.mkdir()
    place.artifacts.mkdir()
    child = Child(place, **{limit: 0})
    try:
        child.wait_until(lambda: child.told("degraded: the kernel cannot watch: inotify"))
        child.wait_until(lambda: written_and_told(child, place.artifacts / "late.xml"))
        child.wait_until(lambda: written_and_told(child, place.log))
    finally:
        child.end()


def test_a_queue_that_overflows_for_real_becomes_a_scan_of_everything(place: Place) -> None:
    """The watching process is stopped while more events happen than the kernel keeps."""
    place.logs.mkdir()
    place.artifacts.mkdir()
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    child = Child(place)
    try:
        child.wait_until(lambda: child.told("degraded: None"))
        child.wait_until(lambda: written_and_told(child, place.artifacts / "first.xml"))
        child.process.send_signal(signal.SIGSTOP)
        # If it still read, the queue would have room again.
        child.wait_until(lambda: all_stopped(child.process.pid))
        first, second = place.artifacts / "a.xml", place.artifacts / "b.xml"
        for _ in range(kept // 2):
            # Two files in turn, each opened, written and closed: the kernel merges identical events.
            first.write_bytes(b"x")
            second.write_bytes(b"x")
        (place.artifacts / "last.xml").write_bytes(b"x")
        before = child.lines.count("None")
        child.process.send_signal(signal.SIGCONT)
        child.wait_until(lambda: child.lines.count("None") > before)
        child.wait_until(lambda: written_and_told(child, place.artifacts / "afterwards.xml"))
    finally:
        child.process.send_signal(signal.SIGCONT)
        child.end()


def all_stopped(pid: int) -> bool:
    """Return whether all threads of a process are stopped."""
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


def test_a_file_system_that_reports_nothing_is_polled(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such file system can be mounted here. The test declares this one to be of that kind, and inotify must not be used."""
    place.logs.mkdir()
    place.artifacts.mkdir()
    kind = file_system_of(str(place.artifacts))
    monkeypatch.setattr(watching, "REMOTE", (kind,))
    with place.watched() as watch:
        assert watch.degraded is not None
        assert kind in watch.degraded
        assert watch._native is not None
        assert not watch._native.emitters

        for path in (place.artifacts / "late.xml", place.log):
            place.hints.wait_until(lambda path=path: has_been_told(place, path))  # type: ignore[misc]


def test_directories_that_are_made_and_filled_at_once_are_found_by_their_hints(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The periodic full scan is postponed: the hints alone must lead to every file."""
    monkeypatch.setattr(artifacts_source, "FULL_EVERY_S", 1e9)
    place.logs.mkdir()
    place.artifacts.mkdir()
    found = ReportScanner(place.artifacts, place.workdir, Dialect(), baseline={})
    assert list(found.scan()) == []
    told: set[str] = set()
    with place.watched():
        place.quiet()
        for number in range(60):
            folder = place.artifacts / f"run{number % 7}" / f"host{number}" / "deep"
            folder.mkdir(parents=True)
            (folder / "a.xml").write_bytes(b"<testsuites></testsuites>")
            if number % 5 == 0:
                folder.parent.rename(folder.parent.with_name(f"moved{number}"))
        written = {path.relative_to(place.workdir).as_posix() for path in place.artifacts.rglob("a.xml")}

        def all_found() -> bool:
            told.update(
                event.path for event in found.scan([path for path in place.hints.paths if path is not None])
            )
            return written <= told

        place.hints.wait_until(all_found)

    assert len(written) == 60
