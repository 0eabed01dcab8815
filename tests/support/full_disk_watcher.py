"""A watcher on a small private disk that is full when it starts; `test_full_disk.py` runs it.

The disk is a mount in a private namespace.

Usage: python -m tests.support.full_disk_watcher ROOT blocks|inodes new|again ALERT_CHANNEL

It prints the watcher's pid while the disk is full. When it receives a line of input, or once the watcher has
ended, it makes room, ends the run, and prints the watcher's exit code and the notes of the run.
"""

import json
import select
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from atvm_pipeline.shell.state_dir.reader import read_state
from atvm_pipeline.shell.state_dir.records import ExitRecord, Paths, WatcherRecord, read_record, write_record
from atvm_pipeline.shell.system.files import locked
from tests.campaign import disk
from tests.support.processes import RUN_ID, make_request
from tests.support.project import ONE_HOST_BUILD as BUILD, PROJECT
from tests.support.waiting import wait_for


def main(root: Path, what: str, which: str, channel: str) -> None:
    with disk.mounted(root / "state"):
        paths = make_request(root, None, alert_channel=channel)
        if which == "again":
            first = watcher(paths)
            wait_for(lambda: is_ready(paths), "the first watcher")
            first.kill()
            first.wait()
        with locked(paths.watcher_lock):
            pass
        with disk.full(root / "state", what):
            started = watcher(paths)
            print(started.pid, flush=True)
            while started.poll() is None and not select.select([sys.stdin], [], [], 0.1)[0]:
                pass
        if started.poll() is None:
            wait_for(lambda: is_ready(paths, started.pid), "the watcher's first scan")
        now = datetime.now(UTC)
        write_record(
            paths.runner_exit, ExitRecord(build_name=BUILD, run_id=RUN_ID, exit_code=0, finished_at=now)
        )
        print(started.wait(), flush=True)
        state = read_state(paths)
        print(json.dumps(state["notes"] if state is not None else []), flush=True)


def watcher(paths: Paths) -> "subprocess.Popen[bytes]":
    call = [sys.executable, "-m", "atvm_pipeline", "watch", BUILD, "--state-root", str(paths.state_root)]
    return subprocess.Popen(call, cwd=PROJECT, stdin=subprocess.DEVNULL)


def is_ready(paths: Paths, pid: int | None = None) -> bool:
    record = read_record(paths.watcher, WatcherRecord, RUN_ID)
    return record is not None and record.ready_at is not None and pid in (None, record.pid)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
