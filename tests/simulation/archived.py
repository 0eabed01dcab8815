"""Histories with two runs: a new start archives a run whose messages wait, and its sender and the next watcher run at once.

Sender, watcher and start die at calls of their own, alone or with the host. A dead process is started again as systemd
does it; after a power cut the sweep starts what is missing; a start that died is repeated.
"""

import builtins
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count, product
from operator import methodcaller
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from atvm_pipeline.cli.commands import sweep
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.errors import ConfigError, DataError
from atvm_pipeline.core.events import Event, RunRequested
from atvm_pipeline.core.messages import outbox
from atvm_pipeline.core.messages.payload import delivery_id
from atvm_pipeline.core.reducer import is_finished, phase_of, replay
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.delivery import alerts, http, sender
from atvm_pipeline.shell.processes import process_table
from atvm_pipeline.shell.sources import collector
from atvm_pipeline.shell.start import launch, senders
from atvm_pipeline.shell.start.launch import prepare
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.state_dir import store
from atvm_pipeline.shell.state_dir.reader import builds
from atvm_pipeline.shell.state_dir.records import Paths, Request, read_record
from atvm_pipeline.shell.state_dir.run_address import all_archived_runs
from atvm_pipeline.shell.state_dir.store import load
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import Busy, locked
from atvm_pipeline.shell.watcher import archived_run, disk_alerts, disk_retry, loop, service, story_log
from atvm_pipeline.shell.watcher.first_event import first_event
from atvm_pipeline.shell.watcher.loop import Loop

from .contents import Order, Point
from .driver import ENVIRON, MEMORY, RESTART_S, TRACE_LINES, Failed
from .invariants import Broken, Finals, check_files, check_lost, check_messages, events_of
from .outside import Outside
from .plans import KINDS, Base, Kind, Where
from .processes import Crew, Process, SharedDisk, SharedWorld, raised
from .server import BEHAVIOURS, Server
from .stories import STORIES, report_of
from .table import WATCHER
from .world import OUTSIDE, RUNNER, Endless

ENDS_AFTER_S = 3 * 3600.0
BOOT_S = 2.0
PROCESSES_MAX = 300
ROLES = ("sender", "watcher", "start")
FIRST_RUN = "r-1"
KEEP = 5
HALF = 0.5
RESTART = "restart"
"""The owner of actions that start processes again."""
WHERE: tuple[Where, ...] = ("before", "middle", "after")
LOGGING = (disk_retry, store, alerts, service, story_log, launch, senders, sweep)
"""The modules whose log is part of the trace."""
REFUSED_ALERTS = {delivery_id(f"r-{number}/alert/refused") for number in range(10)}
"""Reported outside of the outbox while the disk refuses writes; it may come twice."""
Role = Literal["sender", "watcher", "start"]


class RoleDeath(Base, frozen=True, kw_only=True):
    """A process of this role dies at a point of the disk: the points of all processes of a role are counted in one row."""

    role: Role
    point: int
    where: Where = "before"
    kind: Kind = "kill"


class ArchivePlan(Base, frozen=True, kw_only=True):
    """One history of two runs."""

    first: str = "tiny-groups"
    second: str = "passed"
    """Names of stories with the same build name."""
    seed: int = 0
    start_s: float = 6.0
    """When the second run is started; in the middle of the first run, its runner is killed before."""
    watcher_killed: bool = False
    """The first watcher was killed just before the second start; otherwise the start stops it."""
    before: str = "no-connection"
    """The server's behaviour until the second start."""
    deliveries: tuple[str, ...] = ()
    """Its behaviour afterwards, one a request; then `ok`."""
    deaths: tuple[RoleDeath, ...] = ()

    @property
    def command(self) -> str:
        """Return the options that repeat this history."""
        return f"python -m tests.simulation --archive-plan '{msgspec.json.encode(self).decode()}'"


class Told(NamedTuple):
    """A history that came to its end."""

    first: Run
    second: Run
    server: Server
    points: dict[str, tuple[Point, ...]]
    trace: tuple[str, ...]


class Supervisor:
    """Starts processes of the simulated host; restarts those that die."""

    name = "local"

    def __init__(self, history: "ArchiveHistory") -> None:
        self._history = history

    def start_watcher(self, paths: Paths, _environment: object) -> None:
        self._history.start_process(paths)

    def stop_watcher(self, _paths: Paths, _timeout_s: float) -> None:
        self._history.stop_watcher()

    def wait_until_watching(self, _paths: Paths, _run_id: str, _timeout_s: float) -> str | None:
        return None


class ArchiveHistory:
    """Plays a plan."""

    def __init__(self, plan: ArchivePlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.world = SharedWorld(plan.seed, ends_after_s=ENDS_AFTER_S)
        self.crew = Crew(self.world)
        self.crew.on_end = self._ended
        self.outside = Outside(self.world, folder, STORIES[plan.first].build, self._changed, run_id=FIRST_RUN)
        self.paths = self.outside.paths
        self.server = Server(self.world, (), self._contacted)
        self.server.forever = plan.before
        self.disk = SharedDisk(self.paths.state_root, self._decide)
        self.disk.crew = self.crew
        self.disk.on_rename = self._renamed
        self.supervisor = Supervisor(self)
        self.points: dict[str, list[Point]] = {role: [] for role in ROLES}
        self.finals: dict[str, Finals] = {}
        self.frozen: Run | None = None
        """The first run as it was archived."""
        self.is_started = False
        """The second run has its watcher."""
        self.starts = 0
        self.counts: Counter[str] = Counter()
        self.names: set[tuple[str, str]] = set()
        """Roles, and names of the points at which they died."""
        self.synced: Counter[str] = Counter()
        """Run id -> last event that surely survives."""
        self.broken: list[str] = []
        self._death: RoleDeath | None = None
        self._dying: Process | None = None
        self._is_up = True

    # --- from start to end ---

    def play(self) -> Told:
        """Play the history. Raises Broken or Endless."""
        plan, story = self.plan, STORIES[self.plan.first]
        self.outside.request(
            categorized=story.categorized, settings=story.settings, alerts=story.settings.alerts
        )
        self._schedule(plan.first)
        self.world.after(plan.start_s, self._new_start, OUTSIDE)
        with ExitStack() as stack:
            stack.enter_context(self._patched())
            stack.enter_context(self.disk)
            stack.callback(self.crew.kill_all)
            self.start_process(self.paths)
            self.crew.run(self._is_over)
        return self._told()

    def _schedule(self, name: str) -> None:
        """Put the events of a story into the agenda, from now on."""
        story, outside = STORIES[name], self.outside
        for step in story.steps:
            self.world.after(step.at_s, partial(step.do, outside), step.owner)
        for at_s, spec, passed in story.reports:
            report = partial(outside.report, spec.split(".cy")[0], report_of(spec, passed=passed), "whole")
            self.world.after(at_s, report, RUNNER)

    def _is_over(self) -> bool:
        """Return whether no process lives, and no action of the agenda starts one."""
        return self.is_started and not self.crew.living() and self.world.next_action_s == float("inf")

    # --- processes ---

    def start_process(self, paths: Paths) -> None:
        """Start the watcher of a run, or the sender of an archived one."""
        if len(self.crew.processes) >= PROCESSES_MAX:
            raise Broken(f"{PROCESSES_MAX} processes, and no end")
        role = "sender" if paths.is_archived else "watcher"
        self.crew.start(role, partial(self._follow, paths)).paths = paths

    def _follow(self, paths: Paths) -> None:
        request = read_record(paths.request, Request)
        if request is None:
            raise DataError(f"{paths.request} is missing")
        try:
            with locked(paths.watcher_lock):
                if paths.is_archived:
                    archived_run.deliver_archived(paths, request, ENVIRON)
                else:
                    service.run_watcher(paths, request, ENVIRON, first_event)
        except Busy:
            self.world.tell("another one has the lock")

    def _new_start(self) -> None:
        """Let an operator start the second run; the server has changed by then."""
        if not self._is_up:
            self.world.after(BOOT_S, self._new_start, OUTSIDE)
            return
        if self.outside.run_id == FIRST_RUN and not self.outside.exited:
            self.world.forget(RUNNER)
            self.outside.kill()
        for watcher in self.crew.living("watcher") if self.plan.watcher_killed else ():
            self.crew.kill(watcher)
        self.starts += 1
        self.crew.start("start", partial(self._start, self.starts))

    def _start(self, number: int) -> None:
        """Do what a start does between its preflight and its runner."""
        if number == 1:
            self.server.forever = None
            self.server.play_next(self.plan.deliveries)
        story, run_id = STORIES[self.plan.second], f"r-{number + 1}"
        second = Outside(self.world, self.folder, story.build, self._changed, run_id=run_id, paths=self.paths)
        fields = second.request_fields(
            categorized=story.categorized, settings=story.settings, alerts=story.settings.alerts
        )
        request = Request(build_name=self.paths.build_name, run_id=run_id, **fields)
        with prepare(request, self._options(request, second), {}, KEEP):
            self.outside = second
            self.supervisor.start_watcher(self.paths, ENVIRON)
        self._schedule(self.plan.second)
        self.is_started = True

    def _options(self, request: Request, second: Outside) -> StartOptions:
        return StartOptions(
            paths=self.paths,
            environ=ENVIRON,
            settings=request.settings,
            metadata=request.metadata,
            dialect=Dialect(),
            workdir=second.workdir,
            supervisor=self.supervisor,  # type: ignore[arg-type]
        )

    def stop_watcher(self) -> None:
        """Send SIGTERM to the watchers, and wait for their end."""
        for watcher in self.crew.living("watcher"):
            if watcher.loop is not None:
                watcher.loop.stop("SIGTERM")
            else:
                # Its signal handlers are not installed yet.
                self.world.after(0.0, partial(self.crew.kill, watcher), OUTSIDE)
        clock.wait_until(lambda: not self.crew.living("watcher"), ENDS_AFTER_S, 0.1)

    def _ended(self, process: Process) -> None:
        """Restart what has died, as the host does it."""
        self._note_synced()
        self.disk.bury(process)
        self.outside.table.forget_watcher()
        death, self._death = (self._death, None) if process is self._dying else (None, self._death)
        if death is None:
            raised(process.error)
            return
        self._dying = None
        self.counts[f"{death.role}: {death.kind}"] += 1
        self.world.tell(
            f"{process.owner} dies {death.where} {self.points[death.role][-1].name} ({death.kind})"
        )
        if death.kind == "power":
            self._is_up = False
            self.crew.kill_all()
            self.disk.cut_power(self.world.random)
            self.outside.reboot()
            self.world.forget(RESTART)
            self.world.after(BOOT_S, self._boot, RESTART)
        elif process.role != "start":
            self.world.after(RESTART_S, partial(self._restart, process), RESTART)
        else:
            self.world.after(RESTART_S, self._new_start, RESTART)

    def _restart(self, dead: Process) -> None:
        """Start a watcher or a sender again, unless a start has stopped its unit meanwhile."""
        if dead.role == "sender" or (self.is_started or not self.starts):
            self.start_process(dead.paths)

    def _boot(self) -> None:
        """Let the sweep start what is missing, and the operator repeat a start that has not returned."""
        self.world.tell("the host is up again")
        self._is_up = True
        for name in builds(self.paths.state_root):
            if sweep._left(Paths(self.paths.state_root, name)):
                self.start_process(Paths(self.paths.state_root, name))
        sweep._start_senders(self.paths.state_root, self.supervisor, ENVIRON)
        if self.starts and not self.is_started:
            self.world.after(RESTART_S, self._new_start, RESTART)

    def _note_synced(self) -> None:
        """Remember the content of the journals that surely survives."""
        for run_id, events in self._durable_journals():
            self.synced[run_id] = max(self.synced[run_id], events[-1].seq)

    def _durable_journals(self) -> Iterator[tuple[str, list[Event]]]:
        for data in self.disk.durable_files("/journal.jsonl"):
            events = events_of(data)
            if events and isinstance(events[0], RunRequested):
                yield events[0].run_id, events

    # --- callbacks of the simulated environment ---

    def _decide(self, point: Point) -> Order:
        process = self.crew.current
        if process is None:
            return Order()
        row = self.points[process.role]
        point = point._replace(number=len(row))
        row.append(point)
        self.world.tell(f"{process.owner} {point.number} {point.name}")
        for death in self.plan.deaths:
            if (death.role, death.point) == (process.role, point.number):
                self._death, self._dying = death, process
                self.names.add((process.role, point.name))
                return Order(crash="after" if death.where == "middle" and not point.torn else death.where)
        return Order()

    def _changed(self, path: Path | None) -> None:
        for watcher in self.crew.living("watcher"):
            if watcher.hint is not None:
                watcher.hint(path)

    def _contacted(self, delivery: str) -> None:
        """Check a request. The program survives every error of its sender, so the history breaks at its end."""
        if delivery in REFUSED_ALERTS:
            return
        runs = [replay(events) for _, events in self._durable_journals()]
        if not any(post.in_flight and post.delivery_id == delivery for run in runs for post in run.outbox):
            self.broken.append(f"delivery {delivery} went out before its cause was synced")
        if delivery in self.server.unmarked_after_doubt():
            self.broken.append(
                f"delivery {delivery} goes out again without a mark, though it may have arrived"
            )

    def _renamed(self, path: str) -> None:
        if path.startswith(f"{self.paths.archive}/") and self.paths.archive == Path(path).parent:
            self._freeze(Path(path))
        if path.endswith("/state.json"):
            run_id = msgspec.json.decode(Path(path).read_bytes())["run_id"]
            self.finals.setdefault(run_id, Finals()).look(Path(path))

    def _freeze(self, folder: Path) -> None:
        """Remember the first run as it was archived."""
        archived = Paths(self.paths.state_root, self.paths.build_name, folder)
        request = read_record(archived.request, Request)
        if request is not None and request.run_id == FIRST_RUN:
            self.frozen = load(archived, FIRST_RUN).run

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Replace the points where the shell touches the host; the process that runs decides which queue is meant."""
        crew, world = self.crew, self.world
        names = count(1)

        def send(*args: Any, **more: Any) -> Any:
            try:
                return self.server.send(*args, **more)
            finally:
                crew.running().inbox.answer_after_s = self.server.answer_after_s

        def alert_later(*args: Any, on_outcome: Callable[[alerts.Outcome], None], **more: Any) -> None:
            process = crew.running()

            def send_alert() -> None:
                on_outcome(alerts.send_alert(*args, **more, patience_s=0))

            world.after(0.5, crew.as_process(process, send_alert), process.owner)

        def log(text: str) -> None:
            # The directory has a random name, and the same seed must give the same trace.
            world.tell(text.replace(f"{self.folder}/", ""))

        def make_loop(*args: Any, **more: Any) -> Loop:
            process = crew.running()
            return Loop(*args, **more, inbox=process.inbox, spawn=crew.spawn(process))

        def of_table(name: str) -> Callable[..., Any]:
            # The table is that of the run that is being watched at the time of the call.
            return lambda *args: methodcaller(name, *args)(self.outside.table)

        places: list[tuple[Any, str, Any]] = [
            *((clock, name, getattr(world, name)) for name in ("now", "monotonic", "sleep", "boot_id")),
            (clock, "utc_offset_s", lambda: 0),
            (os, "urandom", lambda size: next(names).to_bytes(size, "big")),
            (loop, "LOOP_POLL_S", 2.0),
            *((module, "log", log) for module in LOGGING),
            (builtins, "print", log),
            (alerts, "send_once", lambda effect, perform: perform(effect, sender.deadline_of(effect))),
            (http, "send", send),
            *(
                (process_table, name, of_table(name))
                for name in ("read_row", "pids", "newest_pid", "command_line")
            ),
            (collector, "ExitWatcher", of_table("wait_for_exit")),
            (service, "Loop", make_loop),
            (service, "FileWatcher", lambda *args: crew.running().watch(*args)),
            (service, "_stop_on_signals", lambda started: setattr(crew.running(), "loop", started)),
            (service, "self_identity", lambda: (WATCHER + crew.running().number, 1.0)),
            (disk_alerts, "send_alert_in_background", alert_later),
        ]
        kept = [(place, name, getattr(place, name)) for place, name, _ in places]
        try:
            for place, name, value in places:
                setattr(place, name, value)
            yield
        finally:
            for place, name, value in kept:
                setattr(place, name, value)

    # --- at the end ---

    def _told(self) -> Told:
        if self.broken:
            raise Broken(self.broken[0])
        first_paths = [
            paths
            for paths in all_archived_runs(self.paths.state_root)
            if (request := read_record(paths.request, Request)) is not None and request.run_id == FIRST_RUN
        ]
        if len(first_paths) != 1:
            raise Broken(f"the first run is archived in {len(first_paths)} places")
        first = check_files(first_paths[0], FIRST_RUN, self.synced[FIRST_RUN])
        second = check_files(self.paths, self.outside.run_id, self.synced[self.outside.run_id])
        if first is None or second is None or self.frozen is None:
            raise Broken("a run has no history")
        for run in (first, second):
            if outbox.pending(run):
                raise Broken(f"a message of {run.request.run_id} is pending, and no process delivers it")
            check_messages(run, self.server, crashed=bool(self.plan.deaths) or self.plan.watcher_killed)
            check_lost(run)
        self._check_verdicts(first, second)
        points = {role: tuple(row) for role, row in self.points.items()}
        return Told(first, second, self.server, points, tuple(self.world.trace))

    def _check_verdicts(self, first: Run, second: Run) -> None:
        assert self.frozen is not None
        if (first.verdict, first.subruns) != (self.frozen.verdict, self.frozen.subruns):
            raise Broken(f"the first run was {self.frozen.verdict} and is {first.verdict}")
        if not is_finished(second):
            raise Broken(f"the second run is {phase_of(second)}")
        ending = (phase_of(second).value, second.verdict.reason.code if second.verdict is not None else "")
        rebooted = second.vanished is not None and second.vanished.rebooted and self.outside.rebooted
        if ending != STORIES[self.plan.second].ending and not rebooted:
            raise Broken(f"the second run ends as {ending}")


def play(plan: ArchivePlan, counts: Counter[str] | None = None) -> Told:
    """Play one history. Raises Failed with the command that repeats it."""
    with tempfile.TemporaryDirectory(prefix="atvm-sim-", dir=MEMORY) as name:
        history = ArchiveHistory(plan, Path(name))
        try:
            told = history.play()
        except (AssertionError, Endless, ConfigError, DataError, OSError) as error:
            tail = "\n".join(history.world.trace[-TRACE_LINES:])
            raise Failed(f"{tail}\n{type(error).__name__}: {error}\nrepeat: {plan.command}") from error
        finally:
            history.outside.close()
            for key, number in history.counts.items() if counts is not None else ():
                counts[key] += number
        if counts is not None:
            counts["histories"] += 1
            counts["messages of the first run"] += len(told.first.outbox)
            counts.update(f"first run: {post.outcome}" for post in told.first.outbox)
            counts.update(f"at {role}: {point}" for role, point in history.names)
        return told


# --- plans ---

BASES = (
    ArchivePlan(),
    ArchivePlan(before="timeout-stored", start_s=4.2),
    ArchivePlan(before="gateway-502-instead", start_s=8.0, watcher_killed=True),
    ArchivePlan(start_s=2.7),
)
"""Messages that were refused, one that may have arrived, one that waits for a ping, and a first run without a verdict."""


def every_death(base: ArchivePlan, roles: tuple[Role, ...] = ("sender", "start")) -> Iterator[ArchivePlan]:
    """Yield a death at every point of the undisturbed history, in each way."""
    points = play(base).points
    for role in roles:
        for point in points[role]:
            ways: tuple[Where, ...] = ("before", "middle", "after") if point.torn else ("before", "after")
            for where, kind in product(ways, KINDS):
                death = RoleDeath(role=role, point=point.number, where=where, kind=kind)
                yield replace(base, seed=point.number, deaths=(death,))


def drawn(seed: int) -> ArchivePlan:
    """Draw a history with several deaths and a server that does not behave."""
    rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
    deaths = {
        (role, rng.randrange(last)): RoleDeath
        for role, last in rng.choices((("sender", 120), ("sender", 60), ("watcher", 200), ("start", 40)), k=4)
    }
    return ArchivePlan(
        first=rng.choice(("tiny-groups", "groups-failed", "groups-passed", "passed")),
        second=rng.choice(("passed", "tiny-groups", "groups-failed")),
        seed=seed,
        start_s=round(rng.uniform(2.0, 12.0), 2),
        watcher_killed=rng.random() < HALF,
        before=rng.choice(
            ("no-connection", "rate-limited", "timeout-lost", "timeout-stored", "gateway-503-before")
        ),
        deliveries=tuple(rng.choice((*BEHAVIOURS, "ok", "ok")) for _ in range(rng.randint(0, 5))),
        deaths=tuple(
            made(role=role, point=point, where=rng.choice(WHERE), kind=rng.choice(KINDS))
            for (role, point), made in sorted(deaths.items(), key=lambda item: item[0])
        ),
    )


def cut_saves() -> Iterator[ArchivePlan]:
    """Yield histories whose first watcher dies between journal and snapshot, and whose sender does before it saves."""
    for point in range(60, 110):
        watcher = RoleDeath(role="watcher", point=point, where="after")
        yield ArchivePlan(
            start_s=2.6, deaths=(watcher, RoleDeath(role="sender", point=0, where="before", kind="power"))
        )
