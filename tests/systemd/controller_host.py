"""A controller on a booted host: the installed package, the stand-in automation root, a receiver, the wrappers."""

import importlib
import json
import os
import shutil
import sys
import venv
from pathlib import Path
from typing import Any

from tests.support.controller import CONFIG, ROOT, RUNNER, TEMPLATE
from tests.support.project import BUILD, PROJECT
from tests.support.waiting import wait_for
from tests.systemd.host import Host

PACKAGE = "/opt/atvm-watcher-service"
AUTOMATION = "/root/cdc-e2e-cyp-12.17.4"
STATE = "/var/lib/atvm-run-watcher"
POSTS = "/srv/posts.jsonl"
GATE = "/srv/gate"
PORT = 8065
SECRET = "d34dsecretd34dsecretd34dse"
ENV_FILE = f"""\
MATTERMOST_ATVM_WEBHOOK=http://127.0.0.1:{PORT}/hooks/{SECRET}
MATTERMOST_ATVM_CHANNEL=atvm-results
ATVM_WATCHER_ALERT_CHANNEL=atvm-alerts
ATVM_WATCHER_SETTLE_S=0.5
"""
WATCHER = "atvm-run-watcher@{}.service"
RUNNER_UNIT = "atvm-runner@{}.service"
SWEEP = "atvm-run-sweep.service"


class ControllerHost(Host):
    """A host with the package installed; with `bare`, without it, so that the installer can be tested."""

    def __init__(self, folder: Path, *, bare: bool = False) -> None:
        super().__init__(folder)
        self._settle()
        if not bare:
            self._lay_package()

    def _settle(self) -> None:
        """Write the files that a controller has before anything is installed."""
        # A sandboxed service gets a fresh /proc, which shows the real kernel's boot, not this host's.
        drop_ins = self.disk / "etc/systemd/system/atvm-run-watcher@.service.d"
        drop_ins.mkdir()
        (drop_ins / "boot.conf").write_text("[Service]\nBindReadOnlyPaths=/proc/sys/kernel/random/boot_id\n")
        env_file = self.disk / "etc/atvm-run-watcher.env"
        env_file.write_text(ENV_FILE)
        env_file.chmod(0o600)
        root = self.disk / "root"
        root.mkdir(mode=0o700)
        skip = shutil.ignore_patterns("__pycache__", "cmcReporter")
        shutil.copytree(ROOT, root / Path(AUTOMATION).name, ignore=skip)
        (self.disk / "srv").mkdir()

    def _lay_package(self) -> None:
        """Create the installed files as the installer leaves them, without building anything."""
        release = self.disk / PACKAGE.lstrip("/") / "releases" / "tested"
        # With the compiled modules: a sandboxed service cannot write them, and would compile all of them at each start.
        for name in ("atvm_pipeline", "bin", "units", "docs"):
            shutil.copytree(PROJECT / name, release / name)
        _environment_of(release)
        (release.parents[1] / "current").symlink_to("releases/tested")
        (release.parents[1] / "bin").symlink_to("current/bin")
        units = self.disk / "etc/systemd/system"
        for unit in (PROJECT / "units").iterdir():
            shutil.copy(unit, units)
        (units / "multi-user.target.wants").mkdir()
        (units / "multi-user.target.wants" / SWEEP).symlink_to(f"../{SWEEP}")

    # --- the receiver ---

    def receive(self) -> None:
        """Start the receiver."""
        script = Path(__file__).with_name("receiver.py")
        self.run("systemd-run", "--quiet", "--unit=receiver", "--", python(), str(script), str(PORT), POSTS)
        wait_for(
            lambda: self.run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}", check=False).returncode == 0,
            "the receiver listens",
        )

    def stop_receiving(self) -> None:
        """Stop the receiver: every connection is refused."""
        self.run("systemctl", "stop", "receiver.service", check=False)

    def posts(self, channel: str = "atvm-results", build: str = "") -> list[str]:
        """Return the texts that a channel received, in order; with `build`, only those that name it."""
        answer = self.run("cat", POSTS, check=False).stdout
        bodies = [json.loads(line)["body"] for line in answer.splitlines()]
        texts = [str(body["text"]) for body in bodies if body.get("channel") == channel]
        return [text for text in texts if build in text]

    # --- a run ---

    def hold(self, *hosts: str) -> None:
        """Block each run of the stand-in before the spec of each host, until `let_go`."""
        self.run("mkdir", "-p", GATE)
        self.run("touch", *(f"{GATE}/{host}" for host in hosts))

    def let_go(self, *hosts: str) -> None:
        """Let the specs of these hosts run, and the runner commands that `held` created with these names."""
        self.run("rm", *(f"{GATE}/{host}" for host in hosts))

    def held(self, name: str, then: str) -> str:
        """Return a runner command that waits until `let_go(name)` before it runs `then`."""
        self.hold(name)
        return f"while test -e {GATE}/{name}; do sleep 0.1; done; {then}"

    def start(
        self,
        build: str = BUILD,
        *more: str,
        runner: str | None = None,
        template: str | None = None,
        check: bool = True,
        **environ: str,
    ) -> Any:
        """Start a run of the stand-in on systemd; by default one group after another, all green."""
        command = (
            runner
            or f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name {build} --categorize"
        )
        args = ["--build-name", build, "--runner-command", command, "--supervisor", "auto", "--no-preflight"]
        args += ["--template-command", template] if template is not None else []
        return self.run(
            f"{PACKAGE}/bin/start-atvm-run.sh",
            *args,
            *more,
            cwd=AUTOMATION,
            environ={"ATVM_STAND_IN_SPEED": "50", "ATVM_STAND_IN_GATE": GATE, **environ},
            check=check,
        )

    def pipeline(self, *words: str, check: bool = False) -> Any:
        """Run `atvm-pipeline WORD...`."""
        return self.run(f"{PACKAGE}/bin/atvm-pipeline", *words, check=check)

    def state(self, build: str = BUILD) -> dict[str, Any]:
        """Return `state.json`; {} if it does not exist."""
        text = self.run("cat", f"{STATE}/{build}/state.json", check=False).stdout
        return json.loads(text) if text else {}

    def record(self, name: str, build: str = BUILD) -> dict[str, Any]:
        """Return one of the records in a build's directory; {} if it does not exist."""
        text = self.run("cat", f"{STATE}/{build}/{name}", check=False).stdout
        return json.loads(text) if text else {}

    def await_end(self, build: str = BUILD) -> dict[str, Any]:
        """Return the state once the run has ended and none of its units is active."""
        units = [WATCHER.format(build), RUNNER_UNIT.format(build)]

        def ended() -> bool:
            states = [self.unit(unit)["ActiveState"] for unit in units]
            return all(state in ("inactive", "failed") for state in states)

        wait_for(ended, f"{build} has ended")
        return self.state(build)

    def watcher_pid(self, build: str = BUILD) -> int:
        """Return the main process of the watcher's unit; 0 if there is no such process."""
        return int(self.unit(WATCHER.format(build))["MainPID"])


def one_shot(build: str = BUILD) -> dict[str, str]:
    """Return the commands of the one-shot example."""
    return {"template": TEMPLATE, "runner": f"{RUNNER} --categorize"} if build == BUILD else {}


DEPENDENCIES = ("bracex", "msgspec", "psutil", "urllib3", "watchdog", "wcmatch")


def _environment_of(release: Path) -> None:
    """Create a virtual environment of the release, with copies of the packages that run this test.

    They are copies because a sandboxed service with a private /tmp would not see a checkout below the real one.
    """
    venv.EnvBuilder(symlinks=True, with_pip=False).create(release / ".venv")
    (packages,) = (release / ".venv/lib").glob("python3*/site-packages")
    for name in DEPENDENCIES:
        (source,) = importlib.import_module(name).__path__
        shutil.copytree(source, packages / name)
    (packages / "tested.pth").write_text(PACKAGE + "/releases/tested\n")


def python() -> str:
    return os.path.realpath(sys.executable)
