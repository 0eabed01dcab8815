"""The time that the program takes to start, against `python -c pass`, turn by turn.

`python -m tests.bench.startup [--rounds 30]`. The ratios of the medians are compared with the goals: the
absolute values depend on the machine. `status` runs on a state root without a build, and on one with a
finished build. The Bash launcher has its own row: it finds the environment first. Exits with 1 if a figure
misses its goal.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from atvm_pipeline.core.codec import encode_state
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.system.files import make_folder, write_whole
from tests.bench.console_log import write_log
from tests.bench.table import Row, print_table, row
from tests.support.project import ONE_HOST_BUILD as BUILD, PROJECT

NOTHING = "python -c pass"
HELP_MAX, STATUS_MAX = 4.0, 6.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="atvm-bench-") as folder:
        _write_state(Path(folder))
        ours = [sys.executable, "-m", "atvm_pipeline"]
        one = ["--state-root", f"{folder}/one"]
        programs: dict[str, tuple[list[str], float | None]] = {
            NOTHING: ([sys.executable, "-c", "pass"], None),
            "--help": ([*ours, "--help"], HELP_MAX),
            "status, no build": ([*ours, "status", "--state-root", f"{folder}/none"], STATUS_MAX),
            "status, one build": ([*ours, "status", *one], STATUS_MAX),
            "status BUILD": ([*ours, "status", BUILD, *one], STATUS_MAX),
            "bin/atvm-pipeline --help": ([str(PROJECT / "bin" / "atvm-pipeline"), "--help"], None),
        }
        took: dict[str, list[float]] = {name: [] for name in programs}
        for name, (command, _) in programs.items():
            _run_ms(name, command)  # Afterwards, all files have been read and compiled.
        for _ in range(given.rounds):
            for name, (command, _) in programs.items():
                took[name].append(_run_ms(name, command))
    rows = []
    for name, (_, goal) in programs.items():
        rows.append(row(f"{name}, ms", took[name], 1))
        ratio = median(took[name]) / median(took[NOTHING])
        if name != NOTHING:
            told = "" if goal is None else f"<= {goal:.0f}"
            missed = goal is not None and ratio > goal
            rows.append(Row(f"  times {NOTHING}, by the medians", "", f"{ratio:.2f}", told, missed))
    return print_table(rows)


def _write_state(folder: Path) -> None:
    """Write the state of a finished run of one child."""
    (folder / "none").mkdir()
    log = folder / "runner.log"
    write_log(log, 1, lines_per_spec=1)
    run = inspect_log(
        FinishedRun(log=log, build_name=BUILD, categorized=True, exit_code=0), on_bytes=lambda _: None
    )
    paths = Paths(folder / "one", BUILD)
    make_folder(paths.folder)
    write_whole(paths.state, encode_state(state_file(run)))


def _run_ms(name: str, command: Sequence[str]) -> float:
    environ = {**os.environ, "ATVM_WATCHER_ENV_FILE": os.devnull}
    began = perf_counter()
    done = subprocess.run(command, cwd=PROJECT, env=environ, stdout=subprocess.PIPE, check=False)
    took = 1000 * (perf_counter() - began)
    if done.returncode or not (done.stdout or name == NOTHING):
        raise SystemExit(f"{name} ended with {done.returncode}")
    return took


if __name__ == "__main__":
    sys.exit(main())
