"""What must hold before anything is written.  Each check raises Problem with one line, and changes nothing."""

import os
import shutil
from pathlib import Path

from .layout import CANNOT_WRITE, Places, Problem, shown

PACKAGE_BYTES = 150 * 1024 * 1024
"""A release with its environment takes about 60 MiB."""
STATE_BYTES = 16 * 1024 * 1024


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
        there = _existing(folder)
        if not there.is_dir():
            raise Problem(CANNOT_WRITE, f"{shown(there)} is no folder: move it away")
        if not os.access(there, os.W_OK | os.X_OK):
            raise Problem(
                CANNOT_WRITE, f"{shown(there)} cannot be written: mend its permissions or its mount"
            )
    if places.env_file.exists() and not places.env_file.is_file():
        raise Problem(CANNOT_WRITE, f"{shown(places.env_file)} is no file: move it away")


def check_disk(places: Places) -> None:
    """There is room for one more release, and for state."""
    for folder, least in ((places.package, PACKAGE_BYTES), (places.state_root(), STATE_BYTES)):
        there = _existing(folder)
        free = shutil.disk_usage(there).free
        if free < least:
            raise Problem(
                CANNOT_WRITE,
                f"only {free // 2**20} MiB are free at {shown(there)}: free at least {least // 2**20} MiB",
            )


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
