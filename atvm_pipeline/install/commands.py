"""Commands on PATH: links in `/usr/local/bin` to the commands of the active release.

Each link leads through the link `bin` of the package root, so an upgrade or a rollback needs no change here. A file of another
program is never replaced or removed.
"""

import os
from pathlib import Path

from atvm_pipeline.shell.system.files import sync_folder

from .deploy import DeployStep, point
from .layout import Places

PROGRAM = "atvm-pipeline"


def command_links(places: Places, names: list[str]) -> list[DeployStep]:
    """Return the steps that make the links for the files `names` of a release's `bin/`, and remove links that lead nowhere."""
    wanted = command_names(names)
    taken = [name for name in wanted if _is_taken(places, name)]
    missing = [name for name in wanted if name not in taken and not _is_link(places, name)]
    stale = [name for name in own_links(places) if name not in wanted]

    def do() -> None:
        places.commands.mkdir(parents=True, exist_ok=True)
        for name in missing:
            point(places.commands / name, _target(places, name))
        remove_links(places, stale)

    steps = [
        DeployStep(
            f"kept: {places.commands / name} is not from this installer; type {places.package / 'bin' / name} instead",
            lambda: None,
        )
        for name in taken
    ]
    if missing or stale:
        words = [*missing, *(f"removed {name}" for name in stale)]
        steps.append(DeployStep(f"commands: {', '.join(words)} in {places.commands}", do))
    return steps


def command_names(names: list[str]) -> list[str]:
    """Return the files of `bin/` that people type: the program and the wrappers."""
    return sorted(name for name in names if name == PROGRAM or name.endswith(".sh"))


def broken_links(places: Places, names: list[str]) -> list[str]:
    """Return the commands that have no link, where no other file is in the way."""
    return [
        name for name in command_names(names) if not _is_link(places, name) and not _is_taken(places, name)
    ]


def own_links(places: Places) -> list[str]:
    """Return the names of the links that this installer made, also of an earlier release."""
    if not places.commands.is_dir():
        return []
    return sorted(path.name for path in places.commands.iterdir() if _is_link(places, path.name))


def remove_links(places: Places, names: list[str]) -> None:
    """Remove links of this installer. Raises OSError."""
    for name in names:
        (places.commands / name).unlink(missing_ok=True)
    if names:
        sync_folder(places.commands)


def _target(places: Places, name: str) -> str:
    """Return what the link contains: below another root (an image) a relative path, which is right in both places."""
    command = places.package / "bin" / name
    return os.path.relpath(command, places.commands) if places.prefixed else str(command)


def _is_link(places: Places, name: str) -> bool:
    return _read_link(places.commands / name) == _target(places, name)


def _is_taken(places: Places, name: str) -> bool:
    """Return whether something else has this name."""
    path = places.commands / name
    return (path.exists() or path.is_symlink()) and not _is_link(places, name)


def _read_link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None
