"""Where everything lies on a controller, below a root folder that is `/` but for tests and images.  Touches nothing."""

from pathlib import Path

KEPT_RELEASES = 3
SWEEP_UNIT = "atvm-run-sweep.service"
"""The only unit that is enabled: the others are started by name."""
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


def shown(path: Path) -> str:
    """A path for a terminal: control characters and lost encodings made visible."""
    return "".join(character if character.isprintable() else "?" for character in str(path))
