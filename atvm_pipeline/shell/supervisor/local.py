"""Supervisor without systemd: two detached processes in their own sessions."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.shell.config.runner_env import without_secrets
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.subprocesses import Started, start_detached

from . import base

PROJECT = Path(__file__).resolve().parents[3]
"""The directory of the package, links resolved: a process that lives for days imports one release, even if a link to it
changes."""


class Local:
    """Starts this program again as detached processes."""

    name = "local"

    def __init__(self) -> None:
        """Create the supervisor; nothing is started yet."""
        self._watchers: dict[Path, Started] = {}
        """The watchers that were started, by the directory of the run."""
        self._before: dict[Path, base.Watcher | None] = {}
        self._runner: Started | None = None

    def check(self, paths: Paths, environment: Mapping[str, str]) -> None:
        """Accept every start."""

    def start_watcher(self, paths: Paths, environment: Mapping[str, str]) -> None:
        """Start the watcher; the webhook reaches it through its environment only.  Raises OSError."""
        self._before[paths.folder] = base.watcher_before(paths)
        command = "deliver" if paths.is_archived else "watch"
        self._watchers[paths.folder] = self._start(command, paths, environment)

    def start_runner(self, paths: Paths) -> None:
        """Start the runner's wrapper, without any secret. Raises OSError."""
        self._runner = self._start("runner", paths, without_secrets(os.environ))

    @staticmethod
    def _start(command: str, paths: Paths, environment: Mapping[str, str]) -> Started:
        # It is the current directory of the process, so that -m finds this package and not a file of the user with that
        # name.
        argv = [sys.executable, "-m", "atvm_pipeline", command, address_of(paths)]
        argv += ["--state-root", str(paths.state_root.absolute())]
        # The name of a wrapper script is not the name of these processes.
        kept = {
            name: value for name, value in environment.items() if name not in ("ATVM_PROG", "PYTHONSAFEPATH")
        }
        return start_detached(argv, {**kept, "PYTHONUNBUFFERED": "1"}, PROJECT, paths.watcher_log)

    def wait_until_watching(self, paths: Paths, run_id: str, timeout_s: float) -> str | None:
        """See Supervisor."""
        started, before = self._watchers.get(paths.folder), self._before.get(paths.folder)
        return base.wait_watching(paths, run_id, timeout_s, lambda: _ended(started), before)

    def wait_until_running(self, paths: Paths, run_id: str, timeout_s: float) -> str | None:
        """See Supervisor."""
        return base.wait_running(paths, run_id, timeout_s, lambda: _ended(self._runner))

    def stop_watcher(self, paths: Paths, timeout_s: float) -> None:
        """See Supervisor."""
        if is_locked(paths.watcher_lock) or not paths.request.exists():
            base.stop_unit_of(paths, timeout_s)
            base.signal_watcher(paths, timeout_s)


def _ended(started: Started | None) -> str | None:
    return started.ended() if started is not None else "it was not started"
