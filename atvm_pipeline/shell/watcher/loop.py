"""The loop: one bounded queue, one thread that decides, and the order that makes the promises true.

append to the journal -> reduce -> sync -> perform -> save -> the outcome comes back as an event.  Nothing acts before
its cause is in the journal on disk; the snapshots are made from that, so no effect waits for them.  Sources and
performers only put into the queue.
"""

import math
import queue
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from atvm_pipeline.core.effects import Effect, EndWatching, PingServer, PostMessage
from atvm_pipeline.core.events import ClockTicked, Event, WatcherStopped
from atvm_pipeline.core.reducer import is_finished, next_deadline, reduce
from atvm_pipeline.core.snapshot import Snapshot
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.delivery.deadline import Deadline
from atvm_pipeline.shell.delivery.sender import Deliver, deadline_of, enforce, in_thread, not_started, work
from atvm_pipeline.shell.state_dir.store import Store
from atvm_pipeline.shell.system import clock

from .retry import retry_io

QUEUE_MAX = 1000
"""Hints and outcomes waiting; a hint that finds it full becomes "look everywhere"."""
LOOP_POLL_S = 3.0
"""How often the process table is looked at, and everything else once, when nothing hints."""
DEGRADED_POLL_S = 1.0
"""The same where the file system cannot be watched."""
STOP_GRACE_S = 20.0
"""How long a watcher that is told to stop waits for a delivery that is under way."""
LAZY_SAVE_S = 1.0
"""A change that is no change of phase, ledger or post is saved within this."""

URGENT = ("seen", "verdict", "cancel", "outbox", "notices", "subruns", "artifacts")
"""Fields of the run whose change is saved at once: everything that phase, ledger and posts are made of."""

Item = Event | Path | None
"""What waits in the queue: an outcome, or a hint (a path; None: anything may have changed)."""


class Inbox(Protocol):
    """What the loop needs of its queue (`queue.Queue`): raises queue.Full and queue.Empty."""

    def put(self, item: Item, /) -> None:
        """Put an outcome; waits for room."""
        ...

    def put_nowait(self, item: Item, /) -> None:
        """Put a hint; never waits."""
        ...

    def get(self, *, timeout: float) -> Item:
        """The next one, waiting for it so many seconds at most."""
        ...

    def get_nowait(self) -> Item:
        """The next one, if there is one."""
        ...


class Gathering(Protocol):
    """What the loop needs of the sources."""

    def gather(self, hinted: set[Path] | None, /) -> Iterable[Event]:
        """Everything new; `hinted` are files that may have changed, None: anything may have."""
        ...


class Loop:
    """Follows one run until it has ended and every post is settled."""

    def __init__(
        self,
        run: Run,
        store: Store,
        deliver: Deliver,
        *,
        on_save: Callable[[Snapshot], None],
        on_round: Callable[[], None] = lambda: None,
        on_refused: Callable[[str], None] = lambda _text: None,
        inbox: Inbox | None = None,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        """`on_save` is told of every snapshot that was written, `on_round` of every step forward of the loop.

        `on_refused` is told once, in one line, that the disk refuses for longer than a moment.  `spawn` runs an
        attempt in a thread of its own.
        """
        self.run = run
        self._store = store
        self._deliver = deliver
        self._on_save = on_save
        self._on_round = on_round
        self._on_refused = on_refused
        self._spawn = spawn
        self._queue: Inbox = inbox if inbox is not None else queue.Queue(QUEUE_MAX)
        self._not_started: list[Event] = []
        self._attempts: list[tuple[PostMessage | PingServer, Deadline]] = []
        """Attempts whose outcome is not decided yet, with the deadline that the loop enforces."""
        self._look_everywhere = threading.Event()
        self._base_s = run.watched_s - clock.monotonic()
        self._saved: Run | None = None
        self._dirty_since: float | None = None
        self._stop: str | None = None
        self.degraded = False

    # --- called by sources and performers, on any thread ---

    def hint(self, path: Path | None = None) -> None:
        """Something may have changed (None: anything).  Never waits, never raises."""
        try:
            self._queue.put_nowait(path)
        except queue.Full:
            self._look_everywhere.set()

    def stop(self, why: str) -> None:
        """End watching soon, the run going on."""
        self._stop = why
        self.hint()

    # --- the one thread that decides ---

    def watched_s(self) -> float:
        """Seconds that any watcher of this run has watched."""
        return self._base_s + clock.monotonic()

    def follow(
        self, sources: Gathering, *, on_ready: Callable[[], None], until: Callable[[Run], bool] = is_finished
    ) -> None:
        """Watch until the run is finished (or `until` holds) or a stop is asked for.

        `on_ready` is called after the first look at everything.
        """
        self.feed(sources.gather(None))
        self.save()
        on_ready()
        while not until(self.run) and self._stop is None:
            hinted, outcomes = self._wait()
            self.feed(outcomes)
            due = self._is_due()
            if not until(self.run):
                # A hint may have been lost: before time decides anything, everything is looked at once more.
                self.feed(sources.gather(None if due else hinted))
            if due:
                self._tick()
            self._save_lazily()
            self._on_round()
        if self._stop is not None and not is_finished(self.run):
            self._wind_down(self._stop)
        self.save()

    def feed(self, events: Iterable[Event]) -> None:
        """Apply events in order, each batch as far as it asks for no effect."""
        batch: list[Event] = []
        for event in events:
            # A log of gigabytes is one round of many events, each of them progress.
            self._on_round()
            effects = self._apply(event, batch)
            if effects:
                self._commit(batch, effects)
                batch = []
        self._commit(batch)

    def _apply(self, event: Event, batch: list[Event]) -> tuple[Effect, ...]:
        stamped = replace(event, seq=self.run.seq + 1, watched_s=self._stamp(event))
        batch.append(stamped)
        # Until an effect is performed or a snapshot saved, reducing first and appending after is the same as the
        # other way round: nobody can see the state in between.
        step = reduce(self.run, stamped)
        self.run = step.run
        return step.effects

    def _stamp(self, event: Event) -> float:
        """When `event` counts as seen.  Only a tick passes a deadline: what the look before it finds counts, all of it."""
        now_s = self.watched_s()
        deadline = None if isinstance(event, ClockTicked) else next_deadline(self.run)
        return now_s if deadline is None or now_s < deadline else math.nextafter(deadline, 0.0)

    def _commit(self, batch: list[Event], effects: Iterable[Effect] = ()) -> None:
        """Make the batch durable, then perform what it asks for, then save what changed."""
        if not batch:
            return
        self.insist(lambda: self._store.append(batch), "append to the journal")
        self.insist(self._store.sync, "sync the journal")
        for effect in effects:
            self._perform(effect)
        self._dirty_since = self._dirty_since or clock.monotonic()
        if self._is_urgent():
            self.save()

    def _is_urgent(self) -> bool:
        """Whether phase, ledger or posts may differ from what was saved; what is untouched is the same object."""
        saved = self._saved
        return saved is None or any(getattr(saved, name) is not getattr(self.run, name) for name in URGENT)

    def save(self) -> None:
        """Write the snapshots, however long the disk refuses."""
        saved: list[Snapshot] = []
        self.insist(lambda: saved.append(self._store.save(self.run)), "save state.json")
        self._saved = self.run
        self._dirty_since = None
        for snapshot in saved:
            self._on_save(snapshot)

    def _save_lazily(self) -> None:
        if self._dirty_since is not None and clock.monotonic() - self._dirty_since >= LAZY_SAVE_S:
            self.save()

    def insist(self, write: Callable[[], None], what: str) -> None:
        """Write, however long the disk refuses, until a stop is asked for."""
        retry_io(
            write,
            what,
            on_round=self._on_round,
            on_refused=self._on_refused,
            gives_up=lambda _error: self._stop is not None,
        )

    def _wait(self) -> tuple[set[Path] | None, list[Event]]:
        """Sleep until a hint, an outcome or a deadline; gives the hinted paths (None: everything) and the outcomes."""
        hinted: set[Path] = set()
        outcomes: list[Event] = [*self._not_started]
        self._not_started.clear()
        everywhere = self._look_everywhere.is_set()
        self._look_everywhere.clear()
        try:
            item = self._queue.get(timeout=self._timeout_s())
            while True:
                if item is None:
                    everywhere = True
                elif isinstance(item, Path):
                    hinted.add(item)
                else:
                    outcomes.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        outcomes += self._enforce_deadlines()
        return (None if everywhere else hinted), outcomes

    def _enforce_deadlines(self) -> list[Event]:
        """End the attempts whose deadline has passed; return their outcomes."""
        late = [enforce(effect, deadline) for effect, deadline in self._attempts if not deadline.left_s()]
        self._attempts = [attempt for attempt in self._attempts if not attempt[1].is_decided]
        return [outcome for outcome in late if outcome is not None]

    def _timeout_s(self) -> float:
        longest = DEGRADED_POLL_S if self.degraded else LOOP_POLL_S
        if self._dirty_since is not None:
            longest = min(longest, LAZY_SAVE_S)
        longest = min([longest, *(limit.left_s() for _, limit in self._attempts if not limit.is_decided)])
        deadline = next_deadline(self.run)
        if deadline is None:
            return longest
        return min(longest, max(0.0, deadline - self.watched_s()))

    def _is_due(self) -> bool:
        deadline = next_deadline(self.run)
        return deadline is not None and deadline <= self.watched_s()

    def _tick(self) -> None:
        if self._is_due():
            self.feed([ClockTicked(at=clock.now())])

    def _perform(self, effect: Effect) -> None:
        match effect:
            case PostMessage() | PingServer():
                deadline = deadline_of(effect)
                try:
                    self._spawn(partial(work, effect, self._deliver, deadline, self._queue.put))
                except RuntimeError:
                    # No thread is available, so nothing was sent.
                    self._not_started.append(not_started(effect))
                    self.hint()
                else:
                    self._attempts.append((effect, deadline))
            case EndWatching():
                self.hint()

    def _wind_down(self, why: str) -> None:
        """Note the stop, after which no attempt begins; then let a delivery under way settle, so that it is certain."""
        self.feed([WatcherStopped(at=clock.now(), why=why)])
        deadline = clock.monotonic() + STOP_GRACE_S
        while any(post.in_flight for post in self.run.outbox) and clock.monotonic() < deadline:
            self.feed(self._wait()[1])
