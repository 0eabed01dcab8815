"""Builds a run event by event, in the vocabulary of the facts: for tests of the core."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.effects import Effect, PingServer, PostMessage
from atvm_pipeline.core.events import (
    ArtifactWritten,
    CancelRequested,
    ClockTicked,
    DeliverySettled,
    Event,
    LogRead,
    Process,
    ProcessesSeen,
    RunnerExited,
    RunnerStarted,
    RunnerVanished,
    RunRequested,
    ServerPinged,
    Settings,
)
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit.report import FailedCase, Report, ReportedSpec
from atvm_pipeline.core.reducer import begin_run, phase_of, reduce
from atvm_pipeline.core.snapshot import Snapshot, snapshot
from tests.support.project import TWO_HOSTS_BUILD as BUILD

BEGIN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
HOSTS = ("redhat9.6", "ubuntu24.04")
RUNNER = Process(pid=100, create_time=1.0, name="bash", role="runner", state="S")
CYPRESS = Process(pid=101, create_time=2.0, name="cypress", role="cypress", state="S")
BROWSER = Process(pid=102, create_time=3.0, name="electron", role="browser", state="S")


def counts(passing: int = 0, failing: int = 0, pending: int = 0, skipped: int = 0) -> Counts:
    total = passing + failing + pending + skipped
    return Counts(tests=total, passing=passing, failing=failing, pending=pending, skipped=skipped)


class Story:
    """Feeds events one by one; keeps every requested effect."""

    def __init__(
        self,
        *,
        categorized: bool = True,
        build: str | None = BUILD,
        hosts: tuple[str, ...] = HOSTS,
        offline: bool = False,
        notes: tuple[str, ...] = (),
        asked: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        first = RunRequested(
            seq=1,
            at=BEGIN,
            build_name=build,
            run_id="r1",
            categorized=categorized,
            settings=Settings(**settings),
            requested_hosts=hosts,
            inventory={"redhat9.6": "5.14.0", "ubuntu24.04": None},
            log_path="runner.log",
            offline=offline,
            notes=notes,
        )
        first = replace(first, **(asked or {}))
        self.events: list[Event] = [first]
        self.run = begin_run(first).run
        self.effects: list[Effect] = []
        self.now_s = 0.0
        self.offset = 0
        self.generation = 0
        """The generation of the log file that contains the next facts."""

    # --- time and feeding ---

    def feed(self, event: Event) -> Self:
        stamped = replace(event, seq=self.run.seq + 1, watched_s=self.now_s)
        step = reduce(self.run, stamped)
        self.events.append(stamped)
        self.run = step.run
        self.effects.extend(step.effects)
        return self

    @property
    def at(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now_s)

    def tick(self, seconds: float) -> Self:
        self.now_s += seconds
        return self.feed(ClockTicked(at=self.at))

    # --- events of the environment ---

    def started(self) -> Self:
        return self.feed(RunnerStarted(at=self.at, pid=100, create_time=1.0))

    def processes(self, *processes: Process, stuck: bool = False) -> Self:
        return self.feed(ProcessesSeen(at=self.at, processes=processes, stuck=stuck))

    def log(self, *facts: f.Fact) -> Self:
        placed = []
        for fact in facts:
            placed.append(replace(fact, offset=self.offset))
            self.offset += 100
        state = ScannerState(offset=self.offset)
        read = LogRead(
            at=self.at, generation=self.generation, end=self.offset, facts=tuple(placed), scanner=state
        )
        return self.feed(read)

    def noise(self) -> Self:
        self.offset += 10
        return self.log()

    def exit(self, code: int | None = 0, **more: Any) -> Self:
        return self.feed(RunnerExited(at=self.at, exit_code=code, **more))

    def vanish(self, *, rebooted: bool = False, stop_requested: bool = False) -> Self:
        return self.feed(RunnerVanished(at=self.at, rebooted=rebooted, stop_requested=stop_requested))

    def cancel(self) -> Self:
        return self.feed(CancelRequested(at=self.at, who="alice", why="wrong host", requested_at=self.at))

    def report(
        self, spec: str, found: Counts, *, path: str | None = None, failed: tuple[str, ...] = (), **more: Any
    ) -> Self:
        host = spec.split(".cy", maxsplit=1)[0]
        cases = tuple(FailedCase(title=title, error="boom") for title in failed)
        reported = ReportedSpec(
            spec=f"cypress/e2e/{spec}" if spec else "", counts=found, failed=cases, duration_s=2.0
        )
        return self.feed(
            ArtifactWritten(
                at=self.at,
                path=path or f"cmcReporter/{host}.xml",
                size=100,
                mtime=more.pop("mtime", self.at),
                report=Report(specs=(reported,)),
                **more,
            )
        )

    def settle(self, outcome: str = "sent", **more: Any) -> Self:
        """Settle the attempt in flight."""
        post = next(post for post in self.run.outbox if post.in_flight)
        return self.feed(
            DeliverySettled(at=self.at, key=post.key, attempt=post.attempts, outcome=outcome, **more)  # type: ignore[arg-type]
        )

    def ping(self, *, up: bool = True, **more: Any) -> Self:
        """Answer the pending ping."""
        post = next(post for post in self.run.outbox if post.pinging)
        return self.feed(ServerPinged(at=self.at, key=post.key, ping=post.pings, up=up, **more))

    # --- larger pieces ---

    def child(self, *specs: tuple[str, Counts], label: str | None = None, total: int | None = None) -> Self:
        """Add one Cypress process that runs its specs and prints everything."""
        if label is not None:
            self.log(f.ChildLaunched(offset=0, label=label))
        self.begin_child(len(specs) if total is None else total)
        for position, (spec, found) in enumerate(specs, 1):
            self.spec(spec, found, position, len(specs) if total is None else total)
        return self.summary(*specs)

    def begin_child(self, found: int, **more: Any) -> Self:
        return self.log(f.ChildStarted(offset=0), f.ChildDescribed(offset=0, specs_found=found, **more))

    def spec(self, spec: str, found: Counts, position: int = 1, total: int = 1) -> Self:
        return self.log(
            f.SpecStarted(offset=0, spec=spec, position=position, total=total),
            f.SpecReported(offset=0, spec=spec, counts=found, duration_s=60.0),
        )

    def summary(self, *specs: tuple[str, Counts]) -> Self:
        failed = sum(1 for _, found in specs if found.failing)
        totals = Counts(
            **{name: sum(getattr(found, name) for _, found in specs) for name in Counts.__struct_fields__}
        )
        rows = [
            f.SpecSummarised(offset=0, spec=spec, mark="failed" if found.failing else "passed", counts=found)
            for spec, found in specs
        ]
        verdict = "failed" if failed else "passed"
        total = f.TotalsReported(
            offset=0, verdict=verdict, failed=failed or None, total=len(specs), counts=totals
        )
        return self.log(f.RunFinished(offset=0), *rows, total)

    def end(self, code: int | None = 0, **more: Any) -> Self:
        """Let the runner exit and everything settle."""
        self.exit(code, **more)
        return self.tick(20)

    # --- results ---

    @property
    def view(self) -> Snapshot:
        return snapshot(self.run)

    @property
    def ending(self) -> tuple[str, str]:
        view = self.view
        return phase_of(self.run).value, view.reason["code"]

    @property
    def subruns(self) -> list[tuple[str, str]]:
        return [(subrun.phase, subrun.reason["code"]) for subrun in self.view.subruns]

    @property
    def posts(self) -> list[PostMessage]:
        return [effect for effect in self.effects if isinstance(effect, PostMessage)]

    @property
    def pings(self) -> list[PingServer]:
        return [effect for effect in self.effects if isinstance(effect, PingServer)]

    def texts(self, kind: str) -> list[str]:
        """Return the texts of the posts of one kind (`subrun`, `run`, `alert`), in order."""
        posts = [post for post in self.run.outbox if post.kind == kind]
        return [str(msgspec.json.decode(post.payload)["text"]) for post in posts]
