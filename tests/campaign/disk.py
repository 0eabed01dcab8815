"""A private small disk for a state root: a tmpfs in a mount namespace, which fills up and gets room again."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SIZE = "3m"
INODES = 400
PRIVATE = "ATVM_CAMPAIGN_PRIVATE"
"""Set in the environment of a process that has its own mounts."""


OWN_PROCESSES = ("--pid", "--fork", "--kill-child", "--mount-proc")
"""A process table of its own.

In a user namespace the directory of a process outside cannot be read: a run of the same build name anywhere
on the machine would be taken for one in this directory.
"""


def missing() -> str | None:
    """Return why no private disk is possible here; None if it is."""
    return _refusal("mount", "-t", "tmpfs", "tmpfs", "/mnt")


def _refusal(*more: str) -> str | None:
    """Return the error output if `more` fails with mounts of its own."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run([*_unshare(), *more], capture_output=True, check=False)
    if tried.returncode == 0:
        return None
    return f"no private mount is allowed: {tried.stderr.decode(errors='replace').strip()}"


def _unshare() -> list[str]:
    """Return the options for a user namespace, which root does not need; every other user is root in one."""
    alone = ["unshare", "--mount", "--propagation", "private"]
    return alone if os.geteuid() == 0 else [*alone, "--user", "--map-root-user"]


def private_command(*argv: str, more: Sequence[str] = ()) -> list[str]:
    """Return the command that runs `argv` with its own mounts, which end with it, and with `more` options."""
    return [*_unshare(), *more, "env", f"{PRIVATE}=1", *argv]


def enter_private(argv: list[str]) -> None:
    """Become this module's program again, with private mounts and, where possible, private processes.

    Returns if this process has them already.
    """
    if os.environ.get(PRIVATE) != "1":
        more = OWN_PROCESSES if _refusal(*OWN_PROCESSES, "true") is None else ()
        command = private_command(sys.executable, *argv, more=more)
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Mount a small tmpfs in `folder`. Only in a process with mounts of its own."""
    assert os.environ.get(PRIVATE) == "1", "a disk is mounted only where no other process sees it"
    folder.mkdir(mode=0o700)
    options = f"size={SIZE},nr_inodes={INODES},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def full(folder: Path, what: str) -> Iterator[None]:
    """Leave no block, or no inode, in `folder` while the block runs."""
    ballast = folder / ".ballast"
    ballast.mkdir(exist_ok=True)
    try:
        (_take_inodes if what == "inodes" else _take_blocks)(ballast)
        yield
    finally:
        for path in ballast.iterdir():
            path.unlink()


def _take_blocks(ballast: Path) -> None:
    for size in (64 * 1024, 4096):
        with contextlib.suppress(OSError), (ballast / f"{size}").open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * size)


def _take_inodes(ballast: Path) -> None:
    with contextlib.suppress(OSError):
        for number in range(10 * INODES):
            (ballast / f"{number}").touch()
        raise AssertionError("there is no end of inodes")
