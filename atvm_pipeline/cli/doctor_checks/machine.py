"""Checks of the machine: Python, bash, state root, disk, inotify, clock and supervisor."""

import os
import shutil
import sys
from pathlib import Path

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.text import format_duration, plural
from atvm_pipeline.shell.supervisor import choose
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.subprocesses import run_program

from .finding import DoctorFinding, Where, bad, good

FREE_BYTES_MIN = 256 * 1024 * 1024
FREE_FILES_MIN = 1000
INSTANCES_MIN = 32
WATCHES_MIN = 8192
LIMITS = Path("/proc/sys/fs/inotify")
CLOCK_SLACK_S = 120.0


def python(_where: Where) -> list[DoctorFinding]:
    """Report the Python version and its path."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return good("python", f"{version} at {sys.executable}")


def bash(_where: Where) -> list[DoctorFinding]:
    """Check that bash, which runs the operator's commands, is installed."""
    found = shutil.which("bash")
    if found is None:
        return bad(
            "bash", "not found", "template and runner commands run in bash", "install the package bash"
        )
    return good("bash", found)


def state_root(where: Where) -> list[DoctorFinding]:
    """Check that the state root is writable, accessible only to its owner, and has free space."""
    root = where.state_root
    why = "every run stores its journal and state there"
    fix = f"mkdir -p -m 0700 {root} as the user that starts runs, or set ATVM_WATCHER_STATE_ROOT"
    # Doctor creates nothing: a start creates the directory.
    existing = next(path for path in (root, *root.parents) if path.exists())
    try:
        mode = root.stat().st_mode & 0o777 if existing == root else 0o700
        room = os.statvfs(existing)
    except OSError as error:
        return bad("state root", f"{root}: {reason_of(error)}", why, fix)
    if not existing.is_dir():
        return bad("state root", f"{existing} is not a directory", why, fix)
    writable = os.access(existing, os.W_OK | os.X_OK)
    findings = (
        good("state root", f"{root} is writable")
        if writable
        else bad("state root", f"{root} is not writable", why, fix)
    )
    if mode & 0o077:
        why = "other users could read commands, logs and the runner's environment"
        findings = bad("state root", f"{root} has mode {mode:04o}", why, f"chmod 0700 {root}")
    return findings + _disk(root, room.f_bavail * room.f_frsize, room.f_favail if room.f_files else None)


def _disk(root: Path, free: int, files: int | None) -> list[DoctorFinding]:
    why = "on a full disk the watcher stops and waits until there is free space"
    fix = "free some space, or set ATVM_WATCHER_STATE_ROOT to another file system"
    text = f"{free // 2**20} MiB free at {root}"
    if files is not None and files < FREE_FILES_MIN:
        return bad("disk", f"only {plural(files, 'free inode')} at {root}", why, fix)
    return bad("disk", text, why, fix) if free < FREE_BYTES_MIN else good("disk", text)


def inotify(_where: Where) -> list[DoctorFinding]:
    """Check the kernel's inotify limits."""
    findings = []
    for name, least in (("max_user_instances", INSTANCES_MIN), ("max_user_watches", WATCHES_MIN)):
        try:
            limit = int((LIMITS / name).read_text())
        except (OSError, ValueError):
            continue
        why = "watchers above the limit poll every second instead of reacting at once"
        fix = f"sysctl -w fs.inotify.{name}={least * 4}"
        check = f"inotify {name}"
        findings += bad(check, str(limit), why, fix) if limit < least else good(check, str(limit))
    return findings


def wall_clock(where: Where) -> list[DoctorFinding]:
    """Check that the clock is synchronised: reports are matched with the log by time, and messages show times."""
    why = "times in messages may be wrong, and certificates and reports are checked by time"
    fix = "timedatectl set-ntp true (with chrony or systemd-timesyncd installed)"
    now_s = clock.now().timestamp()
    for path in (where.state_root, where.places.current):
        try:
            ahead_s = path.stat().st_mtime - now_s
        except OSError:
            continue
        if ahead_s > CLOCK_SLACK_S:
            return bad("clock", f"{path} was changed {format_duration(ahead_s)} in the future", why, fix)
    answer = run_program("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if answer.code != 0:
        return good("clock", "not checked: timedatectl does not work here")
    if answer.text != "yes":
        return bad("clock", "not synchronised with a time server", why, fix)
    return good("clock", "synchronised")


def supervisor(_where: Where) -> list[DoctorFinding]:
    """Report the supervisor that a start would use."""
    try:
        return good("supervisor", f"auto chooses {choose('auto').name}")
    except ConfigError as error:
        return bad("supervisor", str(error), "a start is refused", "correct the setting")
