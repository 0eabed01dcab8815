"""A controller host in a temporary directory: a copy of the stand-in automation root, state root, receiver.

It runs the Bash wrappers as an operator would. The end-to-end tests and `tests/support/record_runs.py` use
it.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system.files import is_locked
from tests.support.calls import completed
from tests.support.mattermost_server import MattermostModel
from tests.support.project import BUILD, PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

BIN = PROJECT / "bin"
ROOT = PROJECT / "fixtures" / "automation-root"
CONFIG = "cypress.atvm-config-gold.ts"
TEMPLATE = f"python3 ./cmc-templates.py --template_name cmc-e2e --config_file {CONFIG}"
RUNNER = f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name {BUILD}"


class Controller:
    """`with Controller(tmp_path) as host:` ends every remaining process of the host when the block ends."""

    def __init__(
        self, folder: Path, *, scenario: str = "all-green", speed: float = 50, **settings: str
    ) -> None:
        self.folder = folder
        self.workdir = folder / "automation-root"
        self.state_root = folder / "state"
        self.gate = folder / "gate"
        shutil.copytree(ROOT, self.workdir, ignore=shutil.ignore_patterns("__pycache__", "cmcReporter"))
        self.webhook = MattermostModel()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ATVM_", "MATTERMOST_"))
        }
        self.environ: dict[str, str] = {
            **kept,
            "ATVM_WATCHER_ENV_FILE": os.devnull,
            "MATTERMOST_ATVM_WEBHOOK": self.webhook.url,
            "MATTERMOST_ATVM_CHANNEL": "atvm-results",
            "ATVM_WATCHER_STATE_ROOT": str(self.state_root),
            "ATVM_WATCHER_LAUNCH_LOG_DIR": str(folder),
            "ATVM_WATCHER_SETTLE_S": "0.5",
            "ATVM_STAND_IN_SCENARIO": scenario,
            "ATVM_STAND_IN_SPEED": str(speed),
            "ATVM_STAND_IN_GATE": str(self.gate),
            "ATVM_RUNNER_PASS": "ATVM_STAND_IN_SCENARIO ATVM_STAND_IN_SPEED ATVM_STAND_IN_GATE",
            **settings,
        }

    def __enter__(self) -> Self:
        self.webhook.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        for build in self.builds():
            self.end(build)
        self.end_senders()
        self.webhook.__exit__(*exception)

    def end(self, build: str) -> None:
        """End the processes of a build. Most runs have ended, and a command that finds nothing takes time too."""
        paths = Paths(self.state_root, build)
        if is_locked(paths.runner_lock) or not paths.runner_exit.is_file():
            self.call("cancel-atvm-runner.sh", "--build-name", build)
        if is_locked(paths.watcher_lock):
            self.call("cancel-atvm-run-watcher.sh", "--build-name", build)
            self.end_watcher(build)

    def end_watcher(self, build: str) -> None:
        """Kill the watcher: after a cancel it stays to deliver messages, for days if the receiver takes none."""
        paths = Paths(self.state_root, build)
        if is_locked(paths.watcher_lock):
            os.kill(self.record("watcher.json", build)["pid"], signal.SIGKILL)
            wait_for(lambda: not is_locked(paths.watcher_lock), "the watcher's end")

    def end_senders(self) -> None:
        """Kill the senders of archived runs."""
        for lock in self.state_root.glob(".archive/*/*/watcher.lock"):
            if is_locked(lock):
                os.kill(json.loads(lock.with_name("watcher.json").read_text())["pid"], signal.SIGKILL)
                wait_for(lambda lock=lock: not is_locked(lock), "the sender's end")

    def archived(self, build: str = BUILD) -> list[Path]:
        """Return the directories of the archived runs, the oldest first."""
        return sorted((self.state_root / ".archive" / build).iterdir())

    def hold(self, *hosts: str) -> None:
        """Make the run wait before the spec of each host, on any machine, until `let_go` is called."""
        self.gate.mkdir(exist_ok=True)
        for host in hosts:
            (self.gate / host).touch()

    def let_go(self, *hosts: str) -> None:
        """Let the specs of these hosts run."""
        for host in hosts:
            (self.gate / host).unlink()

    def lay_old_reports(self) -> None:
        """Write reports dated yesterday, before anything lists the directory."""
        subprocess.run(["python3", "stand-in/prepare.py"], cwd=self.workdir, env=self.environ, check=True)

    def builds(self) -> list[str]:
        folders = self.state_root.iterdir() if self.state_root.is_dir() else ()
        return [folder.name for folder in folders if not folder.name.startswith(".")]

    def call(
        self, program: str, *args: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a wrapper, or `atvm-pipeline`, until it exits."""
        environ = {**self.environ, **(environ or {})}
        return completed([BIN / program, *args], cwd=cwd or self.workdir, env=environ)

    def start(
        self,
        *more: str,
        build: str = BUILD,
        runner: str | None = None,
        template: str | None = TEMPLATE,
        categorize: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Start the seed's one-shot example, or a variation of it."""
        command = runner if runner is not None else RUNNER + (" --categorize" if categorize else "")
        texts = {
            "--template": "cmc-e2e",
            "--config-family": "gold",
            "--config-file": CONFIG,
            "--migration-style": "ATVM end-to-end migration validation",
            "--integration-plugin": "pure with fc",
            "--supervisor": "local",
        }
        args = ["--build-name", build, "--runner-command", command]
        args += [word for name, text in texts.items() if name not in more for word in (name, text)]
        args += ["--template-command", template] if template is not None else []
        args += ["--categorize"] if categorize else []
        return self.call("start-atvm-run.sh", *args, *more, environ=environ)

    def run(self, *more: str, build: str = BUILD, **options: Any) -> dict[str, Any]:
        """Start a run, wait for its end, and return its state."""
        started = self.start(*more, build=build, **options)
        assert started.returncode == 0, started.stderr
        self.wait(build)
        return self.state(build)

    def wait(self, build: str = BUILD) -> int:
        waited = self.call("atvm-pipeline", "wait", build, "--timeout", f"{DEADLINE_S:.0f}")
        assert waited.returncode in (0, 1), waited.stderr
        return waited.returncode

    def state(self, build: str = BUILD) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.state_root / build / "state.json").read_text())
        return state

    def record(self, name: str, build: str = BUILD) -> dict[str, Any]:
        """Return one of the records in the directory of a build."""
        found: dict[str, Any] = json.loads((self.state_root / build / name).read_text())
        return found

    def texts(self) -> list[str]:
        """Return the text of every message that a reader saw."""
        return [str(post.payload["text"]) for post in self.webhook.posts]
