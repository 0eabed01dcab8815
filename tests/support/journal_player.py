"""Plays a recorded run into a real directory next to a real watcher.

The log, the reports, the processes and the records are the same as in the recording.
"""

import json
import os
import subprocess
import sys
import xml.sax.saxutils as sax
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from atvm_pipeline.core.events import (
    ArtifactWritten,
    CancelRequested,
    Event,
    LogRead,
    ProcessesSeen,
    RunnerExited,
    RunnerStarted,
    RunnerVanished,
    RunRequested,
)
from atvm_pipeline.core.junit.report import Report, ReportedSpec
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import snapshot
from atvm_pipeline.shell.processes.process_table import identity
from atvm_pipeline.shell.sources.report_files import list_artifacts
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    ExitRecord,
    MarkerRecord,
    Paths,
    Request,
    RunnerRecord,
    write_record,
)
from atvm_pipeline.shell.system.clock import boot_id
from atvm_pipeline.shell.system.files import make_folder
from tests.support.mattermost_server import MattermostModel
from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

SETTLE_S = 0.4


class Player:
    """One recorded run, played."""

    def __init__(self, folder: Path, events: list[Event], log: bytes) -> None:
        first = events[0]
        assert isinstance(first, RunRequested)
        assert first.build_name is not None
        self.first, self.events, self.log = first, events, log
        self.build = first.build_name
        self.workdir = folder / "automation"
        self.paths = Paths(folder / "state", self.build)
        self.runner: subprocess.Popen[str] | None = None
        self.roles: set[str] = set()
        self.browser_seen = False
        self.hangs = first.settings.quiet_limit_s < 60
        """In a hang it matters that the browser of each child was seen, not only the first browser."""
        make_folder(self.paths.folder)
        self.workdir.mkdir()

    def play(self, webhook: MattermostModel) -> dict[str, Any]:
        """Play all of it; return the state that the watcher leaves."""
        self.lay_stale_reports()
        self.request()
        watcher = self.watch(webhook)
        try:
            wait_for(lambda: self.ready(watcher), "the watcher's first scan")
            run = begin_run(self.first).run
            for event in self.events[1:]:
                if isinstance(event, CancelRequested | RunnerExited | RunnerVanished):
                    self.wait_for_phases([subrun.phase for subrun in snapshot(run).subruns])
                if isinstance(event, CancelRequested):
                    self.wait_for_ledgers([to_builtins(subrun.ledger) for subrun in snapshot(run).subruns])
                self.step(event)
                run = reduce(run, event).run
            assert watcher.wait(timeout=DEADLINE_S) == 0
        finally:
            watcher.kill()
            watcher.wait(timeout=DEADLINE_S)
            self.kill()
        state: dict[str, Any] = json.loads(self.paths.state.read_text())
        return state

    def request(self) -> None:
        first = self.first
        inventory = self.workdir / "inventory.md"
        rows = "".join(f"| {host} | {kernel or ''} |\n" for host, kernel in first.inventory.items())
        inventory.write_text("| Host | Kernel |\n|---|---|\n" + rows)
        folder = self.workdir / "cmcReporter"
        named: dict[str, Any] = {"build_name": self.build, "run_id": first.run_id}
        write_record(
            self.paths.baseline, BaselineRecord(**named, files=list_artifacts(folder, first.dialect))
        )
        write_record(
            self.paths.request,
            Request(
                **named,
                requested_at=datetime.now(UTC),
                categorized=first.categorized,
                metadata=first.metadata,
                settings=replace(first.settings, settle_s=SETTLE_S),
                runner_command="played",
                workdir=str(self.workdir),
                log_path=str(self.paths.runner_log),
                artifacts_dir=str(folder),
                inventory_path=str(inventory),
                notes=first.notes,
            ),
        )

    def watch(self, webhook: MattermostModel) -> "subprocess.Popen[bytes]":
        environ = {**os.environ, "MATTERMOST_ATVM_WEBHOOK": webhook.url, "ATVM_WATCHER_ENV_FILE": os.devnull}
        call = [
            sys.executable,
            "-m",
            "atvm_pipeline",
            "watch",
            self.build,
            "--state-root",
            str(self.paths.state_root),
        ]
        return subprocess.Popen(call, cwd=PROJECT, env=environ)

    def ready(self, watcher: "subprocess.Popen[bytes]") -> bool:
        assert watcher.poll() is None
        return (
            self.paths.watcher.exists() and json.loads(self.paths.watcher.read_text())["ready_at"] is not None
        )

    def wait_for_phases(self, phases: list[str]) -> None:
        """Check that everything decided at this point of the recording has been decided here too."""
        judged = [phase for phase in phases if phase not in ("PENDING", "RUNNING")]

        def reached() -> bool:
            subruns = json.loads(self.paths.state.read_text())["subruns"]
            sent = [
                subrun["phase"]
                for subrun in subruns
                if subrun["post"] and subrun["post"]["outcome"] == "sent"
            ]
            return sent[: len(judged)] == judged

        wait_for(reached, f"verdicts {judged}")

    def wait_for_ledgers(self, ledgers: list[dict[str, Any]]) -> None:
        """Check that everything counted at this point of the recording has been counted here too: a cancel ends it."""

        def reached() -> bool:
            return [
                subrun["ledger"] for subrun in json.loads(self.paths.state.read_text())["subruns"]
            ] == ledgers

        wait_for(reached, f"ledgers {ledgers}")

    def step(self, event: Event) -> None:
        match event:
            case RunnerStarted():
                self.start_runner()
            case LogRead():
                self.append(event.start, event.end)
            case ArtifactWritten() if not event.stale:
                self.write_report(event)
            case ProcessesSeen():
                self.processes({process.role for process in event.processes} & {"cypress", "browser"})
            case RunnerExited():
                self.exit(event)
            case RunnerVanished():
                self.kill()
            case CancelRequested():
                marker = MarkerRecord(
                    build_name=self.build,
                    run_id=self.first.run_id,
                    who=event.who,
                    why=event.why,
                    requested_at=event.at,
                )
                write_record(self.paths.cancel, marker)
            case _:
                pass

    def append(self, start: int, end: int) -> None:
        del start
        with self.paths.runner_log.open("ab") as file:
            file.write(self.log[file.tell() : end])

    def start_runner(self) -> None:
        self.runner = subprocess.Popen(
            [
                sys.executable,
                str(PROJECT / "tests" / "support" / "fake_runner.py"),
                str(self.paths.runner_lock),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()
        process = identity(self.runner.pid)
        assert process is not None
        write_record(
            self.paths.runner,
            RunnerRecord(
                build_name=self.build,
                run_id=self.first.run_id,
                pid=process.pid,
                create_time=process.create_time,
                started_at=datetime.now(UTC),
                boot_id=boot_id(),
            ),
        )

    def answer(self) -> None:
        assert self.runner is not None
        assert self.runner.stdout is not None
        assert self.runner.stdout.readline().strip() in ("ready", "done")

    def processes(self, roles: set[str]) -> None:
        if self.runner is None or self.runner.poll() is not None:
            return
        assert self.runner.stdin is not None
        for sign, changed in (("+", roles - self.roles), ("-", self.roles - roles)):
            for role in sorted(changed):
                self.runner.stdin.write(f"{sign}{role}\n")
                self.runner.stdin.flush()
                self.answer()
        before, self.roles = self.roles, roles
        begun = "browser" in roles and "browser" not in before
        if begun and (self.hangs or not self.browser_seen):
            wait_for(lambda: "browser" in self.roles_seen(), "a scan of the browser")
            self.browser_seen = True

    def roles_seen(self) -> set[str]:
        """Return the roles of the living processes, as the watcher knows them."""
        return {
            process.get("role", "other")
            for process in json.loads(self.paths.state.read_text())["facts"].get("processes", ())
        }

    def kill(self) -> None:
        if self.runner is not None:
            try:
                self.processes(set())
            finally:
                self.runner.kill()
                self.runner.communicate()

    def exit(self, event: RunnerExited) -> None:
        self.kill()
        self.append(0, len(self.log))
        named: dict[str, Any] = {"build_name": self.build, "run_id": self.first.run_id}
        now = datetime.now(UTC)
        if event.stop_requested:
            write_record(self.paths.stop, MarkerRecord(**named, who="player", requested_at=now))
        record = ExitRecord(
            **named,
            exit_code=event.exit_code,
            signal=event.signal,
            service_result=event.service_result,
            error=event.error,
            finished_at=now,
        )
        write_record(self.paths.runner_exit, record)

    def lay_stale_reports(self) -> None:
        for event in self.events:
            if isinstance(event, ArtifactWritten) and event.stale:
                self.write(event.path, b"<testsuites/>")

    def write_report(self, event: ArtifactWritten) -> None:
        assert event.report is not None
        self.write(event.path, xml_of(event.report))

    def write(self, path: str, data: bytes) -> None:
        """Write in place and not atomically, as the reporter does."""
        target = self.workdir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with target.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            file.write(data[len(data) // 2 :])


def xml_of(report: Report) -> bytes:
    """Return a report as mocha-junit-reporter writes it, with these counts."""
    suites = "".join(_suites(spec) for spec in report.specs)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="Mocha Tests">\n{suites}</testsuites>'.encode()


def _suites(spec: ReportedSpec) -> str:
    counts = spec.counts
    cases = ['<testcase name="passes" time="1.0"/>'] * counts.passing
    titles = [case.title for case in spec.failed] + ["fails"] * (counts.failing - len(spec.failed))
    cases += [
        f"<testcase name={sax.quoteattr(title)}><failure message='boom'>boom</failure></testcase>"
        for title in titles
    ]
    cases += ["<testcase name='waits'><skipped/></testcase>"] * counts.pending
    root = f'<testsuite name="Root Suite" tests="0" failures="0" file={sax.quoteattr(spec.spec)}></testsuite>'
    own = f'<testsuite name="suite" tests="{counts.tests}" failures="{counts.failing}">{"".join(cases)}</testsuite>'
    return f"{root}\n{own}\n"
