"""Tickets: every start draws a numbered ticket, so that starts that need the same resource come one after another.

A ticket is a file `<state root>/.locks/starts/<number>.json` with the resources of the start. Its start holds a lock on
it, from before its checks until it returns. The kernel releases the lock when the process ends, for whatever reason, so
a ticket whose lock is free belongs to a start that is gone; the next start deletes it.

Tickets are drawn, compared and changed under one lock for all starts of the state root, which is held for
milliseconds. Two starts that need the same resource therefore cannot both pass: one of them sees the other's ticket. An
earlier ticket comes first, whether its start is waiting (--wait) or under way.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from atvm_pipeline.core.facts import Instant
from atvm_pipeline.core.text import escape_json
from atvm_pipeline.shell.exit_codes import IN_USE, CommandError
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import Busy, is_locked, locked, make_folder, read_small, write_all

from .resources import Resources

TICKETS = ".locks/starts"
"""In the state root."""
QUEUE_LOCK = "queue.lock"
BEHIND_ALL = "check"
"""A name that is greater than every number."""
QUEUE_LOCK_WAIT_S = 30.0
"""The lock is held for milliseconds; on a stuck disk a start gives up after this time."""
QUEUE_LOCK_POLL_S = 0.01
TICKET_DIGITS = 12


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a ticket. Unknown keys are accepted, because an older release must be able to read it."""

    resources: Resources
    pid: int
    drawn_at: Instant
    waiting: bool = False
    """The start waits for its turn (--wait); otherwise it is under way."""
    until: Instant | None = None
    """The time at which a waiting start gives up."""


class DrawnTicket:
    """The ticket of this process."""

    def __init__(self, path: Path, descriptor: int | None, ticket: Ticket) -> None:
        """Write the ticket into the file that `descriptor` has locked. The caller holds the lock of the queue.

        Without a descriptor, no other start sees the ticket.
        """
        self._path = path
        self._descriptor = descriptor
        self.ticket = ticket
        self._write()

    def earlier(self) -> list[Ticket]:
        """Return the tickets of living starts that were drawn before this one. The caller holds the lock of the queue."""
        return [ticket for path, ticket in _living(self._path.parent) if path.name < self._path.name]

    def serve(self) -> None:
        """Record that the start is under way now. The caller holds the lock of the queue."""
        if not self.ticket.waiting:
            return
        self.ticket = msgspec.structs.replace(self.ticket, waiting=False, until=None)
        self._write()

    def _write(self) -> None:
        if self._descriptor is None:
            return
        data = escape_json(msgspec.json.encode(self.ticket)) + b"\n"
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)
        write_all(self._descriptor, data, self._path)


@contextlib.contextmanager
def draw_ticket(
    state_root: Path, resources: Resources, *, waiting: bool = False, until: Instant | None = None
) -> Iterator[DrawnTicket]:
    """Draw the next ticket and hold it while the block runs. Raises CommandError, OSError."""
    folder = state_root / TICKETS
    ticket = Ticket(resources=resources, pid=os.getpid(), drawn_at=clock.now(), waiting=waiting, until=until)
    with contextlib.ExitStack() as held:
        with queue_lock(state_root):
            path = folder / f"{_last_number(folder) + 1:0{TICKET_DIGITS}}.json"
            drawn = DrawnTicket(path, held.enter_context(locked(path)), ticket)
        try:
            yield drawn
        finally:
            # Before its lock is released, so that no other start can be using this number already.
            with contextlib.suppress(OSError):
                path.unlink()


def check_ticket(state_root: Path, resources: Resources) -> DrawnTicket:
    """Return a ticket behind all others that keeps no start from anything, for a check that starts nothing."""
    ticket = Ticket(resources=resources, pid=os.getpid(), drawn_at=clock.now())
    return DrawnTicket(state_root / TICKETS / BEHIND_ALL, None, ticket)


@contextlib.contextmanager
def queue_lock(state_root: Path) -> Iterator[None]:
    """Hold the lock under which tickets are drawn and compared. Raises CommandError (75) if it does not get free."""
    path = state_root / TICKETS / QUEUE_LOCK
    with contextlib.ExitStack() as held:

        def taken() -> bool:
            try:
                held.enter_context(locked(path))
            except Busy:
                return False
            return True

        if not clock.wait_until(taken, QUEUE_LOCK_WAIT_S, QUEUE_LOCK_POLL_S):
            raise CommandError(
                IN_USE,
                f"another start has held {path} for {QUEUE_LOCK_WAIT_S:.0f} s; try again when it has ended",
            )
        yield


def waiting_starts(state_root: Path) -> list[Ticket]:
    """Return the starts that wait for their turn, in their order. Changes nothing and never raises."""
    with contextlib.suppress(OSError):
        return [ticket for _, ticket in _living(state_root / TICKETS, clean=False) if ticket.waiting]
    return []


def _living(folder: Path, *, clean: bool = True) -> Iterator[tuple[Path, Ticket]]:
    """Yield the tickets of living starts in their order; delete the others if `clean` is set."""
    for path in _paths(folder):
        if not is_locked(path):
            if clean:
                path.unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield path, msgspec.json.decode(read_small(path) or b"", type=Ticket)


def _last_number(folder: Path) -> int:
    make_folder(folder)
    return max((int(path.stem) for path in _paths(folder)), default=0)


def _paths(folder: Path) -> list[Path]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - only names are needed
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return [
        folder / f"{stem}.json" for stem in sorted(stems) if stem.isdecimal() and len(stem) == TICKET_DIGITS
    ]
