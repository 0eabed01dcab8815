"""Shared helpers for the tests of the hints: the paths of a run, and a recorder of incoming hints."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from atvm_pipeline.shell.sources.fs_events import FileWatcher
from tests.support.waiting import wait_for


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

    def wait_until(self, condition: Callable[[], object]) -> None:
        wait_for(condition, "a hint")


class Place:
    """Return the paths of a run."""

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
    def watched(self) -> Iterator[FileWatcher]:
        watch = FileWatcher(self.state, self.log, self.artifacts, self.hints)
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()

    def quiet(self) -> None:
        """Wait until everything that happened so far has been reported. Hints arrive in order."""
        self.sentinel.touch()
        self.hints.wait_for(self.sentinel)
        self.hints.clear()


def has_been_told(place: Place, path: Path) -> bool:
    """Write again; return whether any such write has been reported by now."""
    path.write_bytes(b"x")
    time.sleep(0.02)
    return path in place.hints.paths
