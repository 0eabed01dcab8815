"""The parts of the simulated disk: its points, files after a power cut, the names in a report."""

import errno
import random
from typing import NamedTuple


class Point(NamedTuple):
    """One call that changes the disk."""

    number: int
    name: str
    """For example `journal write`, `state.json rename`, `folder fsync`."""
    torn: bool
    """Whether the call may be done in part."""


class Order(NamedTuple):
    """The disturbance at a point."""

    crash: str = ""
    """`before`, `middle` or `after`."""
    error: int = 0
    short: bool = False
    """A write takes a part first and fails with the next call."""


class Renamed(NamedTuple):
    """A change of names that is not durable yet: of a rename both halves, or neither."""

    new: str
    content: "Content | None"
    old: str
    tree: bool = False
    """A directory was renamed, with everything in it."""

    def moved(self, path: str) -> str:
        """Return a path after the renaming of the directory."""
        return self.new + path[len(self.old) :] if f"{path}/".startswith(f"{self.old}/") else path


class Content:
    """A file as the disk has it, and the changes since its last sync."""

    def __init__(self, *, folder: bool = False) -> None:
        self.folder = folder
        self.durable = bytearray()
        self.since: list[tuple[int, bytes | None]] = []
        """(offset, data) of a write, (length, None) of a cut."""

    def synced(self) -> None:
        for change in self.since:
            _apply(self.durable, change)
        self.since.clear()

    def sync_failed(self) -> None:
        """Drop the changes: Linux marks the pages as clean all the same, so a later sync succeeds."""
        size = max((at + len(data) for at, data in self.since if data is not None), default=0)
        self.durable.extend(bytes(max(0, size - len(self.durable))))
        self.since.clear()

    def after_power_cut(self, rng: random.Random) -> bytes:
        kept = bytearray(self.durable)
        for change in self.since[: rng.choice((0, len(self.since), rng.randint(0, len(self.since))))]:
            at, data = change
            if data is not None and rng.random() < 0.3:
                _apply(kept, (at, data[: rng.randint(0, len(data))]))
                break
            _apply(kept, change)
        return bytes(kept)


def _apply(content: bytearray, change: tuple[int, bytes | None]) -> None:
    at, data = change
    if data is None:
        del content[at:]
    else:
        content.extend(bytes(max(0, at - len(content))))
        content[at : at + len(data)] = data


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def named(path: str) -> str:
    """Return the name of a file for a report."""
    folder, _, name = path.rpartition("/")
    if folder.endswith("/.locks") or name.endswith(".lock"):
        return "lock"
    if name in ("subruns", "posts"):
        return f"{name} folder"
    if name.endswith(".tmp"):
        # Temporary files share a directory, and the exact one of the many small ones does not matter.
        kept = name.removeprefix(".").rsplit(".", 2)[0]
        return kept if kept in ("state.json", "watcher.json") else "sub-run or post"
    if folder.endswith("/subruns"):
        return "sub-run"
    if folder.endswith("/posts"):
        return "post"
    if name.startswith("journal"):
        return "journal"
    return name if name.endswith(".json") else "folder"


ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EACCES": errno.EACCES}
"""Return the errors with which a call may fail."""
