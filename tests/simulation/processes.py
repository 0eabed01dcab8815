"""Several simulated processes at once: each is a thread, and exactly one of them runs at any time.

A process runs until it waits. Then the crew lets the next one run, or lets time pass. The order at one moment is drawn
from the seed, so the same seed is the same history.
"""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.watcher.loop import Loop

from .disk import Crash, Disk
from .patches import AT_ONCE, Hint
from .world import GRAIN_S, Endless, Inbox, World


class Process:
    """One process of the host. `work` runs in its thread; it ends by returning, or by Crash."""

    def __init__(self, crew: "Crew", role: str, number: int, work: Callable[[], None]) -> None:
        self.role, self.number = role, number
        self.owner = f"{role}-{number}"
        self.inbox = SharedInbox(crew, self)
        self.loop: Loop | None = None
        self.hint: Hint | None = None
        self.dead = False
        """Its disk calls raise Crash from now on."""
        self.error: BaseException | None = None
        self.ended = False
        self.descriptors: set[int] = set()
        self.paths: Paths | None = None
        """The run that it follows."""
        self.wakes_s = crew.world.monotonic_s
        self.wakes_for_items = False
        self._crew, self._work = crew, work
        self._go = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=self.owner, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self.dead:
                self._work()
        except BaseException as error:  # noqa: BLE001 - the crew raises it again
            self.error = error
        self.ended = True
        self._crew.back.release()

    def resume(self) -> None:
        """Let it run until it waits or ends."""
        self._go.release()
        self._crew.back.acquire()

    def wait(self, deadline_s: float, *, for_items: bool = False) -> None:
        """Hand the turn to the crew until the time has come; Crash if the process was killed meanwhile."""
        self.wakes_s, self.wakes_for_items = deadline_s, for_items
        self._crew.back.release()
        self._go.acquire()
        if self.dead:
            raise Crash

    def is_ready(self, now_s: float) -> bool:
        return not self.ended and (
            self.dead or self.wakes_s <= now_s or (self.wakes_for_items and self.inbox.has_items)
        )

    def watch(self, _state: Path, _log: Path, _artifacts: Path, hint: Hint) -> SimpleNamespace:
        """Takes the place of `FileWatcher`."""
        self.hint = hint
        return SimpleNamespace(start=lambda: None, stop=lambda: setattr(self, "hint", None), degraded=None)


class SharedInbox(Inbox):
    """The queue of one process; waiting hands the turn to the others."""

    def __init__(self, crew: "Crew", process: Process) -> None:
        super().__init__(crew.world, process.owner)
        self._process = process

    @property
    def has_items(self) -> bool:
        return bool(self._items)

    def get(self, *, timeout: float) -> Any:
        deadline_s = self._world.monotonic_s + max(timeout, GRAIN_S)
        while not self._items:
            if self._world.monotonic_s >= deadline_s:
                raise queue.Empty
            self._process.wait(deadline_s, for_items=True)
        return self._items.popleft()


class SharedWorld(World):
    """The time of all processes."""

    crew: "Crew"

    def sleep(self, seconds: float) -> None:
        deadline_s = self.monotonic_s + seconds
        while self.monotonic_s < deadline_s:
            self.crew.running().wait(deadline_s)

    def until(self, moment_s: float) -> None:
        """Do the next action that is due until then, or let the time pass."""
        self.step(moment_s)

    @property
    def next_action_s(self) -> float:
        return self._agenda[0][0] if self._agenda else float("inf")


class Crew:
    """The processes of one host."""

    def __init__(self, world: SharedWorld) -> None:
        self.world = world
        world.crew = self
        self.back = threading.Semaphore(0)
        self.processes: list[Process] = []
        self.current: Process | None = None
        self.on_end: Callable[[Process], None] = lambda _process: None

    def running(self) -> Process:
        assert self.current is not None, "no process runs"
        return self.current

    def start(self, role: str, work: Callable[[], None]) -> Process:
        process = Process(self, role, len(self.processes), work)
        self.world.tell(f"{process.owner} starts")
        self.processes.append(process)
        return process

    def living(self, role: str | None = None) -> list[Process]:
        return [each for each in self.processes if not each.ended and role in (None, each.role)]

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let processes and time continue until `is_over`."""
        while not is_over():
            ready = [each for each in self.processes if each.is_ready(self.world.monotonic_s)]
            if ready:
                self._turn(self.world.random.choice(ready))
                continue
            wakes_s = min((each.wakes_s for each in self.living()), default=self.world.next_action_s)
            if wakes_s == float("inf"):
                raise Endless("no process lives, and nothing will start one")
            self.world.until(wakes_s)

    def _turn(self, process: Process) -> None:
        self.current = process
        try:
            process.resume()
        finally:
            self.current = None
        if process.ended:
            self.world.forget(process.owner)
            self.on_end(process)

    def kill(self, process: Process) -> None:
        """SIGKILL, and wait for the end. It closes what the process has open, its locks too."""
        process.dead = True
        while not process.ended:
            self._turn(process)

    def kill_all(self) -> None:
        for process in self.living():
            self.kill(process)

    def as_process(self, process: Process, work: Callable[[], object]) -> Callable[[], None]:
        """Return an action of the agenda that a thread of that process does."""

        def run() -> None:
            before, self.current = self.current, process
            try:
                work()
            finally:
                self.current = before

        return run

    def spawn(self, process: Process) -> Callable[[Callable[[], None]], None]:
        """Return the starter of threads of that process."""

        def start(work: Callable[[], None]) -> None:
            # A thread may run at once, before the caller that started it continues.
            if self.world.random.random() < AT_ONCE:
                self.as_process(process, work)()
            else:
                later_s = round(self.world.random.uniform(0.01, 1.0), 3)
                self.world.after(later_s, self.as_process(process, work), process.owner)

        return start


class SharedDisk(Disk):
    """The disk of several processes: a killed one does nothing any more, the others continue."""

    crew: Crew

    @property
    def dead(self) -> bool:
        return self.crew.current is not None and self.crew.current.dead

    @dead.setter
    def dead(self, value: bool) -> None:
        if self.__dict__.get("crew") is not None and self.crew.current is not None:
            self.crew.current.dead = value

    def _opened(self, path: str, descriptor: int, *, cut: bool = False) -> int:
        self.crew.running().descriptors.add(descriptor)
        return super()._opened(path, descriptor, cut=cut)

    def close(self, descriptor: int) -> None:
        for process in self.crew.processes:
            process.descriptors.discard(descriptor)
        super().close(descriptor)

    def bury(self, process: Process) -> None:
        """Close everything that a dead process had open."""
        for descriptor in list(process.descriptors):
            self.close(descriptor)


def raised(error: BaseException | None) -> None:
    """Raise the error of a process that did not die by a planned crash."""
    if error is not None and not isinstance(error, Crash):
        raise error
