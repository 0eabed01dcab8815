"""The file system hints, with a real file system."""

import logging
import os
import resource
import shutil
import threading
from pathlib import Path

import pytest

from atvm_pipeline.shell.sources.fs_events import FileWatcher
from tests.support.hint_recorder import Place, has_been_told


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


def test_directories_that_come_late_are_watched(place: Place) -> None:
    with place.watched():
        place.hints.wait_for(None)
        place.hints.clear()
        nested = place.artifacts / "hosts"
        nested.mkdir(parents=True)
        (nested / "early.xml").write_bytes(b"x")
        place.hints.wait_for(None, nested / "early.xml")
        place.logs.mkdir()

        # Files written before the watch is set up are found by the full scan that follows.
        place.hints.wait_until(lambda: has_been_told(place, place.log))
        place.hints.wait_until(lambda: has_been_told(place, nested / "late.xml"))


@pytest.mark.parametrize("how", ["removed", "moved away"])
def test_an_artifact_directory_that_is_exchanged_is_watched_again(place: Place, how: str) -> None:
    place.artifacts.mkdir()
    with place.watched():
        place.quiet()
        if how == "removed":
            shutil.rmtree(place.artifacts)
        else:
            place.artifacts.rename(place.workdir / "old")
        place.artifacts.mkdir()
        place.hints.wait_until(lambda: has_been_told(place, place.artifacts / "late.xml"))


def test_a_linked_artifact_directory_hints_with_the_paths_that_were_requested(
    place: Place, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    place.artifacts.symlink_to(real)
    with place.watched():
        (real / "a.xml").write_bytes(b"x")
        place.hints.wait_for(place.artifacts / "a.xml")


def test_where_the_kernel_refuses_polling_takes_over_and_reports_it(place: Place) -> None:
    place.artifacts.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # No descriptor is left for inotify while the watch starts. A limit of watches or instances fails in the same way.
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    watch = FileWatcher(place.state, place.log, place.artifacts, place.hints)
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


def test_lost_events_become_a_scan_of_everything(place: Place) -> None:
    """watchdog reports only in its log that the kernel's queue overflowed."""
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

    watch = FileWatcher(place.state, place.log, place.artifacts, hint)
    watch.start()
    try:
        for name in ("a.xml", "b.xml"):
            (place.artifacts / name).write_bytes(b"x")
            place.hints.wait_until(lambda name=name: place.artifacts / name in told)  # type: ignore[misc]
    finally:
        watch.stop()


def test_a_thread_of_watchdog_that_dies_is_reported_and_polling_takes_over(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise no hint would come any more, and nothing would report it."""
    place.artifacts.mkdir()
    with place.watched() as watch:
        assert watch.degraded is None
        with monkeypatch.context() as broken:
            broken.setattr(FileWatcher, "changed", 1)
            (place.artifacts / "a.xml").write_bytes(b"x")
            place.hints.wait_until(lambda: watch.degraded is not None)
        place.hints.wait_until(lambda: has_been_told(place, place.artifacts / "late.xml"))

    assert "ended with TypeError" in capsys.readouterr().err


def test_an_error_in_a_thread_of_this_program_is_printed_as_usual(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda how: said.append(how.thread.name))
    with place.watched() as watch:
        ours = threading.Thread(target=lambda: 1 / 0, name="ours")  # type: ignore[arg-type,return-value]
        ours.start()
        ours.join()

        assert watch.degraded is None
    assert said == ["ours"]


def test_no_hint_comes_after_the_stop(place: Place) -> None:
    place.artifacts.mkdir()
    with place.watched():
        pass
    place.hints.clear()
    (place.artifacts / "a.xml").write_bytes(b"x")
    threads = [thread.name for thread in threading.enumerate() if thread.name == "watch"]

    assert threads == []
    assert place.hints.paths == []
