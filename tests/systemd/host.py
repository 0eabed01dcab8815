"""A separate host for a test: systemd boots as PID 1 of a new namespace over an overlay of `/`.

Commands run in it, its power can be cut, it boots again over the same files, it ends. Nothing that happens in it reaches
the real file system.  Its /tmp and /run are empty after each boot, everything else is kept, as on a real disk.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

BOOT = Path(__file__).with_name("boot.sh")
SYSTEMD = Path("/usr/lib/systemd/systemd")
PROGRAMS = ("unshare", "nsenter", "setpriv", "mount", "pivot_root", "systemctl")
MASKED = (
    "console-getty.service",
    "getty@.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "systemd-binfmt.service",
    "systemd-remount-fs.service",
    "systemd-logind.service",
    "proc-sys-fs-binfmt_misc.automount",
)
"""Units that belong to the real machine, or that wait for a person."""
OPAQUE = ("etc/systemd/system", "opt", "var/lib/atvm-run-watcher", "etc/credstore")
"""Directories that are empty at the first boot, regardless of the content of the real ones."""


def missing() -> str | None:
    """Return why no host can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "not root"
    if not SYSTEMD.exists():
        return f"no {SYSTEMD}"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"no {lacking[0]}"
    if _hierarchy() is None:
        return "no unified cgroup hierarchy is mounted"
    tried = subprocess.run(
        ["unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--fork", "true"],
        capture_output=True,
        check=False,
    )
    return "no new namespaces are allowed" if tried.returncode != 0 else None


class Host:
    """`Host(folder)` prepares the disk; `boot()` starts the host.  `folder` must be on a disk that supports an overlay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "upper"
        """The content of the host's disk over the real root; to be written while the host is off."""
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        for name in OPAQUE:
            path = self.disk / name
            path.mkdir(parents=True)
            os.setxattr(path, "trusted.overlay.opaque", b"y")
        for unit in MASKED:
            (self.disk / "etc/systemd/system" / unit).symlink_to("/dev/null")
        self._starter: subprocess.Popen[bytes] | None = None
        self._cgroup: Path | None = None
        self.pid = 0

    def boot(self) -> None:
        """Switch it on, and wait until it is up."""
        assert self._starter is None, "it is on"
        (self.folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
        hierarchy = _hierarchy()
        assert hierarchy is not None
        self._cgroup = hierarchy / f"atvm-test-{secrets.token_hex(4)}"
        self._cgroup.mkdir()
        with (self.folder / "console").open("ab") as console:
            self._starter = subprocess.Popen(
                [str(BOOT), str(self.folder), str(self._cgroup), *_shared()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        wait_for(self._up, f"the host is up; {self.console()}")

    def _up(self) -> bool:
        assert self._starter is not None
        assert self._starter.poll() is None, self.console()
        children = Path(f"/proc/{self._starter.pid}/task/{self._starter.pid}/children").read_text().split()
        if not children:
            return False
        self.pid = int(children[0])
        if Path(f"/proc/{self.pid}/comm").read_text().strip() != "systemd":
            return False
        answer = self.run("systemctl", "is-system-running", check=False)
        return answer.stdout.strip() in ("running", "degraded")

    def run(
        self,
        *command: str,
        check: bool = True,
        cwd: str = "/root",
        environ: Mapping[str, str] | None = None,
        timeout_s: float = DEADLINE_S,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the host until it ends, as root, in root's environment."""
        done = subprocess.run(
            self._argv(command, cwd, environ or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        # Decoded here, because text=True would convert all kinds of newlines to one.
        said, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {said}{errors}"
        return subprocess.CompletedProcess(command, done.returncode, said, errors)

    def read(self, path: str) -> str:
        """Return a file of the running host."""
        return self.run("cat", path).stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the running host; create its directory."""
        script = 'mkdir -p "$(dirname "$1")" && umask 077 && printf %s "$2" >"$1" && chmod "$3" "$1"'
        self.run("bash", "-c", script, "write", path, text, f"{mode:o}")

    def unit(self, name: str) -> dict[str, str]:
        """Return systemd's properties of a unit."""
        answer = self.run("systemctl", "show", name).stdout
        return dict(line.partition("=")[::2] for line in answer.splitlines())

    def log(self, unit: str) -> str:
        """Return the log of a unit since the boot."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def failed(self) -> list[str]:
        """Return the units that failed."""
        answer = self.run(
            "systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"
        ).stdout
        return [line.split()[0] for line in answer.splitlines() if line.strip()]

    def cut_power(self) -> None:
        """End all of its processes at once. Data that was not written is lost; the disk is kept."""
        if self._starter is None:
            return
        starter, self._starter = self._starter, None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid or starter.pid, signal.SIGKILL)
        starter.wait(DEADLINE_S)
        self.pid = 0
        self._forget_cgroup()

    def shut_down(self) -> None:
        """Shut it down in an orderly way; `boot()` starts it again."""
        assert self._starter is not None
        self.run("systemctl", "poweroff", "--no-block", check=False)
        starter, self._starter = self._starter, None
        starter.wait(DEADLINE_S)
        self.pid = 0
        self._forget_cgroup()

    def end(self) -> None:
        """Cut the power and delete the disk."""
        self.cut_power()
        shutil.rmtree(self.folder, ignore_errors=True)

    def console(self) -> str:
        """Return the end of the console output."""
        path = self.folder / "console"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def _argv(self, command: Sequence[str], cwd: str, environ: Mapping[str, str]) -> list[str]:
        root = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "USER": "root",
            "LANG": "C.UTF-8",
        }
        given = [f"{name}={value}" for name, value in {**root, **environ}.items()]
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]
        # The directory is one of the host's, so it is entered after the namespace.
        return [*enter, "env", "-i", "-C", cwd, *given, *command]

    def _forget_cgroup(self) -> None:
        assert self._cgroup is not None
        end = time.monotonic() + DEADLINE_S
        while self._cgroup.exists() and time.monotonic() < end:
            for folder, _, _ in os.walk(self._cgroup, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            time.sleep(0.02)


def _hierarchy() -> Path | None:
    """Return the cgroup of this process in the unified cgroup hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            for entry in Path("/proc/self/cgroup").read_text().splitlines():
                if entry.startswith("0::/"):
                    return Path(before.split()[4]) / entry[4:]
    return None


def _shared() -> list[str]:
    """Return the directories that the host must see and that are not on the root's file system."""
    wanted = (PROJECT, Path(sys.base_prefix), Path(sys.prefix))
    root = os.stat("/").st_dev
    return sorted({str(path) for path in wanted if path.stat().st_dev != root})
