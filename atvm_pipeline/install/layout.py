"""Where everything lies on a controller, below a root folder that is `/` but for tests and images.  Touches nothing."""

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


class Problem(Exception):  # noqa: N818 - an answer for a person, not an error of the program
    """It does not go on.  The text is one line that says what is wrong and what to do."""

    def __init__(self, code: int, text: str) -> None:
        """`code`: the exit code (docs/watcher-service.md)."""
        super().__init__(text)
        self.code = code


USAGE, DATA, UNAVAILABLE, CANNOT_WRITE, IN_USE = 64, 65, 69, 73, 75


class Places:
    """The paths of one controller."""

    def __init__(self, root: Path = Path("/")) -> None:
        """`root` is prefixed to every path."""
        self.root = root
        self.prefixed = root != Path("/")
        """Nothing is asked of this machine's systemd then."""
        self.package = root / "opt/atvm-watcher-service"
        self.releases = self.package / "releases"
        self.current = self.package / "current"
        self.previous = self.package / "previous"
        self.replaced = self.package / "replaced"
        """What lay in our way and was not ours is moved here."""
        self.units = root / "etc/systemd/system"
        self.env_file = root / "etc/atvm-run-watcher.env"
        self.old_install = root / "root/atvm-watcher-service"

    def state_root(self) -> Path:
        """The state root that the services use: what the environment file says, else the default."""
        named = _last_value(self.env_file, STATE_VARIABLE)
        return self.root / (named or "/var/lib/atvm-run-watcher").lstrip("/")

    def target(self, link: Path) -> Path | None:
        """The release that `current` or `previous` names, None if there is none."""
        try:
            release = self.releases / link.readlink().name
        except OSError:
            return None
        return release if release.is_dir() else None


def _last_value(path: Path, name: str) -> str | None:
    """The last plain `name=value` of an environment file; the file's full rules are not needed for a path."""
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
    """A controller is root's."""
    if not places.prefixed and os.geteuid() != 0:
        raise Problem(
            CANNOT_WRITE, "only root can install on a controller: use sudo (or --root DIR to try it)"
        )


def check_places(places: Places) -> None:
    """Every folder that will be written can be."""
    for folder in (
        places.package,
        places.releases,
        places.units,
        places.env_file.parent,
        places.state_root(),
    ):
        existing = _nearest_existing(folder)
        if not existing.is_dir():
            raise Problem(CANNOT_WRITE, f"{shown(existing)} is no folder: move it away")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise Problem(
                CANNOT_WRITE, f"{shown(existing)} cannot be written: mend its permissions or its mount"
            )
    if places.env_file.exists() and not places.env_file.is_file():
        raise Problem(CANNOT_WRITE, f"{shown(places.env_file)} is no file: move it away")


def check_disk(places: Places) -> None:
    """There is room for one more release, and for state."""
    for folder, least in ((places.package, PACKAGE_BYTES), (places.state_root(), STATE_BYTES)):
        existing = _nearest_existing(folder)
        free = shutil.disk_usage(existing).free
        if free < least:
            raise Problem(
                CANNOT_WRITE,
                f"only {free // 2**20} MiB are free at {shown(existing)}: free at least {least // 2**20} MiB",
            )


def _nearest_existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
