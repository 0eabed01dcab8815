"""Everything outside of the watcher that a run consists of: runner, Cypress, log, reports, records, people.

It writes with the real calls of `os`: the runner's actions are not under test, and no crash of the watcher
affects them.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import Settings
from atvm_pipeline.shell.sources.report_files import list_artifacts
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    ExitRecord,
    MarkerRecord,
    Paths,
    Record,
    Request,
    RunnerRecord,
)
from tests.support import cypress_output as prints

from .disk import REAL
from .table import Table
from .world import BEGIN, World

RUN_ID = "r-1"
OTHER_RUN = "r-0"
WRAPPER, COMMAND, FIRST_CHILD = 100, 101, 110


class Outside:
    """Performs the actions of everything outside of the watcher."""

    def __init__(
        self,
        world: World,
        folder: Path,
        build: str,
        hint: Callable[[Path | None], None],
        *,
        run_id: str = RUN_ID,
        paths: Paths | None = None,
    ) -> None:
        self.world = world
        self.build = build
        self.run_id = run_id
        self.paths = paths or Paths(folder / "state", build)
        self.workdir = folder / f"work-of-{run_id}"
        self.log_path = self.workdir / "runner.log"
        self.reports = self.workdir / "cmcReporter"
        self.table = Table(world, lambda tell: tell())
        self.hint = hint
        self._lock: int | None = None
        self._reports_late_s = 0.0
        self._cypress = FIRST_CHILD
        self.on_end: Callable[[], None] = lambda: None
        self.logged = 0
        self.exited = False
        self.cancelled = False
        self.rebooted = False
        # With `paths`, the start under test makes the directories of the run.
        made = (self.paths.folder, self.paths.state_root / ".locks") if paths is None else ()
        for path in (*made, self.reports):
            path.mkdir(parents=True, mode=0o700)

    # --- files ---

    def write(self, path: Path, data: bytes, *, append: bool = False) -> None:
        """Write as other programs do; the file's time is the simulated one."""
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
        descriptor = REAL["open"](path, flags, 0o600)
        REAL["write"](descriptor, data)
        REAL["close"](descriptor)
        stamp = (self.world.wall - BEGIN) // timedelta(microseconds=1) * 1000 + int(BEGIN.timestamp()) * 10**9
        os.utime(path, ns=(stamp, stamp))
        self.world.tell(f"{path.name}: {len(data)} bytes")
        self.hint(path)

    def record(self, path: Path, kind: type[Record], run_id: str | None = None, **fields: Any) -> None:
        record = kind(build_name=self.build, run_id=run_id or self.run_id, **fields)
        temporary = path.with_name(f"outside-{path.name}")
        self.write(temporary, msgspec.json.encode(record))
        REAL["replace"](temporary, path)
        self.hint(path)

    def request(self, *, categorized: bool, settings: Settings, alerts: bool) -> None:
        self.record(self.paths.baseline, BaselineRecord, files=list_artifacts(self.reports, Dialect()))
        fields = self.request_fields(categorized=categorized, settings=settings, alerts=alerts)
        self.record(self.paths.request, Request, **fields)

    def request_fields(self, *, categorized: bool, settings: Settings, alerts: bool) -> dict[str, Any]:
        """Return the fields of the request of a run."""
        return {
            "requested_at": self.world.wall,
            "categorized": categorized,
            "settings": settings,
            "alert_channel": "alerts" if alerts else None,
            "runner_command": "played",
            "workdir": str(self.workdir),
            "log_path": str(self.log_path),
            "artifacts_dir": str(self.reports),
            "boot_id": self.world.boot_id(),
        }

    # --- the runner ---

    def start_runner(self) -> None:
        path = self.paths.runner_lock
        self._lock = REAL["open"](path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        wrapper = self.table.start(WRAPPER, 1, "python3", "-m", "atvm_pipeline", "runner", self.build)
        self.table.start(COMMAND, WRAPPER, "python3", "run-sorry-cypress.py", "--build_name", self.build)
        self.record(
            self.paths.runner,
            RunnerRecord,
            pid=WRAPPER,
            create_time=wrapper.create_time,
            command_pid=COMMAND,
            started_at=self.world.wall,
            boot_id=self.world.boot_id(),
        )

    def start_cypress(self) -> None:
        self._cypress += 2
        self.table.start(self._cypress, COMMAND, "Cypress", "run")
        self.table.start(self._cypress + 1, self._cypress, "electron", "--type=renderer")

    def end_cypress(self) -> None:
        self.table.end(self._cypress + 1, self._cypress)

    def lose_browser(self) -> None:
        self.table.end(self._cypress + 1)

    def log(self, lines: Sequence[str]) -> None:
        self.logged += 1
        self.write(self.log_path, prints.encoded(lines), append=True)

    def release(self) -> None:
        """Release the wrapper's lock, which ends with the wrapper."""
        if self._lock is not None:
            REAL["close"](self._lock)
            self._lock = None

    def close(self) -> None:
        """Close everything that the outside has open: the lock of a runner that outlives the history."""
        self.release()

    def exit(self, code: int | None = 0, **more: Any) -> None:
        """End the runner command; the wrapper writes its record and ends too."""
        self.end_cypress()
        self.record(self.paths.runner_exit, ExitRecord, exit_code=code, finished_at=self.world.wall, **more)
        self.exited = True
        self.table.end(COMMAND, WRAPPER)
        self.release()
        self.on_end()

    def kill(self) -> None:
        """Kill the complete tree, so that no record is left."""
        self.release()
        self.table.end(self._cypress + 1, self._cypress, COMMAND, WRAPPER)
        self.on_end()

    def reuse_pids(self) -> None:
        """Reuse the pids of the run's dead processes for other programs."""
        for pid, name in ((WRAPPER, "sshd"), (self._cypress, "Cypress"), (self._cypress + 1, "chrome")):
            if pid not in self.table.rows:
                self.table.start(pid, 1, name)
        self.world.tell("other programs have the run's pids")

    def reboot(self) -> None:
        """Take the host down, with everything that runs on it."""
        self.rebooted = self.rebooted or not self.exited
        self.release()
        self.table.reboot()
        self.world.reboot()

    # --- people, and other runs ---

    def marker(self, path: Path, run_id: str | None = None, **more: Any) -> None:
        self.record(
            path, MarkerRecord, run_id, who="alice", why="asked", requested_at=self.world.wall, **more
        )

    def cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self.marker(self.paths.cancel)

    def stop_runner(self) -> None:
        self.marker(self.paths.stop)
        self.exit(None, signal="SIGTERM")

    def foreign(self) -> None:
        """Leave records of an earlier run of this build."""
        self.marker(self.paths.cancel, OTHER_RUN)
        self.marker(self.paths.stop, OTHER_RUN)
        self.record(self.paths.runner_exit, ExitRecord, OTHER_RUN, exit_code=1, finished_at=self.world.wall)

    # --- reports ---

    def report(self, host: str, data: bytes, how: str) -> None:
        """Write a report complete, late, torn for a while, or twice; `how` is a key of `stories.REPORTS`."""
        path = self.reports / f"{host}.xml"
        with suppress(FileNotFoundError):
            REAL["unlink"](path)
        if how == "late":
            self.world.after(0.3, lambda: self.write(path, data))
        elif how == "torn":
            self.write(path, data[: len(data) // 2])
            self.world.after(0.2, lambda: self.write(path, data[len(data) // 2 :], append=True))
        elif how == "replaced":
            self.write(path, b"<testsuites/>")
            self.world.after(0.1, lambda: self.write(path, data))
        else:
            self.write(path, data)
