"""A real watcher with disturbed hints: `test_same_verdict.py` starts it instead of `python -m atvm_pipeline`.

Usage: python -m tests.support.disturbed_watcher MODE watch BUILD --state-root ROOT
"""

import errno
import itertools
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from atvm_pipeline.cli.main import main
from atvm_pipeline.shell.sources import fs_events

Tell = Callable[[fs_events.FileWatcher, Path | None], None]
TELL: Tell = fs_events.FileWatcher.hint


def no_inotify(*_args: object) -> None:
    """Fail as the kernel does at its limit of inotify instances."""
    raise OSError(errno.EMFILE, "inotify instance limit reached")


def second_dropped() -> Tell:
    number = itertools.count()

    def tell(self: fs_events.FileWatcher, path: Path | None) -> None:
        if next(number) % 2:
            TELL(self, path)

    return tell


def doubled(self: fs_events.FileWatcher, path: Path | None) -> None:
    TELL(self, path)
    TELL(self, path)


def reordered() -> Tell:
    """Delay each hint by a random time, so that later ones overtake it."""
    dice = random.Random(1)  # noqa: S311 - must be repeatable

    def tell(self: fs_events.FileWatcher, path: Path | None) -> None:
        timer = threading.Timer(dice.uniform(0, 0.3), TELL, (self, path))
        timer.daemon = True
        timer.start()

    return tell


def nothing(_self: fs_events.FileWatcher, _path: Path | None) -> None:
    """Send no hint at all: only the periodic scans remain."""


MODES = ("inotify", "polling", "second hint dropped", "no hints", "doubled", "reordered", "late")


def disturb(mode: str) -> None:
    """Disturb the hints of this process as `mode` requires; the caller handles `late` itself."""
    tells: dict[str, Callable[[], Tell]] = {
        "second hint dropped": second_dropped,
        "no hints": lambda: nothing,
        "doubled": lambda: doubled,
        "reordered": reordered,
    }
    if mode in tells:
        fs_events.FileWatcher.hint = tells[mode]()  # type: ignore[method-assign]
    elif mode == "polling":
        fs_events.Observer = no_inotify  # type: ignore[assignment,misc]


if __name__ == "__main__":
    disturb(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
