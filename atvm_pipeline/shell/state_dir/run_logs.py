"""The logs of a run: the files that contain them, also after the run was archived."""

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from .paths import Paths
from .reader import read_object
from .run_address import archived_runs


class LogPlace(NamedTuple):
    """The file of a log."""

    path: Path
    begin: int = 0
    """The offset of this run's first byte."""
    note: str = ""
    """A restriction that the reader must know."""


def runner_log(paths: Paths) -> LogPlace:
    """Return the log of the runner. A log in the state directory moves to the archive with it; another one stays."""
    request = read_object(paths.request)
    named, begin = request.get("log_path"), request.get("log_start")
    if not isinstance(named, str) or not named or "\0" in named:
        return LogPlace(paths.runner_log)
    own = Paths(paths.state_root, paths.build_name)
    path = Path(named)
    if path == own.runner_log or (not path.exists() and paths.runner_log.exists()):
        return LogPlace(paths.runner_log)
    note = (
        "it is outside of the state directory: a later run may have changed it" if paths.is_archived else ""
    )
    return LogPlace(path, begin if type(begin) is int and begin > 0 else 0, note)


def template_log(paths: Paths, launch_log: Path) -> LogPlace:
    """Return the output of the template command. `launch_log` is the file that each start of the build replaces."""
    kept = LogPlace(paths.template_log)
    if paths.is_archived or not launch_log.is_file():
        return kept
    written = launch_log.stat().st_mtime
    if paths.template_log.is_file():
        return _later(launch_log) if written > paths.template_log.stat().st_mtime else kept
    requested = _seconds(_time(read_object(paths.request)))
    if requested is None:
        return LogPlace(launch_log)
    # Without a copy, this run had no template command, and an older launch log is that of an earlier run.
    return _later(launch_log) if written > requested else kept


def _later(launch_log: Path) -> LogPlace:
    return LogPlace(launch_log, note="it is that of a later start")


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def time_window(paths: Paths) -> tuple[str, str | None]:
    """Return the time of the request, and that of the next run of the build (None for the newest), as stored."""
    runs = [*archived_runs(paths.state_root, paths.build_name), Paths(paths.state_root, paths.build_name)]
    requests = {run.folder: read_object(run.request) for run in runs}
    started = _time(requests.get(paths.folder) or read_object(paths.request))
    later = sorted(at for at in map(_time, requests.values()) if at > started)
    return started, later[0] if later else None


def _time(request: dict[str, Any]) -> str:
    at = request.get("requested_at")
    return at if isinstance(at, str) else ""
