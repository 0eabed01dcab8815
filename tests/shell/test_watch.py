"""The hints, with a real file system."""

import contextlib
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atvm_pipeline.core.recognise.dialect import Dialect
from atvm_pipeline.shell import artifacts as artifacts_source, watch as watching
from atvm_pipeline.shell.artifacts import Artifacts
from atvm_pipeline.shell.watch import Watch
from tests.controller import PROJECT

DEADLINE_S = 15.0


class Hints:
    """Collects hints as the loop would."""

    def __init__(self) -> None:
        self.paths: list[Path | None] = []
        self._lock = threading.Lock()

    def __call__(self, path: Path | None) -> None:
        with self._lock:
            self.paths.append(path)

    def clear(self) -> None:
        with self._lock:
            self.paths.clear()

    def wait_for(self, *paths: Path | None) -> None:
        self.wait_until(lambda: any(path in self.paths for path in paths))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"no such hint among {self.paths}"
            time.sleep(0.01)


class Place:
    """Where a run lies."""

    def __init__(self, root: Path) -> None:
        self.state = root / "state" / "build"
        self.state.mkdir(parents=True)
        self.logs = root / "logs"
        self.log = self.logs / "runner.log"
        self.workdir = root / "work"
        self.workdir.mkdir()
        self.artifacts = self.workdir / "cmcReporter"
        self.hints = Hints()
        self.sentinel = self.state / "runner.json"

    @contextlib.contextmanager
    def watched(self) -> Iterator[Watch]:
        watch = Watch(self.state, self.log, self.artifacts, self.hints)
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()

    def quiet(self) -> None:
        """Wait until everything that happened so far has been told: hints come in order."""
        self.sentinel.touch()
        self.hints.wait_for(self.sentinel)
        self.hints.clear()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_log_artifacts_and_markers_hint(place: Place) -> None:
    place.logs.mkdir()
    place.artifacts.mkdir()
    with place.watched() as watch:
        assert watch.degraded is None

        place.log.write_bytes(b"x")
        place.hints.wait_for(place.log)
        (place.artifacts / "a.xml").write_bytes(b"x")
        place.hints.wait_for(place.artifacts / "a.xml")
        temporary = place.state / ".cancel.tmp"
        temporary.write_bytes(b"x")
        temporary.rename(place.state / "cancel.json")
        place.hints.wait_for(place.state / "cancel.json")


def test_our_own_files_and_readers_do_not_wake_us(place: Place) -> None:
    place.artifacts.mkdir()
    (place.artifacts / "a.xml").write_bytes(b"x")
    with place.watched():
        place.quiet()
        (place.state / "journal.jsonl").write_bytes(b"x")
        (place.state / "state.json").write_bytes(b"x")
        for path in (place.artifacts / "a.xml", place.state / "state.json"):
            path.read_bytes()
        os.listdir(place.artifacts)
        (place.workdir / "unrelated").write_bytes(b"x")
        (place.state / "stop.json").touch()
        place.hints.wait_for(place.state / "stop.json")

        assert set(place.hints.paths) - {place.sentinel} == {place.state / "stop.json"}


def test_folders_that_come_late_are_watched(place: Place) -> None:
    with place.watched():
        place.hints.wait_for(None)
        place.hints.clear()
        nested = place.artifacts / "hosts"
        nested.mkdir(parents=True)
        (nested / "early.xml").write_bytes(b"x")
        place.hints.wait_for(None, nested / "early.xml")
        place.logs.mkdir()

        # What is written before the watch stands is found by the look at everything that follows it.
        place.hints.wait_until(lambda: has_been_told(place, place.log))
        place.hints.wait_until(lambda: has_been_told(place, nested / "late.xml"))


def has_been_told(place: Place, path: Path) -> bool:
    """Write once more; whether any such write was told by now."""
    path.write_bytes(b"x")
    time.sleep(0.02)
    return path in place.hints.paths


@pytest.mark.parametrize("how", ["removed", "moved away"])
def test_an_artifact_folder_that_is_exchanged_is_watched_again(place: Place, how: str) -> None:
    place.artifacts.mkdir()
    with place.watched():
        place.quiet()
        if how == "removed":
            shutil.rmtree(place.artifacts)
        else:
            place.artifacts.rename(place.workdir / "old")
        place.artifacts.mkdir()
        place.hints.wait_until(lambda: has_been_told(place, place.artifacts / "late.xml"))


def test_a_linked_artifact_folder_hints_with_the_paths_that_were_asked_for(
    place: Place, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    place.artifacts.symlink_to(real)
    with place.watched():
        (real / "a.xml").write_bytes(b"x")
        place.hints.wait_for(place.artifacts / "a.xml")


def test_where_the_kernel_refuses_polling_takes_over_and_says_so(place: Place) -> None:
    place.artifacts.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # No descriptor is left for inotify while the watch starts; a limit of watches or instances refuses in the same way.
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    watch = Watch(place.state, place.log, place.artifacts, place.hints)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        watch.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        assert watch.degraded is not None
        assert "kernel" in watch.degraded

        watch.changed(place.artifacts, folder=True)
        place.hints.wait_until(lambda: has_been_told(place, place.artifacts / "late.xml"))
    finally:
        watch.stop()


def test_lost_events_become_a_look_at_everything(place: Place) -> None:
    """watchdog says only in its log that the kernel's queue overflowed."""
    with place.watched():
        place.quiet()
        logging.getLogger("watchdog.observers.inotify_c").warning(
            "Inotify queue overflowed; events were lost"
        )
        place.hints.wait_for(None)


def test_a_hint_that_raises_does_not_end_the_watching(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.artifacts.mkdir()
    told: list[Path | None] = []

    def hint(path: Path | None) -> None:
        told.append(path)
        raise RuntimeError

    watch = Watch(place.state, place.log, place.artifacts, hint)
    watch.start()
    try:
        for name in ("a.xml", "b.xml"):
            (place.artifacts / name).write_bytes(b"x")
            place.hints.wait_until(lambda name=name: place.artifacts / name in told)  # type: ignore[misc]
    finally:
        watch.stop()


def test_no_hint_comes_after_the_stop(place: Place) -> None:
    place.artifacts.mkdir()
    with place.watched():
        pass
    place.hints.clear()
    (place.artifacts / "a.xml").write_bytes(b"x")
    threads = [thread.name for thread in threading.enumerate() if thread.name == "watch"]

    assert threads == []
    assert place.hints.paths == []


# --- limits, losses and file systems, for real ---

CHILD = """
import sys
from pathlib import Path
from atvm_pipeline.core.recognise.dialect import Dialect
from atvm_pipeline.shell import artifacts as artifacts_source, watch as watching
from atvm_pipeline.shell.artifacts import Artifacts
from atvm_pipeline.shell.watch import Watch
from tests.controller import PROJECT
root = Path(sys.argv[1])
watch = Watch(root / "state" / "build", root / "logs" / "runner.log", root / "work" / "cmcReporter",
              lambda path: print(path, flush=True))
watch.start()
print("degraded:", watch.degraded, flush=True)
sys.stdin.readline()
print("degraded:", watch.degraded, flush=True)
watch.stop()
"""


class Child:
    """A watch in a process of its own, what it is told line by line; `limits` hold in a user namespace of its own."""

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
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"not so: {self.lines[-20:]}"
            time.sleep(0.01)

    def told(self, word: str) -> bool:
        return any(word in text for text in self.lines)

    def end(self) -> None:
        self.process.communicate("\n", timeout=DEADLINE_S)


def can_limit() -> bool:
    """Whether a user namespace of our own is to be had, in which a limit of inotify may be set."""
    script = "echo 100 > /proc/sys/user/max_inotify_watches"
    done = subprocess.run(["unshare", "-U", "-r", "sh", "-c", script], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not can_limit(), reason="no user namespace may be made here")
def test_at_the_limit_of_watches_a_sub_folder_that_was_left_out_is_polled(place: Place) -> None:
    """watchdog watches what it can and says nothing of the rest: a report there would be seen half a minute late."""
    place.logs.mkdir()
    inner = [place.artifacts / f"host{number}" for number in range(5)]
    for folder in inner:
        folder.mkdir(parents=True)
    child = Child(place, max_inotify_watches=6)
    try:
        child.wait_until(lambda: child.told("degraded: the kernel cannot watch: not every folder"))
        for folder in inner:
            child.wait_until(lambda path=folder / "late.xml": written_and_told(child, path))  # type: ignore[misc]
    finally:
        child.end()


@pytest.mark.skipif(not can_limit(), reason="no user namespace may be made here")
def test_a_sub_folder_that_comes_when_the_limit_is_reached_is_polled(place: Place) -> None:
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

    assert child.told("degraded: the kernel cannot watch: not every folder")


def written_and_told(child: Child, path: Path) -> bool:
    """Write once more; whether any such write was told by now."""
    path.write_bytes(b"x")
    time.sleep(0.02)
    return str(path) in child.lines


@pytest.mark.skipif(not can_limit(), reason="no user namespace may be made here")
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


def test_a_queue_that_overflows_for_real_becomes_a_look_at_everything(place: Place) -> None:
    """The watching process is stopped while more happens than the kernel keeps."""
    place.logs.mkdir()
    place.artifacts.mkdir()
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    child = Child(place)
    try:
        child.wait_until(lambda: child.told("degraded: None"))
        child.wait_until(lambda: written_and_told(child, place.artifacts / "first.xml"))
        child.process.send_signal(signal.SIGSTOP)
        first, second = place.artifacts / "a.xml", place.artifacts / "b.xml"
        for _ in range(kept // 4 + 100):
            # Two files in turn, each opened, written and closed: events alike are put together by the kernel.
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


def test_a_file_system_that_tells_nothing_is_polled(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such file system can be mounted here: this one is declared to be one, and inotify may not be asked at all."""
    place.logs.mkdir()
    place.artifacts.mkdir()
    kind = watching._file_system(str(place.artifacts))
    monkeypatch.setattr(watching, "REMOTE", (kind,))
    with place.watched() as watch:
        assert watch.degraded is not None
        assert kind in watch.degraded
        assert watch._native is not None
        assert not watch._native.emitters

        for path in (place.artifacts / "late.xml", place.log):
            place.hints.wait_until(lambda path=path: has_been_told(place, path))  # type: ignore[misc]


def test_folders_that_are_made_and_filled_at_once_are_found_by_their_hints(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at everything that comes by itself is put off: the hints alone must lead to every file."""
    monkeypatch.setattr(artifacts_source, "FULL_EVERY_S", 1e9)
    place.logs.mkdir()
    place.artifacts.mkdir()
    found = Artifacts(place.artifacts, place.workdir, Dialect(), baseline={})
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
