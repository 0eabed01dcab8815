"""The machine: Python, bash, inotify, disk, clock, and who keeps the processes."""

import os
import shutil
import sys
from pathlib import Path

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.supervisor import choose
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.subprocesses import run_program

from .finding import DoctorFinding, Where, bad, good

FREE_BYTES_MIN = 256 * 1024 * 1024
FREE_FILES_MIN = 1000
INSTANCES_MIN = 32
WATCHES_MIN = 8192
LIMITS = Path("/proc/sys/fs/inotify")
CLOCK_SLACK_S = 120.0


def python(_where: Where) -> list[DoctorFinding]:
    """Which Python runs us."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return good("python", f"{version} at {sys.executable}")


def bash(_where: Where) -> list[DoctorFinding]:
    """Whether the user's commands can be run."""
    found = shutil.which("bash")
    if found is None:
        return bad(
            "bash", "not found", "template and runner commands run in bash", "install the package bash"
        )
    return good("bash", found)


def state_root(where: Where) -> list[DoctorFinding]:
    """Whether the state root can be written, is its owner's alone, and has room."""
    root = where.state_root
    why = "every run keeps its journal and state there"
    mend = f"mkdir -p -m 0700 {root} as the user that starts runs, or set ATVM_WATCHER_STATE_ROOT"
    # Only looked at: a start makes it.
    there = next(path for path in (root, *root.parents) if path.exists())
    try:
        mode = root.stat().st_mode & 0o777 if there == root else 0o700
        room = os.statvfs(there)
    except OSError as error:
        return bad("state root", f"{root}: {error.strerror}", why, mend)
    if not there.is_dir():
        return bad("state root", f"{there} is no folder", why, mend)
    writable = os.access(there, os.W_OK | os.X_OK)
    findings = (
        good("state root", f"{root} can be written")
        if writable
        else bad("state root", f"{root} cannot be written", why, mend)
    )
    if mode & 0o077:
        why = "others on this host could read commands, logs and the runner's environment"
        findings = bad("state root", f"{root} has mode {mode:04o}", why, f"chmod 0700 {root}")
    return findings + _disk(root, room.f_bavail * room.f_frsize, room.f_favail if room.f_files else None)


def _disk(root: Path, free: int, files: int | None) -> list[DoctorFinding]:
    why = "a full disk stops the watcher from acting: it waits until there is room"
    mend = "free some space, or set ATVM_WATCHER_STATE_ROOT to another file system"
    text = f"{free // 2**20} MiB are free at {root}"
    if files is not None and files < FREE_FILES_MIN:
        return bad("disk", f"only {files} more files fit at {root}", why, mend)
    return bad("disk", text, why, mend) if free < FREE_BYTES_MIN else good("disk", text)


def inotify(_where: Where) -> list[DoctorFinding]:
    """The kernel's limits for being told of changes."""
    findings = []
    for name, least in (("max_user_instances", INSTANCES_MIN), ("max_user_watches", WATCHES_MIN)):
        try:
            limit = int((LIMITS / name).read_text())
        except (OSError, ValueError):
            continue
        why = "beyond it watchers look every second instead of being told at once"
        mend = f"sysctl -w fs.inotify.{name}={least * 4}"
        check = f"inotify {name}"
        findings += bad(check, str(limit), why, mend) if limit < least else good(check, str(limit))
    return findings


def wall_clock(where: Where) -> list[DoctorFinding]:
    """Whether the clock is kept right: reports are matched with the log by time, and people read times."""
    why = "times in messages are wrong, and certificates and reports are judged by them"
    mend = "timedatectl set-ntp true (with chrony or systemd-timesyncd installed)"
    now_s = clock.now().timestamp()
    for path in (where.state_root, where.places.current):
        try:
            ahead_s = path.stat().st_mtime - now_s
        except OSError:
            continue
        if ahead_s > CLOCK_SLACK_S:
            return bad("clock", f"{path} was changed {ahead_s:.0f} s in the future", why, mend)
    answer = run_program("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if answer.code != 0:
        return good("clock", "cannot be asked here whether it is synchronised")
    if answer.text != "yes":
        return bad("clock", "not synchronised with a time server", why, mend)
    return good("clock", "synchronised")


def supervisor(_where: Where) -> list[DoctorFinding]:
    """Who would keep the processes of a start."""
    try:
        return good("supervisor", f"auto chooses {choose('auto').name}")
    except ConfigError as error:
        return bad("supervisor", str(error), "a start is refused with it", "correct it")
