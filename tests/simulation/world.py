"""The simulated time: one agenda, two clocks, and the watcher's queue, which lets time pass while it waits.

Nothing here sleeps. A process that waits hands its turn to the next action of the agenda. Actions at the same
moment come in an order that the seed draws.
"""

import heapq
import queue
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from atvm_pipeline.shell.watcher.loop import Item

BEGIN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
Action = Callable[[], None]
GRAIN_S = 1e-4
"""The minimum wait: a smaller one may be lost in the sum, and then the time would stand still."""
OUTSIDE, RUNNER = "outside", "runner"
"""The owner of an action: a reboot removes the runner's, a crash those of the dead watcher (`watcher-N`)."""


class Endless(AssertionError):  # noqa: N818 - names the kind of history
    """The watcher did not end within the time of a history: a message or a verdict is lost in silence."""


class World:
    """Clock and agenda."""

    def __init__(self, seed: int, *, ends_after_s: float) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation, no secret
        self.monotonic_s = 1000.0
        self.wall = BEGIN
        self.boot = 1
        self.trace: list[str] = []
        self._ends_s = self.monotonic_s + ends_after_s
        self._agenda: list[tuple[float, float, int, str, Action]] = []
        self._numbers = count()

    # --- replacements of `shell.clock` ---

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.monotonic_s

    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    def sleep(self, seconds: float) -> None:
        deadline_s = self.monotonic_s + seconds
        while self.step(deadline_s):
            pass

    # --- the agenda ---

    def tell(self, text: str) -> None:
        """Add an event to the trace, for the person who repeats the history."""
        self.trace.append(f"{self.monotonic_s - 1000:9.3f} {text}")

    def after(self, seconds: float, action: Action, owner: str = OUTSIDE) -> None:
        """Do `action` after this many seconds of the monotonic clock."""
        entry = (self.monotonic_s + seconds, self.random.random(), next(self._numbers), owner, action)
        heapq.heappush(self._agenda, entry)

    def forget(self, owner: str) -> None:
        """Cancel the pending actions of `owner`."""
        self._agenda = [entry for entry in self._agenda if entry[3] != owner]
        heapq.heapify(self._agenda)

    def pull(self) -> None:
        """Let the next event outside of the watcher happen now."""
        ahead = [entry for entry in self._agenda if entry[3] in (OUTSIDE, RUNNER)]
        if ahead:
            entry = min(ahead)
            self._agenda.remove(entry)
            heapq.heapify(self._agenda)
            entry[4]()

    def step(self, deadline_s: float) -> bool:
        """Do the next action due until `deadline_s`; without one, advance the time to `deadline_s`."""
        if self._agenda and self._agenda[0][0] <= deadline_s:
            at_s, _, _, _, action = heapq.heappop(self._agenda)
            self._pass(at_s)
            action()
            return True
        self._pass(deadline_s)
        return False

    def _pass(self, until_s: float) -> None:
        if until_s > self.monotonic_s:
            self.wall += timedelta(seconds=until_s - self.monotonic_s)
            self.monotonic_s = until_s
        if self.monotonic_s > self._ends_s:
            raise Endless(f"no end after {self._ends_s - 1000:.0f} s")

    # --- changes of the clocks ---

    def step_wall(self, seconds: float) -> None:
        """Set the clock. A suspended host is the same: the monotonic clock stands still."""
        self.tell(f"the wall clock jumps by {seconds:+.0f} s")
        self.wall += timedelta(seconds=seconds)

    def reboot(self) -> None:
        self.boot += 1
        self.forget(RUNNER)


class Inbox:
    """The queue of one watcher (`loop.Inbox`). An outcome is added when the answer arrives."""

    def __init__(self, world: World, owner: str) -> None:
        self._world = world
        self._owner = owner
        self._items: deque[Item] = deque()
        self.answer_after_s = 0.0

    def put(self, item: Item, /) -> None:
        self._world.after(self.answer_after_s, lambda: self._items.append(item), self._owner)

    def put_nowait(self, item: Item, /) -> None:
        self._items.append(item)

    def get(self, *, timeout: float) -> Item:
        deadline_s = self._world.monotonic_s + max(timeout, GRAIN_S)
        while not self._items:
            if not self._world.step(deadline_s):
                raise queue.Empty
        return self._items.popleft()

    def get_nowait(self) -> Item:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()
