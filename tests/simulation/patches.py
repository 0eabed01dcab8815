"""The points where the shell touches the host, and their replacements in a simulation.

Everything else is the program itself.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from atvm_pipeline.shell.delivery import alerts, http, sender
from atvm_pipeline.shell.processes import process_table
from atvm_pipeline.shell.sources import collector
from atvm_pipeline.shell.state_dir import store
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.watcher import disk_alerts, disk_retry, loop, service, story_log
from atvm_pipeline.shell.watcher.loop import Loop

from .outside import Outside
from .server import Server
from .table import WATCHER
from .world import Inbox, World

Hint = Callable[[Path | None], None]
AT_ONCE = 0.5
"""Share of the deliveries that reach the server at once."""


class Watcher:
    """The private parts of one watcher process: number, queue, and the loop that hints and signals reach."""

    def __init__(self, world: World, number: int) -> None:
        self.owner = f"watcher-{number}"
        self.number = number
        self.inbox = Inbox(world, self.owner)
        self.loop: Loop | None = None
        self.hint: Hint | None = None

    def watch(self, _state: Path, _log: Path, _artifacts: Path, hint: Hint) -> SimpleNamespace:
        """Takes the place of `Watch`: the simulated environment sends the hints."""
        self.hint = hint
        return SimpleNamespace(start=lambda: None, stop=self.deaf, degraded=None)

    def deaf(self) -> None:
        self.hint = None


@contextmanager
def simulated(
    world: World, outside: Outside, server: Server, watcher: Watcher, *, poll_s: float
) -> Iterator[None]:
    """Run one watcher in this environment while the block runs."""
    names = count(watcher.number * 1_000_000)

    def spawn(work: Callable[[], None]) -> None:
        # A thread may run at once, before the caller that started it continues.
        if world.random.random() < AT_ONCE:
            work()
        else:
            world.after(round(world.random.uniform(0.01, 1.0), 3), work, watcher.owner)

    def send(*args: Any, **more: Any) -> Any:
        try:
            return server.send(*args, **more)
        finally:
            watcher.inbox.answer_after_s = server.answer_after_s

    def send_once(effect: Any, perform: sender.Deliver) -> Any:
        return perform(effect, sender.deadline_of(effect))

    def alert_later(*args: Any, on_outcome: Callable[[alerts.Outcome], None], **more: Any) -> None:
        world.after(0.5, lambda: on_outcome(alerts.send_alert(*args, **more, patience_s=0)), watcher.owner)

    def log(text: str) -> None:
        # The directory has a random name, and the same seed must give the same trace.
        world.tell(text.replace(f"{outside.paths.state_root.parent}/", ""))

    def listen(started: Loop) -> None:
        watcher.loop = started

    places: list[tuple[Any, str, Any]] = [
        *((clock, name, getattr(world, name)) for name in ("now", "monotonic", "sleep", "boot_id")),
        (clock, "utc_offset_s", lambda: 0),
        (os, "urandom", lambda size: next(names).to_bytes(size, "big")),
        (loop, "LOOP_POLL_S", poll_s),
        *((module, "log", log) for module in (disk_retry, store, alerts, service, story_log)),
        (alerts, "send_once", send_once),
        (http, "send", send),
        *(
            (process_table, name, getattr(outside.table, name))
            for name in ("read_row", "pids", "newest_pid", "command_line")
        ),
        (collector, "ExitWatcher", outside.table.wait_for_exit),
        (service, "Loop", partial(Loop, inbox=watcher.inbox, spawn=spawn)),
        (service, "FileWatcher", watcher.watch),
        (service, "_stop_on_signals", listen),
        (service, "self_identity", lambda: (WATCHER + watcher.number, 1.0)),
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
