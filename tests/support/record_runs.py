"""Records runs of the stand-in as replay fixtures: journal and log, with paths that name no machine.

Usage: python -m tests.support.record_runs [NAME ...]     then: pytest --rewrite tests/core/test_replay.py
"""

import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import REPLAY
from tests.support.controller import RUNNER, Controller
from tests.support.project import BUILD
from tests.support.waiting import wait_for

WORKDIR = "/srv/automation"
STATE_ROOT = "/srv/state"
STAND_IN = "The stand-in automation root"


class Recording(NamedTuple):
    """One fixture: the events of the run, and how to make them happen again."""

    about: str
    scenario: str = "all-green"
    categorize: bool = True
    speed: float = 50
    build: str = BUILD
    runner: str | None = None
    template: bool = True
    settings: tuple[tuple[str, str], ...] = ()
    cancel_after: int | None = None
    """Cancel after this many messages have arrived."""
    kill_wrapper: bool = False
    """SIGKILL the complete tree of the runner once the second group runs, so that no record is left."""
    only_watcher: bool = False

    @property
    def is_undisturbed(self) -> bool:
        """Return whether the scenario alone determines the run, without options, a cancel, a kill or another runner."""
        return self.template and self == Recording(self.about, self.scenario, self.categorize)


LIMITS = (("ATVM_WATCHER_QUIET_LIMIT_S", "3"), ("ATVM_WATCHER_STALL_LIMIT_S", "6"))
RECORDINGS: dict[str, Recording] = {
    "completed": Recording("Three groups, all green."),
    "completed-whole": Recording(
        "One process runs every host, all green; not categorized.", categorize=False
    ),
    "completed-orphan": Recording(
        "The runner exits while its last child keeps running for a while.", "child-outlives-parent"
    ),
    "completed-retries": Recording("Tests of two hosts pass in their second or third attempt.", "retries"),
    "completed-label-differs": Recording("A label that names a host which did not run.", "label-differs"),
    "completed-stale-reports": Recording(
        "Yesterday's failing reports still exist; one host writes none.", "stale-artifacts"
    ),
    "failed-demo": Recording("A retry that helped, a failing test, a label that names another host.", "demo"),
    "failed-demo-schema-2": Recording(
        "The same in schema 2, with a named scenario and hosts for links.",
        "demo",
        settings=(
            ("ATVM_WATCHER_SCENARIO", "demo/gold/fc"),
            ("ATVM_WATCHER_LINK_HOSTS", "sorry-cypress.example.test"),
        ),
    ),
    "failed-whole-schema-2": Recording(
        "A failing test, in schema 2; not categorized.", "failing-test", categorize=False
    ),
    "failed-whole": Recording("A failing test; not categorized.", "failing-test", categorize=False),
    "failed": Recording("A failing test.", "failing-test"),
    "failed-host-pending": Recording("One host's tests are all pending.", "host-pending"),
    "failed-host-pending-whole": Recording(
        "One host's tests are all pending; not categorized.", "host-pending", categorize=False
    ),
    "failed-canceled": Recording("The run is canceled on the recording server.", "cloud-canceled"),
    "failed-reused-build-id-whole": Recording(
        "A summary without a table, exit code 0; not categorized.", "reused-build-id", categorize=False
    ),
    "failed-runner-whole": Recording(
        "All green, then the runner fails; not categorized.",
        "runner-fails-after-last-group",
        categorize=False,
    ),
    "failed-hook": Recording("A failed hook skips the rest of its spec.", "failed-hook"),
    "failed-crash": Recording("The renderer crashes: no report, failing in the box.", "renderer-crash"),
    "failed-256": Recording("256 failing tests, so Cypress exits with 0.", "256-failures"),
    "failed-grouped-report": Recording(
        "Grouped reports end with only check-xml-files.ts.", "grouped-xml-only-check"
    ),
    "failed-no-specs": Recording("Cypress finds no spec files, three times.", "no-specs-found"),
    "failed-reused-build-id": Recording("A summary without a table, exit code 0.", "reused-build-id"),
    "failed-group-never-ran": Recording(
        "The third group is silently left out, exit code 0.", "group-never-runs"
    ),
    "failed-runner": Recording("All green, then the runner fails.", "runner-fails-after-last-group"),
    "failed-wrong-hosts": Recording(
        "A stale specPattern: other hosts' specs, all green.", "stale-spec-pattern"
    ),
    "failed-server-error": Recording("The recording server fails in the middle of a group.", "server-error"),
    "failed-plugin": Recording("Plugin code throws after the first spec of a group.", "spec-not-started"),
    "completed-cypress-cloud": Recording(
        "cypress-cloud calls Cypress once per spec.", "wrapper-cypress-cloud"
    ),
    "failed-wrapped-names": Recording(
        "Names so long that every part of the log wraps them.", "wrapped-names"
    ),
    "cancelled": Recording("Cancelled after the first group was reported.", speed=4, cancel_after=1),
    "cancelled-whole": Recording(
        "Cancelled at once; not categorized.", categorize=False, speed=4, cancel_after=0
    ),
    "terminated": Recording("The runner is killed in the middle of its second group.", "runner-killed"),
    "terminated-whole": Recording(
        "The runner is killed; not categorized.", "runner-killed", categorize=False
    ),
    "terminated-orphan": Recording("The runner is killed, its child finishes.", "runner-killed-child-lives"),
    "terminated-vanished": Recording(
        "Runner and wrapper are killed: no exit record.", speed=4, kill_wrapper=True
    ),
    "hung": Recording(
        "The browser is gone and Cypress waits for it.", "hang-with-cause", speed=1, settings=LIMITS
    ),
    "hung-whole": Recording(
        "Nothing moves, all processes live; not categorized.",
        "hang-without-cause",
        categorize=False,
        settings=LIMITS,
    ),
    "unknown": Recording(
        "A runner that prints nothing of Cypress; no host in the build name.",
        build="nightly",
        runner="echo nothing to do",
        template=False,
    ),
    "unknown-whole": Recording(
        "The same, not categorized.",
        build="nightly",
        runner="echo nothing to do",
        template=False,
        categorize=False,
    ),
    "unknown-never-started": Recording(
        "A watcher whose runner never comes.",
        settings=(("ATVM_WATCHER_START_LIMIT_S", "1"),),
        only_watcher=True,
    ),
}


def record(name: str, recording: Recording) -> None:
    """Run it and write the fixture's inputs."""
    folder = REPLAY / name
    with tempfile.TemporaryDirectory() as temporary:
        settings = {"ATVM_WATCHER_ALERT_CHANNEL": "atvm-alerts", **dict(recording.settings)}
        host = Controller(Path(temporary), scenario=recording.scenario, speed=recording.speed, **settings)
        with host:
            if recording.scenario == "stale-artifacts":
                host.lay_old_reports()
            start(host, recording)
            interfere(host, recording)
            host.wait(recording.build)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            state = host.state_root / recording.build
            (folder / "journal.jsonl").write_text(neutral((state / "journal.jsonl").read_text(), host))
            if (state / "runner.log").exists():
                (folder / "runner.log").write_bytes((state / "runner.log").read_bytes())
    (folder / "ABOUT").write_text(f"{recording.about} {STAND_IN}, scenario {recording.scenario}.\n")


def start(host: Controller, recording: Recording) -> None:
    if recording.only_watcher:
        args = [
            "--build-name",
            recording.build,
            "--runner-command",
            f"{RUNNER} --categorize",
            "--supervisor",
            "local",
        ]
        started = host.call("start-atvm-run-watcher.sh", *args, "--categorize")
    elif recording.template:
        started = host.start("--no-preflight", build=recording.build, categorize=recording.categorize)
    else:
        started = host.start(
            build=recording.build, categorize=recording.categorize, template=None, runner=recording.runner
        )
    if started.returncode:
        raise SystemExit(started.stderr)


def interfere(host: Controller, recording: Recording) -> None:
    if recording.cancel_after is not None:
        wait_for(lambda: len(host.webhook.posts) >= recording.cancel_after, "the message")
        wait_for(lambda: host.state(recording.build)["subruns"][-1]["specs"], "a spec")
        host.call("cancel-atvm-run-watcher.sh", "--build-name", recording.build, "--why", "wrong config")
    if recording.kill_wrapper:
        wait_for(
            lambda: len(host.state()["subruns"]) > 1 and host.state()["subruns"][1]["specs"],
            "the second group",
        )
        kill_tree(host)


def kill_tree(host: Controller) -> None:
    """SIGKILL the wrapper and everything below it, the wrapper first."""
    import psutil

    pid = host.record("runner.json")["pid"]
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in tree:
        os.kill(process.pid, signal.SIGKILL)


def neutral(text: str, host: Controller) -> str:
    """Return the journal without the details of this machine: its directories, its inodes, its boot, its names."""
    text = text.replace(str(host.workdir), WORKDIR).replace(str(host.state_root), STATE_ROOT)
    text = re.sub(r'"boot_id":"[^"]*"', '"boot_id":"this-boot"', text)
    text = re.sub(r'"controller":"[^"]*"', '"controller":"controller1"', text)
    text = re.sub(r'"started_by":"[^"]*"', '"started_by":"alice"', text)
    return re.sub(r'"inode":\d+', '"inode":1', text)


def main(names: list[str]) -> Any:
    for name in names or RECORDINGS:
        print(name, flush=True)
        record(name, RECORDINGS[name])


if __name__ == "__main__":
    main(sys.argv[1:])
