"""A directory for the files that a target writes: one per process, removed when the process ends."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from atvm_pipeline.shell.state_dir.records import Paths
from tests.support.project import ONE_HOST_BUILD as BUILD


@cache
def paths() -> Paths:
    """Return the paths of the files of one build."""
    root = Path(tempfile.mkdtemp(prefix="atvm-fuzz-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    found = Paths(root, BUILD)
    found.folder.mkdir()
    return found
