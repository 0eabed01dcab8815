"""The time from an event to its effect: in the state, and at the receiver of the message.

`python -m tests.bench.reaction [--rounds 60] [--busy]`. In each round a real `atvm-pipeline watch` follows a
real runner below our own wrapper, with the sleeping processes of a Cypress child. Next to it, a plain loop
polls the same files once a second. At random moments the last line of a child's output is written, a report
is written and closed, and at the end the runner's command ends. An effect is there when the replaced
`state.json` that shows it has been read, or when the message's connection is accepted. Neither counts as an
effect before its cause is in the journal. The end of the runner's command is also taken from the moment at
which our wrapper's record of it is in its place: the time before that is the wrapper's end. The last rows are
the times of a process that does nothing else (`echo.py`) on this machine, seen by the same observers.
`--busy` keeps every core busy with processes of the same priority. Exits with 1 if a figure misses its goal.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.events import Settings
from tests.bench import echo
from tests.bench.effects import Board, Receiver, Replacements, Shows
from tests.bench.table import Row, percentile, print_table
from tests.bench.watched import TREE_SIZE, Watched, watched
from tests.support import cypress_output as prints

GOAL_MS = {False: 5.0, True: 50.0}
"""Maximum of the 99th percentile; True: with every core busy."""
FASTER_MIN = 200.0
"""Minimum factor over the plain loop, by the medians of both."""
PAUSE_S = (0.02, 0.25)
"""Random time between two stimuli, so that neither the watcher nor the loop can keep step with them."""
BURN = "while True: pass"

LINE = "last log line -> message"
LINE_STATE = "last log line -> state.json"
REPORT = "report closed -> state.json"
EXIT = "runner's command ends -> state.json"
EXIT_MESSAGE = "runner's command ends -> message"
RECORD = "record of that end is there -> state.json"

Found = dict[str, list[float]]
"""Measurements in ms, by the name of the figure."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reaction", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--stimuli", type=int, default=4, help="of each kind in a round")
    parser.add_argument("--busy", action="store_true", help="keep every core busy")
    given = parser.parse_args(arguments)
    ours: Found = {}
    polled: Found = {}
    board = Board()
    with (
        closing(Replacements(board)) as files,
        closing(Receiver(board)) as receiver,
        _burners(busy=given.busy),
    ):
        eyes = Eyes(board, files, receiver)
        for number in range(given.rounds):
            with tempfile.TemporaryDirectory(prefix="atvm-bench-") as folder, ExitStack() as stack:
                settings = Settings(settle_s=0.0)
                run = stack.enter_context(
                    watched(Path(folder), f"e2e-redhat9.6-{number}", eyes.receiver.url, settings=settings)
                )
                _Round(run, eyes, ours, polled).play(given.stimuli)
        echoes = echo.rows(board, eyes.files, _pause)
    return print_table([*_rows(ours, polled, busy=given.busy), *echoes])


def _rows(ours: Found, polled: Found, *, busy: bool) -> list[Row]:
    goal_ms = GOAL_MS[busy]
    rows = [Row("every core busy" if busy else "nothing else to do, as far as we know", "", "")]
    for name, took in ours.items():
        p50, p99, loop = percentile(took, 50), percentile(took, 99), percentile(polled[name], 50)
        rows += [
            Row(f"{name}, {len(took)} times, ms", f"{min(took):.2f}", f"{max(took):.2f}"),
            Row("  p50, p99", f"{p50:.2f}", f"{p99:.2f}", f"p99 <= {goal_ms:.0f}", p99 > goal_ms),
            Row(
                "  a loop that looks every second, p50, p99",
                f"{loop:.0f}",
                f"{percentile(polled[name], 99):.0f}",
            ),
        ]
        missed = not busy and loop / p50 < FASTER_MIN
        rows.append(
            Row("  faster by", "", f"{loop / p50:.0f}", "" if busy else f">= {FASTER_MIN:.0f}", missed)
        )
    return rows


class Eyes(NamedTuple):
    """The observers of the effects."""

    board: Board
    files: Replacements
    receiver: Receiver


class _Round:
    """One run, from its start to the end of its runner."""

    def __init__(self, run: Watched, eyes: "Eyes", ours: Found, polled: Found) -> None:
        self._run = run
        self._board, self._files, self._receiver = eyes
        self._ours = ours
        self._polled = polled
        self._loop_state = run.workdir / "loop" / "state.json"
        self._waiting: list[tuple[str, str, float]] = []

    def play(self, stimuli: int) -> None:
        """Start everything, stimulate, and wait for all effects."""
        run = self._run
        run.start_runner()
        run.start_watcher()
        run.wait_until_watched()
        run.wait_until_known(TREE_SIZE + 1)
        self._loop_state.parent.mkdir()
        self._files.follow(run.paths.state)
        self._files.follow(self._loop_state)
        with _poller(run, self._loop_state):
            for number in range(1, stimuli + 1):
                self._child(number)
            self._exit()
            for name, key, began_s in self._waiting:
                self._polled.setdefault(name, []).append(1000 * (self._board.wait(f"loop {key}") - began_s))

    def _child(self, number: int) -> None:
        """Play a child of one spec: its report in the middle, then its last line."""
        spec = f"redhat9.6.{number}.cy.ts"
        begin = [
            f"$ npx cypress run --record --parallel --ci-build-id e2e-redhat9.6-{number}-fc",
            *prints.starting(spec),
            *prints.running(spec),
            "",
            "",
            *prints.epilogue(1),
            *prints.results(spec),
        ]
        self._write(begin)
        _pause()
        report = f"report-{number}.xml"
        shows = partial(_holds, report.encode())
        effect = {REPORT: (self._run.paths.state, shows)}
        self._stimulate(REPORT, report, lambda: self._report(report, spec), effect, report.encode())
        _pause()
        *table, totals, _ = prints.finished(
            [prints.row(spec, (1, 1, 0, 0, 0))], "All specs passed!", (1, 1, 0, 0, 0)
        )
        self._write(table)
        _pause()
        effects = {
            LINE: (self._receiver, partial(_holds, b"passed")),
            LINE_STATE: (self._run.paths.state, partial(_has_judged, number)),
        }
        proof = b'"end":%d' % (self._run.log.stat().st_size + len(_encoded([totals])))
        self._stimulate(LINE, f"line {number}", lambda: self._write([totals]), effects, proof)
        _pause()

    def _exit(self) -> None:
        self._run.end_children()
        self._run.wait_until_childless()
        _pause()
        record = self._run.paths.runner_exit
        self._files.follow(record)
        self._board.want("record", record, bool)
        effects = {
            EXIT: (self._run.paths.state, _is_over),
            EXIT_MESSAGE: (self._receiver, partial(_holds, b"passed")),
            RECORD: (self._run.paths.state, _is_over),
        }
        self._stimulate(EXIT, "exit", self._end, effects, b"runner-exited")
        # All were taken from the command's end.
        name, key, began_s = self._waiting.pop()
        recorded_s = self._board.wait("record")
        self._ours[RECORD][-1] -= 1000 * (recorded_s - began_s)
        self._waiting.append((name, key, recorded_s))

    def _stimulate(
        self,
        name: str,
        key: str,
        act: Callable[[], float],
        effects: dict[str, tuple[object, Shows]],
        proof: bytes,
    ) -> None:
        """Do it, and record how long each effect took; the loop's effect is awaited at the end of the round.

        An effect without `proof` in the journal does not count.
        """
        size = self._run.log.stat().st_size
        journal = self._run.paths.journal
        for effect, (source, shows) in effects.items():
            self._board.want(effect, source, partial(_is_recorded, journal, proof, shows))
            self._board.want(f"loop {effect} {key}", self._loop_state, partial(_loop_shows, name, key, size))
        began_s = act()
        for effect in effects:
            self._ours.setdefault(effect, []).append(1000 * (self._board.wait(effect) - began_s))
            self._waiting.append((effect, f"{effect} {key}", began_s))

    def _write(self, lines: list[str]) -> float:
        """Append the lines in one piece; return the moment just before."""
        data = _encoded(lines)
        with self._run.log.open("ab", buffering=0) as file:
            began_s = time.perf_counter()
            file.write(data)
        return began_s

    def _report(self, name: str, spec: str) -> float:
        """Write a report; return the moment just before its last part is written and it is closed."""
        with (self._run.artifacts / name).open("w") as file:
            file.write(
                f'<testsuites tests="1" failures="0"><testsuite name="Root Suite" file="{spec}" tests="1" failures="0">'
            )
            file.flush()
            _pause()
            began_s = time.perf_counter()
            file.write('<testcase name="works" time="3.0" classname="works"/></testsuite></testsuites>')
        return began_s

    def _end(self) -> float:
        began_s = time.perf_counter()
        self._run.end_runner()
        return began_s


def _pause() -> None:
    time.sleep(random.uniform(*PAUSE_S))  # noqa: S311 - a moment, no secret


def _encoded(lines: list[str]) -> bytes:
    return prints.encoded([prints.coloured(line) for line in lines])


def _is_recorded(journal: Path, proof: bytes, shows: Shows, data: bytes) -> bool:
    return shows(data) and proof in journal.read_bytes()


def _holds(part: bytes, data: bytes) -> bool:
    return part in data


def _has_judged(number: int, data: bytes) -> bool:
    subruns = json.loads(data)["subruns"]
    return len(subruns) >= number and subruns[number - 1]["phase"] != "RUNNING"


def _is_over(data: bytes) -> bool:
    return json.loads(data)["phase"] not in ("PENDING", "RUNNING")


def _loop_shows(name: str, key: str, size: int, data: bytes) -> bool:
    state = json.loads(data)
    if name == EXIT:
        return bool(state["over"])
    return key in state["reports"] if name == REPORT else state["log"] > size


@contextmanager
def _poller(run: Watched, state: Path) -> Iterator[None]:
    places = (run.log, run.artifacts, run.paths.runner_exit, state)
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.poller", *map(str, places)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _burners(*, busy: bool) -> Iterator[None]:
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range((os.cpu_count() or 1) * busy)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


if __name__ == "__main__":
    sys.exit(main())
