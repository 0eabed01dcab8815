"""One history: watchers follow one another over one run, each until it dies, is stopped or is done."""

import os
import tempfile
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.errors import ConfigError, DataError
from atvm_pipeline.core.messages.payload import delivery_id
from atvm_pipeline.core.reducer import is_finished, phase_of
from atvm_pipeline.core.snapshot import Snapshot, snapshot
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import Request, read_record
from atvm_pipeline.shell.system.files import locked
from atvm_pipeline.shell.watcher.disk_alerts import DISK_ALERTS_MAX
from atvm_pipeline.shell.watcher.first_event import first_event
from atvm_pipeline.shell.watcher.service import run_watcher

from .contents import ERRORS, Order, Point
from .coverage import Coverage
from .disk import Crash, Disk
from .invariants import (
    Broken,
    Finals,
    check_files,
    check_intent,
    check_lost,
    check_messages,
    check_patience,
    events_of,
)
from .outside import RUN_ID, Outside
from .patches import Watcher, simulated
from .plans import Plan
from .server import Server
from .stories import STORIES, report_of
from .verdicts import explained
from .world import RUNNER, Endless, World

RESTART_S = 1.0
"""A watcher that ended with an error, or was stopped, is started again after this time."""
WATCHERS_MAX = 300
USUAL_S = 3 * 3600.0
EXPIRY_S = 160 * 3600.0
"""A message expires after 72 hours, and so does the alert about that."""
ENVIRON = {"MATTERMOST_ATVM_WEBHOOK": "http://127.0.0.1/hooks/simulated"}
DISK_ALERTS = {
    delivery_id(f"{RUN_ID}/alert/{code}{number}")
    for code in ("refused", "accepted")
    for number in ("", *(f"/{number}" for number in range(2, DISK_ALERTS_MAX + 1)))
}
"""Reported outside of the outbox while the disk refuses writes; it may come twice."""


class Failed(AssertionError):  # noqa: N818 - a history that broke a promise
    """A broken promise, and how to repeat it."""


class Told(NamedTuple):
    """A history that came to its end."""

    run: Run
    view: Snapshot
    server: Server
    outside: Outside
    points: tuple[Point, ...]
    trace: tuple[str, ...]
    journal: bytes

    @property
    def ending(self) -> tuple[str, str]:
        return phase_of(self.run).value, self.view.reason["code"]


class History:
    """Plays a plan."""

    def __init__(self, plan: Plan, folder: Path, coverage: Coverage) -> None:
        self.plan, self.coverage = plan, coverage
        self.story = STORIES[plan.story]
        self.world = World(plan.seed, ends_after_s=EXPIRY_S if plan.lasts_long else USUAL_S)
        self.outside = Outside(self.world, folder, self.story.build, self._changed)
        self.server = Server(self.world, plan.deliveries, self._contacted)
        self.server.forever = "no-connection" if plan.unreachable else plan.forever
        self.server.ping_script = list(plan.pings)
        if plan.away is not None:
            self.server.away_s, self.server.honesty = plan.away.seconds, plan.away.honesty
            self.server.away_as = plan.away.answers
        self.disk = Disk(self.outside.paths.state_root, self._decide)
        self.disk.on_rename = self._renamed
        self.finals = Finals()
        self.points: list[Point] = []
        self.watcher: Watcher | None = None
        self.death = "kill"
        self.synced_seq = 0
        self.broken: list[str] = []
        self.errors = 0

    def close(self) -> None:
        """Close everything that the history still has open; a second call does nothing."""
        self.outside.close()

    # --- from start to end ---

    def play(self) -> Told:
        """Play the history. Raises Broken or Endless."""
        plan = self.plan
        self.outside.request(
            categorized=self.story.categorized,
            settings=self.story.settings,
            alerts=self.story.settings.alerts,
        )
        if plan.foreign:
            self.outside.foreign()
            self.coverage.add("records", "of another run")
        if plan.reuse:
            self.outside.on_end = self._reuse
        for step in self.story.steps:
            self.world.after(step.at_s, partial(step.do, self.outside), step.owner)
        for at_s, spec, passed in self.story.reports:
            self.world.after(
                at_s,
                partial(
                    self.outside.report, spec.split(".cy")[0], report_of(spec, passed=passed), plan.reports
                ),
                RUNNER,
            )
        for clock in plan.clocks:
            self.coverage.add("clock", clock.what)
            self.world.after(clock.at_s, partial(self.world.step_wall, clock.seconds))
        for number in range(WATCHERS_MAX):
            run = self._watch(number)
            bug = next((line for line in self.world.trace if " bug: " in line), None)
            if bug is not None:
                raise Broken(f"the log of the watcher: {bug}")
            if run is not None and is_finished(run):
                return self._told(run)
        raise Broken(f"{WATCHERS_MAX} watchers, and no end")

    def _watch(self, number: int) -> Run | None:
        """Run one watcher; return the current state of the run if the process ended by itself."""
        world, paths = self.world, self.outside.paths
        self.watcher = Watcher(world, number)
        run, down_s = None, RESTART_S
        poll_s = 3600.0 if self.plan.lasts_long else 2.0
        world.tell(f"watcher {number} starts")
        with simulated(world, self.outside, self.server, self.watcher, poll_s=poll_s), self.disk:
            try:
                request = read_record(paths.request, Request)
                assert request is not None
                with locked(paths.watcher_lock):
                    run = run_watcher(paths, request, ENVIRON, first_event)
            except Crash:
                down_s = self._died()
            except (OSError, DataError, ConfigError) as error:
                world.tell(f"watcher {number} ends: {str(error).replace(str(paths.state_root.parent), '')}")
                self.errors += 1
                if not self.plan.faults:
                    raise Broken(f"the watcher ended with an error: {error}") from error
        self.watcher.hint = self.watcher.loop = None
        world.forget(self.watcher.owner)
        self.outside.table.forget_watcher()
        self.disk.revive()
        self._synced()
        if self.death == "power":
            self.disk.cut_power(world.random)
            self.outside.reboot()
        self.death = "kill"
        loaded = check_files(paths, RUN_ID, self.synced_seq)
        if run is None or not is_finished(run):
            world.tell("down")
            world.sleep(down_s)
        elif loaded != run:
            raise Broken("the journal does not give the run that the watcher had")
        return run

    def _died(self) -> float:
        death = next(each for each in self.plan.deaths if each.point == self.points[-1].number)
        self.death = death.kind
        self.world.tell(f"dies {death.where} {self.points[-1].name} ({death.kind})")
        self.coverage.add("death", f"{self._where(death.where)} {self.points[-1].name}: {death.kind}")
        return death.down_s

    def _where(self, where: str) -> str:
        return "after" if where == "middle" and not self.points[-1].torn else where

    def _synced(self) -> None:
        """Remember the content that surely survives."""
        events = events_of(self.disk.durable(self.outside.paths.journal) or b"")
        if events:
            self.synced_seq = max(self.synced_seq, events[-1].seq)

    # --- callbacks of the simulated environment ---

    def _decide(self, point: Point) -> Order:
        self.points.append(point)
        for happening in self.plan.happenings:
            if happening.point == point.number:
                self._happen(happening.what)
        for death in self.plan.deaths:
            if death.point == point.number:
                return Order(crash=self._where(death.where))
        for fault in self.plan.faults:
            if fault.point <= point.number < fault.point + fault.calls:
                self.world.tell(f"{point.number} {point.name}: {fault.error}")
                self.coverage.add("fault", f"{point.name}: {fault.error}")
                return Order(error=ERRORS[fault.error], short=fault.short and point.number == fault.point)
        self.world.tell(f"{point.number} {point.name}")
        return Order()

    def _happen(self, what: str) -> None:
        self.world.tell(f"now: {what}")
        self.coverage.add("at a point", what)
        match what:
            case "cancel":
                self.outside.cancel()
            case "pull":
                self.world.pull()
            case "stop" if self.watcher is not None and self.watcher.loop is not None:
                self.watcher.loop.stop("SIGTERM")

    def _reuse(self) -> None:
        self.coverage.add("processes", "pids used again")
        self.outside.reuse_pids()

    def _changed(self, path: Path | None) -> None:
        """Send the hints that the plan requires after a change of a file outside of the watcher."""

        def tell() -> None:
            if self.watcher is not None and self.watcher.hint is not None:
                self.watcher.hint(path)

        self.coverage.add("hints", self.plan.hints)
        match self.plan.hints:
            case "all":
                tell()
            case "doubled":
                tell()
                tell()
            case "late":
                self.world.after(round(self.world.random.uniform(0.2, 4.0), 2), tell)

    def _contacted(self, delivery: str) -> None:
        """Check a request. The program survives every error of its sender, so the history breaks at its end."""
        if delivery in DISK_ALERTS:
            return
        try:
            check_intent(self.disk.durable(self.outside.paths.journal), delivery)
        except Broken as error:
            self.broken.append(str(error))
        if delivery in self.server.unmarked_after_doubt():
            self.broken.append(
                f"delivery {delivery} goes out again without a mark, though it may have arrived"
            )

    def _renamed(self, path: str) -> None:
        if path.endswith("/state.json"):
            self.finals.look(Path(path))

    # --- at the end ---

    def _told(self, run: Run) -> Told:
        if self.broken:
            raise Broken(self.broken[0])
        plan, view = self.plan, snapshot(run)
        journal = self.outside.paths.journal.read_bytes()
        told = Told(
            run, view, self.server, self.outside, tuple(self.points), tuple(self.world.trace), journal
        )
        check_messages(run, self.server, crashed=bool(self.plan.deaths or self.plan.happenings))
        check_lost(run)
        if plan.away is not None and not (plan.deaths or plan.happenings or plan.deliveries or plan.faults):
            check_patience(run, plan.away.seconds, plan.away.honesty)
        cover = self.coverage
        cover.histories += 1
        for point in self.points:
            cover.examples.setdefault(point.name, (self.plan, point))
        cover.add("reports", self.plan.reports)
        cover.add("phase", told.ending[0])
        for code in self.finals.reasons:
            cover.add("reason", code)
        for subrun in view.subruns:
            cover.add("phase of a sub-run", subrun.phase)
        for message in self.server.requests:
            cover.add("server", message.behaviour)
        for name in self.server.pings:
            cover.add("ping", name)
        if plan.away is not None:
            cover.add("away", plan.away.honesty)
        for post in run.outbox:
            cover.add("message", post.outcome)
        for event in events_of(journal):
            if type(event).__name__ == "DeliverySettled":
                ended = "the watcher ended while sending"
                cover.add("attempt", ended if event.detail == ended else event.outcome)
        return told


def play(plan: Plan, coverage: Coverage) -> Told:
    """Play one history and compare its end with the undisturbed one. Raises Failed."""
    with (
        tempfile.TemporaryDirectory(prefix="atvm-sim-", dir=MEMORY) as name,
        closing(History(plan, Path(name), coverage)) as history,
    ):
        return _checked(history)


def _checked(history: History) -> Told:
    """Play a history and check how it ends. Raises Failed."""
    plan, coverage = history.plan, history.coverage
    try:
        told = history.play()
        if plan != Plan(story=plan.story):
            why = explained(plan, told, undisturbed(plan.story))
            if why is not None:
                coverage.add("explained", why)
        elif told.ending != history.story.ending:
            raise Broken(f"undisturbed, it ends as {told.ending}")
    except (AssertionError, Endless) as error:
        tail = "\n".join(history.world.trace[-TRACE_LINES:])
        raise Failed(f"{tail}\n{type(error).__name__}: {error}\nrepeat: {plan.command}") from error
    return told


@cache
def undisturbed(story: str) -> Told:
    """Return the undisturbed history of a run."""
    return play(Plan(story=story), Coverage())


MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
TRACE_LINES = 40
