"""The measured process: folds one log as `atvm-pipeline inspect` does, and prints its findings and its cost.

`python -m tests.bench.fold_log LOG`. An empty log costs as much as starting, imports included.
"""

import json
import sys
from pathlib import Path

from atvm_pipeline.shell.sources.finished_run import FinishedRun, inspect_log


def main(log: Path) -> dict[str, int]:
    """Fold `log`; the numbers show whether the work was done."""
    run = inspect_log(FinishedRun(log=log, categorized=True, exit_code=0), on_bytes=lambda _: None)
    ledger = run.verdict.ledger if run.verdict is not None else None
    return {
        "bytes": run.log.end,
        "subruns": len(run.subruns),
        "specs": ledger.planned if ledger is not None else 0,
        "failed": ledger.failed if ledger is not None else 0,
        "peak_kib": peak_kib(),
    }


def peak_kib() -> int:
    """Return the maximum memory of this program.

    Not `ru_maxrss`: that one remembers the parent's size from before the program was loaded.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
