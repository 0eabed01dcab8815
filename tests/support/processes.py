"""Shared helpers for the tests of starting and stopping: a request on disk, real processes, waits."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from atvm_pipeline.shell.state_dir.records import ExitRecord, Paths, Request, read_record, write_record
from atvm_pipeline.shell.system.files import make_folder
from tests.support.project import ONE_HOST_BUILD as BUILD, PROJECT
from tests.support.waiting import DEADLINE_S

RUN_ID = "0123456789abcdef"


def make_request(root: Path, command: str | None, **fields: object) -> Paths:
    """Create a state directory with a request for `command`, which runs in a directory next to the state root."""
    workdir = root / "work"
    workdir.mkdir(exist_ok=True)
    paths = Paths(root / "state", BUILD)
    make_folder(paths.folder)
    given = {
        "build_name": BUILD,
        "run_id": RUN_ID,
        "requested_at": datetime.now(UTC),
        "runner_command": command,
        "workdir": str(workdir),
        "log_path": str(paths.runner_log),
        "artifacts_dir": str(workdir / "cmcReporter"),
        "environment": {"PATH": os.environ["PATH"]},
        "orphan_limit_s": DEADLINE_S,
        **fields,
    }
    write_record(paths.request, Request(**given))  # type: ignore[arg-type]
    return paths


def pipeline(*words: str, **options: object) -> "subprocess.Popen[str]":
    """Start `python -m atvm_pipeline WORD...` as a child of this test."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "atvm_pipeline", *words],
        cwd=PROJECT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def runner(paths: Paths, **options: object) -> "subprocess.Popen[str]":
    """Start the runner's wrapper of that request."""
    return pipeline("runner", BUILD, "--state-root", str(paths.state_root), **options)


def exit_record(paths: Paths) -> ExitRecord:
    """Return the exit record, which must exist."""
    record = read_record(paths.runner_exit, ExitRecord, RUN_ID)

    assert record is not None
    return record
