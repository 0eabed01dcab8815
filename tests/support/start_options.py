"""Options of a start for tests that need no command line."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import Metadata, Settings
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.state_dir.records import Paths, Request, write_record
from atvm_pipeline.shell.supervisor import Local
from atvm_pipeline.shell.system.files import make_folder


def start_options(root: Path, build: str, **fields: Any) -> StartOptions:
    """Return options for a build in `root`/state with the working directory `root`/work."""
    workdir = root / "work"
    workdir.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "ATVM_WATCHER_STATE_ROOT": str(root / "state")}
    given: dict[str, Any] = {
        "paths": Paths(root / "state", build),
        "environ": environ,
        "settings": Settings(),
        "metadata": Metadata(),
        "dialect": Dialect(),
        "workdir": workdir,
        "supervisor": Local(),
        **fields,
    }
    return StartOptions(**given)


def save_request(root: Path, build: str, **fields: Any) -> Paths:
    """Create the state directory of a build with a request; return its paths."""
    paths = Paths(root / "state", build)
    make_folder(paths.folder)
    (root / "work").mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "build_name": build,
        "run_id": "0123456789abcdef",
        "requested_at": datetime.now(UTC),
        "runner_command": "true",
        "workdir": str(root / "work"),
        "log_path": str(paths.runner_log),
        "artifacts_dir": str(root / "work" / "cmcReporter"),
        **fields,
    }
    write_record(paths.request, Request(**given))
    return paths
