"""Deployment steps outside a release: links, units, environment file, state root. Each function returns the steps still needed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.shell.system.clock import now
from atvm_pipeline.shell.system.files import sync_folder, write_whole
from atvm_pipeline.shell.system.subprocesses import systemctl

from .layout import SWEEP_UNIT, UNAVAILABLE, Places, Problem

SYSTEMD = Path("/run/systemd/system")
"""sd_booted(3): this directory exists where systemd is PID 1."""
UNLINKED = frozenset({"atvm-pipeline", "_lib.bash"})
"""Files of `bin/` that have no link at the package root."""
ENV_TEMPLATE = """\
# Secrets and settings of the ATVM run watcher (docs/settings.md).  Keep it 0600, owner root.
# The webhook's address is a credential:
#MATTERMOST_ATVM_WEBHOOK=https://<server>/hooks/<id>
#MATTERMOST_ATVM_CHANNEL=
# One line for HUNG, TERMINATED, UNKNOWN, trouble, and a watcher that died:
#ATVM_WATCHER_ALERT_CHANNEL=
"""


class DeployStep(NamedTuple):
    """A change: its description on one line, and the function that makes it."""

    text: str
    do: Callable[[], None]


def switch(places: Places, release: Path) -> list[DeployStep]:
    """Point `current` to `release` and `previous` to the release before it, by one rename each."""
    before = places.target(places.current)
    if before == release:
        return []
    was = f" (was {before.name})" if before is not None else ""

    def do() -> None:
        if before is not None:
            point(places.previous, f"releases/{before.name}")
        point(places.current, f"releases/{release.name}")

    return [DeployStep(f"current: {release.name}{was}", do)]


def point(link: Path, to: str) -> None:
    """Point `link` to `to` atomically: a reader sees the old or the new target. Raises OSError."""
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(to)
    temporary.replace(link)
    sync_folder(link.parent)


def links(places: Places, wanted: dict[str, str]) -> list[DeployStep]:
    """Make the links at the package root. Something else of such a name is moved aside, not deleted."""
    steps = []
    in_the_way = [
        name for name in (*wanted, "current", "previous", "releases") if _is_unmanaged(places, name)
    ]
    if in_the_way:
        steps.append(_move_aside(places, [places.package / name for name in in_the_way]))
    missing = {name: to for name, to in wanted.items() if _read_link(places.package / name) != to}
    stale = [path for path in _entries(places.package) if path.name not in wanted and _is_wrapper_link(path)]

    def do() -> None:
        for name, to in missing.items():
            point(places.package / name, to)
        for path in stale:
            path.unlink()

    if missing or stale:
        steps.append(
            DeployStep(f"links: {', '.join([*missing, *(f'removed {path.name}' for path in stale)])}", do)
        )
    return steps


def wanted_links(names: list[str]) -> dict[str, str]:
    """Return the links for the files of a release's `bin/`: name at the package root -> target."""
    return {"bin": "current/bin", **{name: f"bin/{name}" for name in sorted(names) if name not in UNLINKED}}


def _is_unmanaged(places: Places, name: str) -> bool:
    path = places.package / name
    return (path.exists() or path.is_symlink()) and path.is_symlink() == (name == "releases")


def _is_wrapper_link(path: Path) -> bool:
    return (_read_link(path) or "").startswith("bin/")


def _read_link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _move_aside(places: Places, paths: list[Path]) -> DeployStep:
    folder = places.replaced / now().strftime("%Y%m%dT%H%M%S.%fZ")

    def do() -> None:
        folder.mkdir(parents=True)
        for path in paths:
            if path.parent == places.package:
                path.rename(folder / path.name)
            else:  # perhaps another file system
                (folder / path.name).write_bytes(path.read_bytes())

    names = ", ".join(path.name for path in paths)
    return DeployStep(
        f"kept: {names} (changed since the installation, or not from it), moved to {folder}", do
    )


def units(places: Places, wanted: dict[str, bytes], ours: dict[str, set[bytes]]) -> list[DeployStep]:
    """Write the units of `wanted`. `ours` has every content that an installed release has for a unit.

    A unit that was changed by hand is copied aside before it is replaced. Drop-ins are never touched.
    """
    found = {name: _read(places.units / name) for name in {*wanted, *ours}}
    write = {name: data for name, data in wanted.items() if found[name] != data}
    remove = [name for name in ours if name not in wanted and found[name] is not None]
    changed = [
        name for name in (*write, *remove) if (data := found[name]) and data not in ours.get(name, set())
    ]
    steps = [_move_aside(places, [places.units / name for name in sorted(changed)])] if changed else []

    def do() -> None:
        places.units.mkdir(parents=True, exist_ok=True)
        for name, data in write.items():
            write_whole(places.units / name, data, 0o644)
        for name in remove:
            (places.units / name).unlink(missing_ok=True)

    if write or remove:
        words = [*sorted(write), *(f"removed {name}" for name in sorted(remove))]
        steps.append(DeployStep(f"units: {', '.join(words)} in {places.units}", do))
    return steps


def service_manager(places: Places, *, changed: bool, sweep: bool) -> list[DeployStep]:
    """Reload systemd's units, and enable the sweep at boot."""
    if places.prefixed:
        return []
    steps = []
    if SYSTEMD.is_dir() and (changed or _is_behind()):
        steps.append(DeployStep("systemd: units reloaded", lambda: _systemctl("daemon-reload")))
    if sweep and systemctl("is-enabled", SWEEP_UNIT).text != "enabled":
        steps.append(DeployStep(f"systemd: {SWEEP_UNIT} enabled", lambda: _systemctl("enable", SWEEP_UNIT)))
    return steps


def _is_behind() -> bool:
    """Return whether systemd has not loaded the installed units, because an installation was interrupted."""
    unit = "atvm-run-watcher@installed.service"
    return systemctl("show", "--property=NeedDaemonReload", "--value", unit).text == "yes"


def _systemctl(*words: str) -> None:
    answer = systemctl(*words)
    if answer.code != 0:
        raise Problem(UNAVAILABLE, f"systemctl {' '.join(words)} failed: {answer.failure}")


def environment_file(places: Places) -> list[DeployStep]:
    """Write a template if there is no environment file. An existing file is never changed."""
    if places.env_file.exists() or places.env_file.is_symlink():
        return []

    def do() -> None:
        places.env_file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(places.env_file, ENV_TEMPLATE.encode(), 0o600)

    return [
        DeployStep(f"environment: {places.env_file} created (0600): set MATTERMOST_ATVM_WEBHOOK in it", do)
    ]


def state_root(places: Places) -> list[DeployStep]:
    """Make the state root, accessible to its owner only."""
    folder = places.state_root()
    if folder.is_dir():
        mode = folder.stat().st_mode & 0o7777
        if not mode & 0o077:
            return []
        return [DeployStep(f"state: {folder} is now 0700 (was {mode:04o})", lambda: folder.chmod(0o700))]

    def do() -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)

    return [DeployStep(f"state: {folder} created (0700)", do)]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
