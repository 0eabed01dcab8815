"""Runs that real `atvm-pipeline watch` processes watch: on disk, with a living runner, nothing made up."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import Settings
from atvm_pipeline.shell.processes.process_table import identity
from atvm_pipeline.shell.sources.report_files import list_artifacts
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    Paths,
    Request,
    RunnerRecord,
    WatcherRecord,
    read_record,
    write_record,
)
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import make_folder
from tests.support.project import PROJECT
from tests.support.waiting import wait_for

TREE = Path(__file__).with_name("quiet-tree.bash")
TREE_SIZE = 11
"""Processes of the quiet tree."""
RUN_ID = "be0c4be0c4be0c4b"


class Watched:
    """One run below `root`: its directory, its runner's tree, its watcher."""

    def __init__(
        self, root: Path, build: str, webhook: str, settings: Settings, artifacts: Path | None = None
    ) -> None:
        """Create the run without starting anything.

        The content of `artifacts` (default: a directory of its own) was there before the run.
        """
        self.workdir = root / "work" / build
        self.artifacts = artifacts if artifacts is not None else self.workdir / "cmcReporter"
        self.workdir.mkdir(parents=True)
        self.artifacts.mkdir(exist_ok=True)
        self.paths = Paths(root / "state", build)
        make_folder(self.paths.folder)
        self.log = self.paths.runner_log
        self._fifo = self.workdir / "hold"
        os.mkfifo(self._fifo)
        self._hold: int | None = None
        self._environ = {
            "PATH": os.environ["PATH"],
            "ATVM_WATCHER_ENV_FILE": os.devnull,
            "MATTERMOST_ATVM_WEBHOOK": webhook,
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        request = Request(
            build_name=build,
            run_id=RUN_ID,
            requested_at=datetime.now(UTC),
            categorized=True,
            settings=settings,
            runner_command=f"exec bash {TREE} {self.workdir}",
            workdir=str(self.workdir),
            log_path=str(self.log),
            artifacts_dir=str(self.artifacts),
            environment={"PATH": os.environ["PATH"]},
            boot_id=clock.boot_id(),
        )
        write_record(self.paths.request, request)
        lying = list_artifacts(self.artifacts, Dialect())
        write_record(self.paths.baseline, BaselineRecord(build_name=build, run_id=RUN_ID, files=lying))

    def start_tree(self) -> None:
        """Start the runner's tree without our wrapper: a watcher follows the tree."""
        self._start(["bash", os.fspath(TREE), os.fspath(self.workdir)])
        self._let_hold()
        root = identity(self._processes[-1].pid)
        assert root is not None
        write_record(
            self.paths.runner,
            RunnerRecord(
                build_name=self.paths.build_name,
                run_id=RUN_ID,
                pid=root.pid,
                create_time=root.create_time,
                started_at=datetime.now(UTC),
                boot_id=clock.boot_id(),
            ),
        )

    def start_runner(self) -> None:
        """Start the tree below our own wrapper, which will record how it ended."""
        self._pipeline("runner")
        self._let_hold()

    def start_watcher(self) -> None:
        """Start `atvm-pipeline watch`; it may not be ready yet."""
        self._pipeline("watch")

    def wait_until_watched(self) -> int:
        """Return the watcher's pid, once its first complete scan is done and it knows the complete tree."""

        def ready() -> bool:
            record = read_record(self.paths.watcher, WatcherRecord)
            return record is not None and record.ready_at is not None

        wait_for(ready, "a watcher that is ready")
        record = read_record(self.paths.watcher, WatcherRecord)
        assert record is not None
        return record.pid

    def state(self) -> dict[str, Any]:
        """Return the content of `state.json`."""
        state: dict[str, Any] = json.loads(self.paths.state.read_bytes())
        return state

    def wait_until_known(self, processes: int) -> None:
        """Wait until the watcher knows exactly this many processes of the runner's tree."""

        def known() -> bool:
            return len(self.state()["facts"].get("processes", ())) == processes

        wait_for(known, f"a watcher that knows {processes} processes")

    def wait_until_childless(self) -> None:
        """Wait until the watcher has seen that no process of Cypress and no browser is left."""

        def childless() -> bool:
            processes = self.state()["facts"].get("processes", ())
            return not any(process["role"] in ("cypress", "browser") for process in processes)

        wait_for(childless, "a watcher that knows of no child")

    def end_runner(self) -> None:
        """Let the runner's command end with 0; the processes that it left asleep must be ended before."""
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    def end_children(self) -> None:
        """End all processes that sleep below the runner's command."""
        for started in self._processes:
            for process in psutil.Process(started.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if os.fspath(TREE) not in process.cmdline():
                        process.kill()

    def stop(self) -> None:
        """End every living process of it."""
        # Search below a root before that root ends: an orphan has no parent by which it could be found.
        living = [
            process
            for started in self._processes
            if started.poll() is None
            for process in psutil.Process(started.pid).children(recursive=True)
        ]
        self.end_runner()
        for process in living:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()

    def _pipeline(self, word: str) -> None:
        root = str(self.paths.state_root)
        self._start(
            [sys.executable, "-P", "-m", "atvm_pipeline", word, self.paths.build_name, "--state-root", root]
        )

    def _start(self, command: list[str]) -> None:
        said = self.workdir / "said"
        with said.open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    command,
                    cwd=PROJECT,
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )

    def _let_hold(self) -> None:
        """Hold the tree's other end; wait until the tree is there to hold."""
        self._hold = os.open(self._fifo, os.O_WRONLY | os.O_CLOEXEC)


@contextmanager
def watched(
    root: Path, build: str, webhook: str, *, settings: Settings | None = None, artifacts: Path | None = None
) -> Iterator[Watched]:
    """Yield a run whose processes are gone at the end."""
    run = Watched(root, build, webhook, settings or Settings(), artifacts)
    try:
        yield run
    finally:
        run.stop()
