"""Supervisor with systemd: template units for the watcher, the runner, and the sender of an archived run.

The instance is the unchanged build name: every character of a build name is legal in a unit's name, and systemd-escape
would turn it into another unit. For an archived run it is BUILD@TIME.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.config import credentials, settings
from atvm_pipeline.shell.config.env_file import read_env_file
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.subprocesses import systemctl

from . import base
from .base import RUNNER_UNIT, WATCHER_UNIT, watcher_unit

RUNNING = Path("/run/systemd/system")
"""sd_booted(3): this directory exists if systemd is PID 1."""
TIMEOUT_S = 60.0


def usable() -> bool:
    """Return whether systemd runs this host, the units are installed, and this user may start them."""
    return (
        os.geteuid() == 0
        and RUNNING.is_dir()
        and all(_installed(unit) for unit in (WATCHER_UNIT, RUNNER_UNIT))
    )


def _installed(template: str) -> bool:
    return systemctl("cat", template.format("")).code == 0


class Systemd:
    """Starts and stops units."""

    name = "systemd"

    def __init__(self) -> None:
        """Create the supervisor; nothing is started yet."""
        self._before: dict[Path, base.Watcher | None] = {}

    def check(self, paths: Paths, environment: Mapping[str, str]) -> None:
        """Refuse settings that the units would not see: they read the environment file, not the caller's environment."""
        try:
            saved = read_env_file(settings.ENV_FILE)
        except OSError as error:
            raise ConfigError(f"cannot read {settings.ENV_FILE}: {reason_of(error)}") from None
        root = settings.state_root_of({"ATVM_WATCHER_STATE_ROOT": saved.get("ATVM_WATCHER_STATE_ROOT", "")})
        if root.resolve() != paths.state_root.resolve():
            raise ConfigError(
                f"the services store their state in {root}, but this command uses {paths.state_root}: "
                f"set ATVM_WATCHER_STATE_ROOT in {settings.ENV_FILE}, or use --supervisor local"
            )
        known = saved.get("MATTERMOST_ATVM_WEBHOOK") or credentials.stored()
        if environment.get("MATTERMOST_ATVM_WEBHOOK") and not known:
            raise ConfigError(
                f"the watcher service reads MATTERMOST_ATVM_WEBHOOK from {settings.ENV_FILE} only: put it there (0600), "
                "or use --supervisor local"
            )

    def start_watcher(self, paths: Paths, environment: Mapping[str, str]) -> None:
        """Start the watcher's unit.  Raises ConfigError, OSError."""
        self.check(paths, environment)
        self._before[paths.folder] = base.watcher_before(paths)
        _start(watcher_unit(paths))

    def start_runner(self, paths: Paths) -> None:
        """Start the runner's unit.  Raises OSError."""
        _start(RUNNER_UNIT.format(paths.build_name))

    def wait_until_watching(self, paths: Paths, run_id: str, timeout_s: float) -> str | None:
        """See Supervisor."""
        unit, before = watcher_unit(paths), self._before.get(paths.folder)
        return base.wait_watching(paths, run_id, timeout_s, lambda: _ended(unit), before)

    def wait_until_running(self, paths: Paths, run_id: str, timeout_s: float) -> str | None:
        """See Supervisor."""
        unit = RUNNER_UNIT.format(paths.build_name)
        return base.wait_running(paths, run_id, timeout_s, lambda: _ended(unit))

    def stop_watcher(self, paths: Paths, timeout_s: float) -> None:
        """See Supervisor."""
        # The unit comes first, so that systemd does not restart the watcher.
        systemctl("stop", watcher_unit(paths), timeout_s=timeout_s)
        base.signal_watcher(paths, timeout_s)


def _start(unit: str) -> None:
    systemctl("reset-failed", unit)
    answer = systemctl("start", "--no-block", unit, timeout_s=TIMEOUT_S)
    if answer.code != 0:
        raise OSError(
            5,
            f"systemctl start {unit} failed ({answer.text.splitlines()[0] if answer.text else answer.code})",
        )


def _ended(unit: str) -> str | None:
    """Return why the unit does not run; None while it runs or starts, or if its state is unknown."""
    answer = systemctl("show", "--property=ActiveState,Result,ExecMainStatus,Job", unit)
    fields = dict(line.partition("=")[::2] for line in answer.text.splitlines())
    if answer.code != 0 or fields.get("Job") or fields.get("ActiveState") not in ("failed", "inactive"):
        return None
    return (
        f"unit {unit} is {fields['ActiveState']} ({fields.get('Result')}, status {fields.get('ExecMainStatus')}); "
        f"see journalctl -u {unit}"
    )
