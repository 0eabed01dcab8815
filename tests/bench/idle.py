"""The cost of watchers while nothing happens: CPU time, wake-ups, memory of one and of many, also under reads.

`python -m tests.bench.idle [--watchers 100] [--seconds 30] [--rounds 1]`. Each watcher is a real
`atvm-pipeline watch` that follows a living tree of eleven sleeping processes of its own; all of them share
one artifact directory of many reports, as the runs of one automation root do. In the second half of each
round another process reads all reports once a second. CPU time is the scheduler's own count (nanoseconds),
wake-ups are the voluntary switches of all threads, memory is the proportional set size. Exits with 1 if a
figure misses its goal.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.bench.table import Row, print_table, row
from tests.bench.watched import TREE_SIZE, Watched, watched

CPU_PERCENT_MAX = 0.05
WAKEUPS_MAX = 1.0
PSS_MIB_MAX = 20.0
SETTLE_S = 8.0
"""Time until the work of a start is done: the first scans, the lazily saved state."""
REPORTS_PER_FOLDER = 50
READER = """
import pathlib, sys, time
while True:
    for path in pathlib.Path(sys.argv[1]).rglob("*.xml"):
        path.read_bytes()
    print(flush=True)
    time.sleep(1)
"""
WEBHOOK = "http://127.0.0.1:9/hooks/abcdefghijklmnopqrstuvwxyz"
"""No message is sent anywhere."""


class Spent(NamedTuple):
    """The resources that one process has used so far."""

    cpu_s: float
    wakeups: int


class Used(NamedTuple):
    """The resources that one watcher used while it was measured."""

    cpu_percent: float
    wakeups_per_s: float
    pss_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.idle", description=__doc__)
    parser.add_argument("--watchers", type=int, default=100, help="how many the many are")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each state is measured")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds before the first measurement")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--reports", type=int, default=3000, help="files in the artifact directory")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    for count in dict.fromkeys((1, given.watchers)):
        quiet: list[Used] = []
        read: list[Used] = []
        for _ in range(given.rounds):
            one, other = _round(count, given.reports, given.settle, given.seconds)
            quiet += one
            read += other
        processes = sum(name.isdecimal() for name in os.listdir("/proc"))
        rows += _rows(f"{count} watcher{'s' * (count > 1)}", quiet)
        rows += _rows(f"{count} watcher{'s' * (count > 1)}, {given.reports} reports read every second", read)
    rows.append(Row("other processes of this machine", "", str(processes)))
    return print_table(rows)


def _rows(what: str, used: Sequence[Used]) -> list[Row]:
    """Compare the mean with the goal: one watcher's figure is chance, the sum is the machine's."""
    cpu, wakeups, memory = zip(*used, strict=True)
    mean_cpu, mean_wakeups = sum(cpu) / len(cpu), sum(wakeups) / len(wakeups)
    return [
        row(f"{what}: CPU, % of a core each", cpu, 4),
        Row(
            "  mean",
            "",
            f"{mean_cpu:.4f}",
            f"<= {CPU_PERCENT_MAX}",
            mean_cpu > CPU_PERCENT_MAX,
        ),
        row("  wake-ups per second each", wakeups, 2),
        Row("  mean", "", f"{mean_wakeups:.2f}", f"<= {WAKEUPS_MAX:.0f}", mean_wakeups > WAKEUPS_MAX),
        row("  memory (PSS) each, MiB", memory, 1, f"<= {PSS_MIB_MAX:.0f}", missed=max(memory) > PSS_MIB_MAX),
    ]


def _round(count: int, reports: int, settle_s: float, seconds: float) -> tuple[list[Used], list[Used]]:
    """Start watchers; return the usage of each while all was quiet, then while the reports were read."""
    with tempfile.TemporaryDirectory(prefix="atvm-bench-") as folder, ExitStack() as stack:
        artifacts = Path(folder) / "cmcReporter"
        _write_reports(artifacts, reports)
        runs = []
        for number in range(count):
            runs.append(
                stack.enter_context(
                    watched(Path(folder), f"e2e-idle{number}-fc", WEBHOOK, artifacts=artifacts)
                )
            )
            runs[-1].start_tree()
            runs[-1].start_watcher()
        pids = [run.wait_until_watched() for run in runs]
        _wait_for_trees(runs)
        time.sleep(settle_s)
        quiet = _measure(pids, seconds)
        with _reader(artifacts):
            return quiet, _measure(pids, seconds)


def _write_reports(folder: Path, reports: int) -> None:
    for number in range(reports):
        path = folder / f"group-{number // REPORTS_PER_FOLDER}" / f"report-{number}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'<testsuites tests="0"><testsuite name="s" file="redhat9.{number}.cy.ts" tests="0"/></testsuites>'
        )


def _wait_for_trees(runs: Sequence[Watched]) -> None:
    for run in runs:
        run.wait_until_known(TREE_SIZE)


@contextmanager
def _reader(folder: Path) -> Iterator[None]:
    """Start another process that reads every report once a second."""
    process = subprocess.Popen([sys.executable, "-c", READER, str(folder)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def _measure(pids: Sequence[int], seconds: float) -> list[Used]:
    before, began_s = [_spent(pid) for pid in pids], time.monotonic()
    time.sleep(seconds)
    after, took_s = [_spent(pid) for pid in pids], time.monotonic() - began_s
    return [
        Used(100 * (now.cpu_s - then.cpu_s) / took_s, (now.wakeups - then.wakeups) / took_s, _pss_mib(pid))
        for pid, then, now in zip(pids, before, after, strict=True)
    ]


def _spent(pid: int) -> Spent:
    cpu_ns = wakeups = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(
            FileNotFoundError
        ):  # The count of a thread ends with it. An idle watcher starts no thread.
            cpu_ns += int((task / "schedstat").read_text().split()[0])
            wakeups += _number(task / "status", "voluntary_ctxt_switches")
    return Spent(cpu_ns / 1e9, wakeups)


def _pss_mib(pid: int) -> float:
    return _number(Path(f"/proc/{pid}/smaps_rollup"), "Pss") / 1024


def _number(path: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+)", path.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main())
