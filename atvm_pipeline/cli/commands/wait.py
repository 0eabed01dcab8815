"""Wait until a run has ended and its messages are settled.

Exit code: 0 if the run is COMPLETED, 1 if not. 69 has priority: no watcher is running, or a message was not delivered.
"""

import argparse
from typing import Any

from atvm_pipeline.cli.options import add_state_root, environment, given_state_root, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import Call, known_run, paths_of, problems, waiting_words
from atvm_pipeline.cli.run_table import failing_words, progress, running_specs
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import format_duration, join_names
from atvm_pipeline.shell.exit_codes import DONE, NO, UNAVAILABLE, USAGE, CommandError
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import (
    count_words,
    liveness,
    posts_pending,
    read_state,
    undelivered,
)
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.log import log

WAIT_POLL_S = 0.2
UNWATCHED_S = 3.0
"""Time without a watcher that is accepted: a watcher that is being restarted holds no lock for a moment."""
QUIET_S = 2.0
"""A wait that ends sooner prints only the result."""
REPORT_S = 600.0
"""A line shows why the command still waits, whenever that changes, and this often if it does not."""


HELP = CommandHelp(
    examples=("atvm-pipeline wait BUILD --timeout 36000 && echo passed",),
    exit_codes="0 if the run is COMPLETED, 1 if not; 69 comes first: no watcher is running, a message was not delivered, or "
    "the time is over; 65 if the run is not known",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="BUILD, BUILD@TIME for an archived run, or a run id")
    parser.add_argument("--timeout", type=float, metavar="S", help="give up after this many seconds (69)")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Wait for the end of the run. Raises CommandError."""
    if args.timeout is not None and not args.timeout >= 0:  # true for nan too
        raise CommandError(USAGE, f"--timeout {args.timeout} is not valid: use a number of seconds")
    paths = paths_of(state_root(args, environment()), args.build)
    if not paths.request.exists():
        known_run(paths, Call(clock.now(), given_state_root(args)))
    return Wait(paths, given_state_root(args), args.timeout).run()


class Wait:
    """One call of the command."""

    def __init__(self, paths: Paths, words: list[str], timeout_s: float | None) -> None:
        """Start to wait for a run; `words` belong to every command that is printed."""
        self._paths, self._words, self._timeout_s = paths, words, timeout_s
        self._begin_s = self._watched_s = clock.monotonic()
        self._file: tuple[int, ...] = ()
        self._state: dict[str, Any] | None = None
        self._reported: tuple[object, ...] = ()
        self._reported_s = 0.0

    def run(self) -> int:
        """Return the exit code of the run. Raises CommandError (69)."""
        while True:
            state = self._read()
            if state is not None and state["phase"] in TERMINAL_PHASES and not posts_pending(state):
                log(f"{self._name}: {state['phase']}: {state['reason']['text']}")
                self._check_messages(state)
                return DONE if state["phase"] == "COMPLETED" else NO
            self._check_watcher(state)
            waited_s = clock.monotonic() - self._begin_s
            if self._timeout_s is not None and waited_s >= self._timeout_s:
                text = (
                    f"{self._situation(state)}; gave up after {format_duration(self._timeout_s)} (--timeout)"
                )
                raise CommandError(UNAVAILABLE, text)
            if waited_s >= QUIET_S:
                self._report(state)
            clock.sleep(WAIT_POLL_S)

    @property
    def _name(self) -> str:
        return address_of(self._paths)

    @property
    def _call(self) -> Call:
        return Call(clock.now(), self._words)

    def _read(self) -> dict[str, Any] | None:
        """Return the state; it is read again only if the file has changed, because it may have megabytes."""
        try:
            found = self._paths.state.stat()
        except OSError:
            found = None
        file = (found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else ()
        if file != self._file or not file:
            self._state = read_state(self._paths)
            self._file = file
        return self._state

    def _check_watcher(self, state: dict[str, Any] | None) -> None:
        """Raise CommandError (69) if no watcher has been running for some time."""
        now_s = clock.monotonic()
        if liveness(self._paths)["watcher"]:
            self._watched_s = now_s
        if now_s - self._watched_s < UNWATCHED_S:
            return
        found = problems(self._paths, state, self._call) if state is not None else []
        text, fix = found[0] if found else ("", "")
        if self._paths.is_archived:
            raise CommandError(UNAVAILABLE, f"{self._name}: {text}{f'; {fix}' if fix else ''}")
        phase = state["phase"] if state is not None else "not started"
        attach = fix or self._call.command(
            "start-atvm-run-watcher.sh --attach --build-name", self._paths.build_name
        )
        raise CommandError(
            UNAVAILABLE, f"no watcher is running for {self._name} ({phase}): attach one with {attach}"
        )

    def _report(self, state: dict[str, Any] | None) -> None:
        """Log why the command still waits, if that has changed or was logged long ago."""
        now_s = clock.monotonic()
        key = _changes(state)
        if key != self._reported or now_s - self._reported_s >= REPORT_S:
            self._reported, self._reported_s = key, now_s
            log(self._situation(state))

    def _situation(self, state: dict[str, Any] | None) -> str:
        """Return why the command still waits."""
        if state is None:
            return f"{self._name} was requested; its watcher has not written a state yet"
        if state["phase"] in TERMINAL_PHASES:
            return f"{self._name} has ended ({state['phase']}); {waiting_words(state, clock.now())}"
        if state["phase"] == "PENDING":
            return f"{self._name} is PENDING: no runner was seen yet"
        parts = [f"{progress(state)} specs done"] if state["ledger"]["planned"] else ["no spec started yet"]
        parts += [failing_words(state)] if state.get("failing") else []
        names = [spec["spec"] for spec, _ in running_specs(state)]
        parts += [f"running {join_names(names)}"] if names else []
        return f"{self._name} is {state['phase']}: {', '.join(parts)}"

    def _check_messages(self, state: dict[str, Any]) -> None:
        """Raise CommandError (69), with one line about the messages, if a message of the run was not delivered."""
        lost = undelivered(state)
        if not lost:
            return
        names = join_names([f"{owner}: {post['outcome']}" for owner, post in lost])
        why = next((f"; {post['detail']}" for _, post in lost if post.get("detail")), "")
        text = f"{self._name} has ended ({state['phase']}); {count_words(lost)} ({names}){why}"
        if any(owner != "an alert" for owner, _ in lost):
            text += f"; to send again: {self._call.command('atvm-pipeline resend', self._name)}"
        raise CommandError(UNAVAILABLE, text)


def _changes(state: dict[str, Any] | None) -> tuple[object, ...]:
    """Return the parts of a state whose change is worth a line."""
    if state is None:
        return ("requested",)
    ended = sum(subrun["phase"] in TERMINAL_PHASES for subrun in state["subruns"])
    waiting = waiting_words(state, None) if state["phase"] in TERMINAL_PHASES else ""
    return (state["phase"], state.get("failing"), ended, waiting)
