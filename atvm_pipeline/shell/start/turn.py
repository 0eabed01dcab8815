"""Turn of a start: it gets its locks if nothing that it needs is in use, and can wait until that is so (--wait).

First come, first served: a start that came earlier and needs the same build name, log, config file or host goes first,
also if the resource is free for a moment. The tickets (`tickets.py`) keep the order.
"""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from atvm_pipeline.core.text import format_duration
from atvm_pipeline.shell.exit_codes import IN_USE, CommandError
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import Busy, is_locked, locked
from atvm_pipeline.shell.system.log import log

from .conflicts import Conflict, check_writable, conflict_with_others, living_runner, under_way
from .resources import resources_of, waiting_request, with_request_of
from .start_options import StartOptions
from .tickets import DrawnTicket, check_ticket, draw_ticket, queue_lock

TURN_POLL_S = 1.0


@contextlib.contextmanager
def start_turn(options: StartOptions) -> Iterator[None]:
    """Hold the ticket and the lock of the build, which two starts must not have at once.

    With --wait, wait for the turn of this start. Raises CommandError (75) if something that it needs is in use.
    """
    check_writable(options.paths)
    known = waiting_request(options.paths) if options.only == "runner" else None
    resources = resources_of(options if known is None else with_request_of(known, options))
    root, wait_s = options.paths.state_root, options.wait_s
    with contextlib.ExitStack() as held:
        if options.check:
            # Nothing is started: there is no turn to wait for, and no other start has to wait.
            ticket, wait_s = check_ticket(root, resources), None
        else:
            until = clock.now() + timedelta(seconds=wait_s) if wait_s is not None else None
            ticket = held.enter_context(draw_ticket(root, resources, waiting=wait_s is not None, until=until))
        conflict = _take(options, ticket, held)
        if conflict is not None and wait_s is None:
            raise CommandError(IN_USE, conflict.text)
        if conflict is not None and wait_s is not None:
            _wait(options, ticket, held, conflict, wait_s)
        yield


def _take(options: StartOptions, ticket: DrawnTicket, held: contextlib.ExitStack) -> Conflict | None:
    """Take the lock of the build into `held` if nothing is in use; otherwise return the conflict."""
    if options.only != "watcher":
        # A waiting start checks this every second, so the scan of the process table comes after it.
        with queue_lock(options.paths.state_root):
            conflict = conflict_with_others(options, ticket)
        if conflict is not None:
            return conflict
    runner = living_runner(options)
    if isinstance(runner, Conflict):
        return runner
    with queue_lock(options.paths.state_root):
        conflict = conflict_with_others(options, ticket)
        if conflict is not None and runner is not None and conflict.hosts_only:
            # The runner is running already, so its watcher is started in any case.
            log(f"warning: {conflict.text}")
            conflict = None
        if conflict is not None:
            return conflict
        if options.check:
            return under_way(options) if is_locked(options.paths.start_lock) else None
        try:
            held.enter_context(locked(options.paths.start_lock))
        except Busy:
            return under_way(options)
        ticket.serve()
    return None


def _wait(
    options: StartOptions,
    ticket: DrawnTicket,
    held: contextlib.ExitStack,
    conflict: Conflict,
    wait_s: float,
) -> None:
    """Wait until nothing is in use; log the run that is waited for. Raises CommandError (75) after `wait_s` seconds."""
    began_s = clock.monotonic()
    until = ticket.ticket.until
    latest = until.astimezone().strftime("%Y-%m-%d %H:%M:%S %z") if until is not None else ""
    logged = ""
    current: Conflict | None = conflict
    while current is not None:
        if current.waits_for != logged:
            logged = current.waits_for
            log(f"waiting for {logged}; until {latest} at the latest (--wait-timeout {wait_s:g})")
        left_s = wait_s - (clock.monotonic() - began_s)
        if left_s <= 0:
            raise CommandError(
                IN_USE,
                f"gave up after waiting {format_duration(wait_s)} for {logged}; nothing was started; "
                "to wait longer, use --wait-timeout",
            )
        clock.sleep(min(TURN_POLL_S, left_s))
        current = _take(options, ticket, held)
    log(f"the wait is over after {format_duration(clock.monotonic() - began_s)}")
