"""The host of one run of the campaign, and the aim at its watcher: the moment in which it is killed."""

import contextlib
import threading
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler

from atvm_pipeline.shell.state_dir.records import Paths
from tests.campaign.plan import Moment, Plan
from tests.campaign.receiver import Receiver
from tests.campaign.watching import Watcher, processes_of
from tests.support.controller import Controller


class Host(Controller):
    """A controller with the campaign's receiver."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__(
            folder, scenario=plan.scenario, speed=plan.speed, ATVM_RUNNER_LOG=str(folder / "runner.log")
        )
        self.webhook._server.server_close()
        self.webhook = self.receiver = Receiver()
        self.receiver.script_by_name(plan.behaviours)
        self.environ["MATTERMOST_ATVM_WEBHOOK"] = self.receiver.url
        self.environ["ATVM_RUNNER_ORPHAN_LIMIT_S"] = "60"

    def __exit__(self, *exception: object) -> None:
        """End all processes that are left, and only those of this host."""
        self.receiver.up()
        for process in processes_of(self):
            with contextlib.suppress(Exception):
                process.kill()
        self.receiver.__exit__(*exception)


class Aim(FileSystemEventHandler):
    """Waits for a moment and kills the watcher in it."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._armed: tuple[Watcher, Moment] | None = None
        self._left = 0
        self._lock = threading.Lock()
        self.struck = threading.Event()
        self.hit = False

    def arm(self, watcher: Watcher, moment: Moment) -> None:
        with self._lock:
            self._armed, self._left = (watcher, moment), moment.count
            self.hit = False
            self.struck.clear()

    def disarm(self) -> None:
        with self._lock:
            self._armed = None

    def dispatch(self, event: FileSystemEvent) -> None:
        """Note an event in the build's directory."""
        if event.event_type in ("opened", "closed_no_write"):
            return  # a reader's event
        path = event.dest_path or event.src_path
        self._meet("file", str(path).removeprefix(f"{self.paths.folder}/"))

    def on_stage(self, stage: str) -> None:
        """Note that a request at the receiver has come this far."""
        self._meet("stage", stage)

    def _meet(self, kind: str, what: str) -> None:
        with self._lock:
            if self._armed is None or self._armed[1].kind != kind or self.struck.is_set():
                return
            watcher, moment = self._armed
            name = what.replace("/.", "/").removeprefix(".")
            if name.startswith(moment.what):
                self._left -= 1
                if self._left == 0:
                    self.hit = watcher.kill()
                    self.struck.set()
