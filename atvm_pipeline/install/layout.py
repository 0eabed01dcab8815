"""The paths of an installation, and the checks before anything is written. Nothing here changes a file.

All paths are below a root directory, which is `/` except for tests and images.
"""

import os
import shutil
from pathlib import Path

KEPT_RELEASES = 3
SWEEP_UNIT = "atvm-run-sweep.service"
"""The only unit that is enabled: the others are started by name."""
PACKAGE_BYTES = 150 * 1024 * 1024
"""A release with its environment takes about 60 MiB."""
STATE_BYTES = 16 * 1024 * 1024
STATE_VARIABLE = "ATVM_WATCHER_STATE_ROOT"


class Problem(Exception):  # noqa: N818 - a refusal, not an error of the program
    """The installer cannot continue. The text is one line: the problem and how to solve it."""

    def __init__(self, code: int, text: str) -> None:
        """Keep the exit code `code` (docs/commands.md) and the text."""
        super().__init__(text)
        self.code = code


USAGE, DATA, UNAVAILABLE, CANNOT_WRITE, IN_USE = 64, 65, 69, 73, 75


class Places:
    """The paths of one controller."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Prefix every path with `root`."""
        self.root = root
        self.prefixed = root != Path("/")
        """Whether the root is another directory than `/`; this host's systemd is left alone then."""
        self.package = root / "opt/atvm-watcher-service"
        self.releases = self.package / "releases"
        self.current = self.package / "current"
        self.previous = self.package / "previous"
        self.replaced = self.package / "replaced"
        """Files in the way that are not from the installer are moved here."""
        self.commands = root / "usr/local/bin"
        """Links to the commands, so that they are on PATH."""
        self.units = root / "etc/systemd/system"
        self.env_file = root / "etc/atvm-run-watcher.env"
        self.old_install = root / "root/atvm-watcher-service"

    def state_root(self) -> Path:
        """Return the state root of the services: the setting of the environment file, else the default."""
        named = _last_value(self.env_file, STATE_VARIABLE)
        return self.root / (named or "/var/lib/atvm-run-watcher").lstrip("/")

    def target(self, link: Path) -> Path | None:
        """Return the release that `current` or `previous` links to, None if it does not exist."""
        try:
            release = self.releases / link.readlink().name
        except OSError:
            return None
        return release if release.is_dir() else None


def _last_value(path: Path, name: str) -> str | None:
    """Return the last plain `name=value` of an environment file. A path does not need the full syntax of that file."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    values = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == name]
    return values[-1].strip("'\"") or None if values else None


def shown(text: object) -> str:
    """Return a text or a path for a terminal: control characters and undecodable bytes become question marks."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def check_user(places: Places) -> None:
    """Raise Problem unless the user is root or installs below another root directory."""
    if not places.prefixed and os.geteuid() != 0:
        raise Problem(
            CANNOT_WRITE, "only root can install on a controller: use sudo (or try it with --root DIR)"
        )


def check_places(places: Places) -> None:
    """Raise Problem if a directory that will be written is not writable."""
    for folder in (
        places.package,
        places.releases,
        places.commands,
        places.units,
        places.env_file.parent,
        places.state_root(),
    ):
        existing = _nearest_existing(folder)
        if not existing.is_dir():
            raise Problem(CANNOT_WRITE, f"{shown(existing)} is not a directory: move it away")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise Problem(
                CANNOT_WRITE, f"{shown(existing)} is not writable: fix its permissions or its mount"
            )
    if places.env_file.exists() and not places.env_file.is_file():
        raise Problem(CANNOT_WRITE, f"{shown(places.env_file)} is not a file: move it away")


def check_disk(places: Places) -> None:
    """Raise Problem if there is no room for another release, or for state."""
    for folder, least in ((places.package, PACKAGE_BYTES), (places.state_root(), STATE_BYTES)):
        existing = _nearest_existing(folder)
        free = shutil.disk_usage(existing).free
        if free < least:
            raise Problem(
                CANNOT_WRITE,
                f"only {free // 2**20} MiB free at {shown(existing)}: make room for at least {least // 2**20} MiB",
            )


def _nearest_existing(path: Path) -> Path:
    """Return `path`, or its nearest parent directory that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
