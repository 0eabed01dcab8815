"""Main loop of the watcher: one bounded queue, one deciding thread, and a fixed order of writing and acting.

append to the journal -> reduce -> sync -> perform -> save -> the outcome comes back as an event. An effect is performed
only after its cause is in the journal on disk. The snapshots are derived from the journal, so no effect waits for them.
Sources and performers only put items into the queue.
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
from atvm_pipeline.core.events import ClockTicked, Event, WatcherStopped, WriteRefused
from atvm_pipeline.core.reducer import is_finished, next_deadline, reduce
from atvm_pipeline.core.snapshot import Snapshot
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.delivery.deadline import Deadline
from atvm_pipeline.shell.delivery.sender import Deliver, deadline_of, enforce, in_thread, not_started, work
from atvm_pipeline.shell.state_dir.store import Store
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.repeat_limit import RepeatLimit

from .disk_retry import retry_io

QUEUE_MAX = 1000
"""Limit for queued hints and outcomes; a hint that finds the queue full becomes "scan everything"."""
LOOP_POLL_S = 3.0
"""Without hints, the process table and all other sources are scanned this often."""
DEGRADED_POLL_S = 1.0
"""The same interval if the file system cannot be watched."""
STOP_GRACE_S = 20.0
"""How long a watcher that was asked to stop waits for a delivery in progress."""
REFUSALS_MAX = 20
"""Times at which the disk refused writes that one watcher records."""
LAZY_SAVE_S = 1.0
"""A change outside phase, ledger and posts is saved within this time."""

URGENT = ("seen", "verdict", "cancel", "outbox", "notices", "subruns", "artifacts")
"""Fields of the run whose change is saved immediately: phase, ledger and posts are derived from them."""

Item = Event | Path | None
"""An item of the queue: an outcome, or a hint (a path; None: anything may have changed)."""


class Inbox(Protocol):
    """Queue of the loop, as `queue.Queue` implements it; raises queue.Full and queue.Empty."""

    def put(self, item: Item, /) -> None:
        """Put an outcome; wait for room."""
        ...

    def put_nowait(self, item: Item, /) -> None:
        """Put a hint without waiting."""
        ...

    def get(self, *, timeout: float) -> Item:
        """Return the next item, waiting at most this many seconds for it."""
        ...

    def get_nowait(self) -> Item:
        """Return the next item, if one is available."""
        ...


class Gathering(Protocol):
    """Sources of the loop."""

    def gather(self, hinted: set[Path] | None, /) -> Iterable[Event]:
        """Yield all new events; `hinted` are files that may have changed, None: anything may have."""
        ...


class Story(Protocol):
    """The log lines about a run."""

    def add(self, before: Run, event: Event, after: Run, /) -> None:
        """Add the lines about one event; never raises, never waits."""
        ...

    def write(self) -> None:
        """Write the lines whose facts are on disk; never raises, never waits."""
        ...


class NoStory:
    """No log lines: for a command that prints its own."""

    def add(self, _before: Run, _event: Event, _after: Run, /) -> None:
        """Add nothing."""

    def write(self) -> None:
        """Write nothing."""


class Loop:
    """Follow one run until it has ended and every post is settled."""

    def __init__(
        self,
        run: Run,
        store: Store,
        deliver: Deliver,
        *,
        on_save: Callable[[Snapshot], None],
        on_round: Callable[[], None] = lambda: None,
        on_refused: Callable[[str], None] = lambda _text: None,
        on_recovered: Callable[[WriteRefused], None] = lambda _event: None,
        story: Story | None = None,
        inbox: Inbox | None = None,
        spawn: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        """Create the loop of `run`.

        `on_save` receives every written snapshot, `on_round` is called for every step of progress. `on_refused` is
        called once, with one line of text, if the disk refuses writes for longer than a moment, `on_recovered` when it
        accepts writes again. `story` receives each event, and writes its lines after the effects. `spawn` runs an attempt in a thread of its own.
        """
        self.run = run
        self._store = store
        self._deliver = deliver
        self._on_save = on_save
        self._on_round = on_round
        self._on_refused = on_refused
        self._on_recovered = on_recovered
        self._disk_limit = RepeatLimit()
        self._refusals: list[WriteRefused] = []
        """Times at which the disk refused writes, not recorded yet."""
        self._refusals_left = REFUSALS_MAX
        self._spawn = spawn
        self._story = story or NoStory()
        self._queue: Inbox = inbox if inbox is not None else queue.Queue(QUEUE_MAX)
        self._not_started: list[Event] = []
        self._attempts: list[tuple[PostMessage | PingServer, Deadline]] = []
        """Attempts whose outcome is not decided yet, each with the deadline that the loop enforces."""
        self._scan_everything = threading.Event()
        self._base_s = run.watched_s - clock.monotonic()
        self._saved: Run | None = None
        self._dirty_since: float | None = None
        self._stop: str | None = None
        self.degraded = False

    # --- called by sources and performers, on any thread ---

    def hint(self, path: Path | None = None) -> None:
        """Queue a hint that something may have changed (None: anything). Never waits, never raises."""
        try:
            self._queue.put_nowait(path)
        except queue.Full:
            self._scan_everything.set()

    def stop(self, why: str) -> None:
        """Stop watching soon; the run itself continues."""
        self._stop = why
        self.hint()

    # --- the one thread that decides ---

    def watched_s(self) -> float:
        """Return how many seconds this run has been watched, by any watcher."""
        return self._base_s + clock.monotonic()

    def follow(
        self, sources: Gathering, *, on_ready: Callable[[], None], until: Callable[[Run], bool] = is_finished
    ) -> None:
        """Watch until the run is finished (or `until` is true) or a stop is requested.

        `on_ready` is called after the first scan of all sources.
        """
        self.feed(sources.gather(None))
        self.save()
        on_ready()
        while not until(self.run) and self._stop is None:
            hinted, outcomes = self._wait()
            self.feed(outcomes)
            due = self._is_due()
            if not until(self.run):
                # A hint may have been lost. All sources are scanned again before time decides anything.
                self.feed(sources.gather(None if due else hinted))
            if due:
                self._tick()
            self._save_lazily()
            self._on_round()
        if self._stop is not None and not is_finished(self.run):
            self._wind_down(self._stop)
        self.save()

    def feed(self, events: Iterable[Event]) -> None:
        """Apply events in order, in batches that each end with the first event that requests an effect."""
        batch: list[Event] = []
        for event in events:
            # A log of gigabytes is one round with many events; each event counts as progress.
            self._on_round()
            effects = self._apply(event, batch)
            if effects:
                self._commit(batch, effects)
                batch = []
        self._commit(batch)
        while self._refusals:
            # While it lasted, a refusal could not be recorded.
            batch = []
            self._commit(batch, self._apply(self._refusals.pop(0), batch))

    def recovered(self, event: WriteRefused) -> None:
        """Record, with the next events, that the disk refused writes until now."""
        if self._refusals_left:
            self._refusals_left -= 1
            self._refusals.append(event)
        self._on_recovered(event)

    def _apply(self, event: Event, batch: list[Event]) -> tuple[Effect, ...]:
        stamped = replace(event, seq=self.run.seq + 1, watched_s=self._stamp(event))
        batch.append(stamped)
        # Until an effect is performed or a snapshot is saved, reducing first and appending afterwards is equivalent to
        # the opposite order, because the state in between is not visible.
        step = reduce(self.run, stamped)
        self._story.add(self.run, stamped, step.run)
        self.run = step.run
        return step.effects

    def _stamp(self, event: Event) -> float:
        """Return when `event` counts as seen.

        Only a tick passes a deadline: everything found by the scan before it still counts.
        """
        now_s = self.watched_s()
        deadline = None if isinstance(event, ClockTicked) else next_deadline(self.run)
        return now_s if deadline is None or now_s < deadline else math.nextafter(deadline, 0.0)

    def _commit(self, batch: list[Event], effects: Iterable[Effect] = ()) -> None:
        """Make the batch durable, then perform its effects, then save what changed."""
        if not batch:
            return
        self.retry_write(lambda: self._store.append(batch), "append to")
        self.retry_write(self._store.sync, "sync")
        for effect in effects:
            self._perform(effect)
        self._dirty_since = self._dirty_since or clock.monotonic()
        if self._is_urgent():
            self.save()
        self._story.write()

    def _is_urgent(self) -> bool:
        """Return whether phase, ledger or posts may differ from the saved ones; unchanged fields are identical objects."""
        saved = self._saved
        return saved is None or any(getattr(saved, name) is not getattr(self.run, name) for name in URGENT)

    def save(self) -> None:
        """Write the snapshots, retrying as long as the disk refuses."""
        saved: list[Snapshot] = []
        self.retry_write(lambda: saved.append(self._store.save(self.run)), "write to")
        self._saved = self.run
        self._dirty_since = None
        for snapshot in saved:
            self._on_save(snapshot)

    def _save_lazily(self) -> None:
        if self._dirty_since is not None and clock.monotonic() - self._dirty_since >= LAZY_SAVE_S:
            self.save()

    def retry_write(self, write: Callable[[], None], what: str) -> None:
        """Write, retrying as long as the disk refuses, until a stop is requested."""
        retry_io(
            write,
            what,
            on_round=self._on_round,
            on_refused=self._on_refused,
            gives_up=lambda _error: self._stop is not None,
            on_recovered=self.recovered,
            limit=self._disk_limit,
        )

    def _wait(self) -> tuple[set[Path] | None, list[Event]]:
        """Sleep until a hint, an outcome or a deadline; return the hinted paths (None: everything) and the outcomes."""
        hinted: set[Path] = set()
        outcomes: list[Event] = [*self._not_started]
        self._not_started.clear()
        everywhere = self._scan_everything.is_set()
        self._scan_everything.clear()
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
        """Record the stop, after which no attempt starts, and wait for the outcome of a delivery in progress."""
        self.feed([WatcherStopped(at=clock.now(), why=why)])
        deadline = clock.monotonic() + STOP_GRACE_S
        while any(post.in_flight for post in self.run.outbox) and clock.monotonic() < deadline:
            self.feed(self._wait()[1])
