"""Wakes the loop when something may have changed on disk.  The only importer of watchdog; reads no file, decides nothing.

A hint says no more than "look there": it may come twice, late, or for nothing, and one may be lost.  Where the kernel
cannot watch (a limit, a network mount) a polling observer takes over.
"""

import contextlib
import errno
import importlib
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.mounts import file_system_of

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

Hint = Callable[[Path | None], None]
"""Told a path that may have changed, None for "anything may have".  Must neither wait nor raise."""

FS_POLL_S = 1.0
"""How often a polling observer looks."""
PAIRING = (("inotify_move_event_grouper", "InotifyMoveEventGrouper"), ("inotify_buffer", "InotifyBuffer"))
"""Where watchdog waits half a second for the other half of a renaming, with everything that comes after it: since 7, and
before."""
LOOKS = 5
LOOK_AGAIN_S = 0.2
"""A folder that is not watched so many times in a row, so many seconds apart, will not be."""
INOTIFY_INODE = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)
FS_STOP_WAIT_S = 5.0
ROUNDS_MAX = 10
"""How often folders that appear while we arrange the watches are followed at once."""
MARKERS = ("cancel.json", "stop.json", "runner.json", "runner-exit.json")
"""What others write into the state folder.  Our own files there must not wake us."""
REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "fuse",
    "ceph",
    "glusterfs",
    "afs",
    "lustre",
    "gpfs",
    "virtiofs",
    "vboxsf",
)
"""File systems, by the begin of their name, on which the kernel does not tell what another machine changes."""
# Never "opened" or "closed without writing": whoever reads the tree would wake us.  No changed folder either: each
# write in it would tell it once more.
EVENTS: list[type[FileSystemEvent]] = [
    *(FileCreatedEvent, FileModifiedEvent, FileMovedEvent, FileDeletedEvent, FileClosedEvent),
    *(DirCreatedEvent, DirMovedEvent, DirDeletedEvent),
]
FLAT_EVENTS = [kind for kind in EVENTS if kind is not FileClosedEvent]
"""For the folders of log and markers: each change of the log is told as such, and a marker is renamed into its place."""


class FileWatcher:
    """Watches the markers in the state folder, the log, and everything in the artifact folder."""

    def __init__(self, state_folder: Path, log_path: Path, artifacts: Path, hint: Hint) -> None:
        """None of them needs to exist yet."""
        self._hint = hint
        self._artifacts = artifacts
        self._files = frozenset({log_path, *(state_folder / name for name in MARKERS)})
        self._names = frozenset(path.name for path in self._files)
        self._folders = (state_folder, log_path.parent, artifacts)
        self.degraded: str | None = None
        """Why something is polled, None while the kernel tells everything."""
        self._native: BaseObserver | None = None
        self._polling: BaseObserver | None = None
        self._scheduled: dict[tuple[str, bool], _Scheduled] = {}
        self._exchanged: set[str] = set()
        self._refused: set[str] = set()
        """Folders below which the kernel would not watch everything."""
        self._wake = threading.Event()
        self._stopped = False
        self._dead = False
        self._former_hook = threading.excepthook
        self._overflow = _Overflow(self)
        self._arranger = threading.Thread(target=self._keep_arranged, name="watch", daemon=True)

    def start(self) -> None:
        """Watch what is there, and wait for what is not.  Never raises for what the system refuses."""
        logging.getLogger("watchdog").addHandler(self._overflow)
        self._former_hook, threading.excepthook = threading.excepthook, self._thread_ended
        _pair_nothing()
        # A folder that is made while its parent is being added is added twice, to no harm: that is no news for a log.
        warnings.filterwarnings(
            "ignore", "Callback with id '.*' (already exists|does not exist)", RuntimeWarning
        )
        try:
            self._native = Observer()
            self._native.start()
        except OSError as error:
            self._native = None
            self._degrade(error)
        self._arrange()
        self._poll_the_unwatched()
        self._arranger.start()

    def stop(self) -> None:
        """Stop watching; no hint comes after this."""
        self._stopped = True
        self._wake.set()
        self._arranger.join(FS_STOP_WAIT_S)
        for observer in (self._native, self._polling):
            if observer is not None:
                observer.stop()
                observer.join(FS_STOP_WAIT_S)
        threading.excepthook = self._former_hook
        logging.getLogger("watchdog").removeHandler(self._overflow)

    # --- called by watchdog's threads ---

    def wants(self, event: FileSystemEvent) -> bool:
        """Whether a file in a folder may be one of ours, by its name: our own journal and state lie there too."""
        return any(
            os.fsdecode(path).rpartition("/")[2] in self._names for path in (event.src_path, event.dest_path)
        )

    def changed(self, path: Path, *, folder: bool) -> None:
        """Something happened at `path`, a folder or a file."""
        if self._stopped:
            return
        below = path.is_relative_to(self._artifacts)
        if path in self._files or below:
            self.tell(path)
        if below and folder:
            # A folder more: is it watched?
            self._wake.set()
        if any(wanted.is_relative_to(path) for wanted in self._folders):
            # A folder that we want came, went or was exchanged, perhaps for one with the same inode number.
            if folder:
                self._exchanged.add(os.fspath(path))
            self._wake.set()

    def tell(self, path: Path | None) -> None:
        """Hand a hint on."""
        with contextlib.suppress(
            Exception
        ):  # Nothing may end watchdog's thread, and a lost hint costs only time.
            self._hint(path)

    def _thread_ended(self, how: threading.ExceptHookArgs) -> None:
        """An error has ended a thread: with one of watchdog's, hints would stop coming and nobody would know."""
        if not type(how.thread).__module__.startswith("watchdog."):
            self._former_hook(how)
            return
        log(f"a thread that watches files ended with {how.exc_type.__name__}; polling every second instead")
        self._dead = True
        self._wake.set()

    # --- arranging the watches ---

    def _keep_arranged(self) -> None:
        while not self._stopped:
            self._wake.wait()
            self._wake.clear()
            if not self._stopped:
                if self._dead:
                    self._poll_everything()
                self._arrange()
                self._poll_the_unwatched()

    def _arrange(self) -> None:
        """Watch what exists of what we want, and forget what is gone, until nothing changes under our hands."""
        for _ in range(ROUNDS_MAX):
            exchanged, self._exchanged = self._exchanged, set()
            wanted = self._wanted()
            for key, scheduled in list(self._scheduled.items()):
                if key[0] in exchanged or scheduled.inode != wanted.get(key):
                    self._unschedule(key)
            new = 0
            for key, inode in wanted.items():
                new += key not in self._scheduled and self._schedule(key, inode)
            if not new:
                return
            # What was written before the watch stood has told nobody.
            self.tell(None)

    def _wanted(self) -> dict[tuple[str, bool], int]:
        """(folder, recursive) -> its inode, for every folder to watch: each wanted one, else the next above it."""
        wanted: dict[tuple[str, bool], int] = {}
        for folder in self._folders:
            for place in (folder, *folder.parents):
                with contextlib.suppress(OSError):
                    wanted[os.fspath(place), place == self._artifacts] = place.stat().st_ino
                    # The one above the artifact folder tells when that is exchanged for another.
                    if place != self._artifacts:
                        break
        return wanted

    def _schedule(self, key: tuple[str, bool], inode: int) -> bool:
        folder, recursive = key
        kind = file_system_of(folder)
        remote = kind.startswith(REMOTE)
        if remote:
            self.degraded = f"{folder} is on {kind}, which does not report every change"
        for observer in (None if remote or folder in self._refused else self._native, None):
            try:
                scheduled = _Scheduled(
                    self, observer or self._polled(), Path(folder), inode, recursive=recursive
                )
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    return False
                self._degrade(error)
            else:
                self._scheduled[key] = scheduled
                return True
        return False

    def _poll_everything(self) -> None:
        """Begin anew without the kernel's hints: the observers that are there may be deaf."""
        self._dead = False
        deaf = [observer for observer in (self._native, self._polling) if observer is not None]
        self._native = self._polling = None
        self._scheduled.clear()
        self.degraded = "the kernel cannot watch: a thread that watches files has ended"
        for observer in deaf:
            with contextlib.suppress(Exception):  # It is broken somewhere already.
                observer.stop()

    def _poll_the_unwatched(self) -> None:
        """Poll the artifact folder if the kernel does not watch all of it: at a limit watchdog leaves folders out in silence."""
        key = (os.fspath(self._artifacts), True)
        scheduled = self._scheduled.get(key)
        if self._native is None or key[0] in self._refused or scheduled is None:
            return
        for _ in range(LOOKS):
            if self._stopped or not _unwatched(key[0]):
                return
            # It may have been made a moment ago.
            clock.sleep(LOOK_AGAIN_S)
        self._refused.add(key[0])
        self._degrade(OSError(errno.ENOSPC, f"not every folder below {key[0]} (a limit of inotify)"))
        self._unschedule(key)
        self._schedule(key, scheduled.inode)
        self.tell(None)

    def _unschedule(self, key: tuple[str, bool]) -> None:
        with contextlib.suppress(
            KeyError, OSError
        ):  # It may have ended by itself when its folder was removed.
            self._scheduled.pop(key).end()

    def _polled(self) -> "BaseObserver":
        if self._polling is None:
            self._polling = PollingObserver(timeout=FS_POLL_S)
            self._polling.start()
        return self._polling

    def _degrade(self, error: OSError) -> None:
        self.degraded = f"the kernel cannot watch: {error.strerror or 'unknown error'}"


class _Scheduled(FileSystemEventHandler):
    """One watched folder: gives paths as they were asked for, whatever links lead there."""

    def __init__(
        self, watch: FileWatcher, observer: "BaseObserver", folder: Path, inode: int, *, recursive: bool
    ) -> None:
        self._watch = watch
        self._recursive = recursive
        self._folder = folder
        self._real = folder.resolve()
        self._observer = observer
        self.inode = inode
        self._observed: ObservedWatch = observer.schedule(
            self,
            os.fspath(self._real),
            recursive=recursive,
            event_filter=EVENTS if recursive else FLAT_EVENTS,
        )

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not self._recursive and not event.is_directory and not self._watch.wants(event):
            return
        for raw in {event.src_path, event.dest_path} - {"", b""}:
            path = Path(os.fsdecode(raw))
            with contextlib.suppress(ValueError):
                place = self._folder / path.relative_to(self._real)
                self._watch.changed(place, folder=event.is_directory)

    def end(self) -> None:
        self._observer.unschedule(self._observed)


class _Overflow(logging.Handler):
    """watchdog says only in its own log that the kernel dropped events."""

    def __init__(self, watch: FileWatcher) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in str(record.msg).lower():
            self._watch.tell(None)


def _unwatched(folder: str) -> bool:
    """Whether a folder at or below `folder` has no watch of this process (proc(5), fdinfo); False where it cannot be known."""
    watched: set[int] = set()
    try:
        for name in os.listdir("/proc/self/fdinfo"):  # noqa: PTH208 - names are wanted
            with contextlib.suppress(OSError):
                text = Path("/proc/self/fdinfo", name).read_text(encoding="ascii", errors="replace")
                watched.update(int(ino, 16) for ino in INOTIFY_INODE.findall(text))
        if Path(folder).stat().st_ino not in watched:
            return False
        return any(
            Path(place).stat().st_ino not in watched
            for place, _, _ in os.walk(os.path.realpath(folder))
            if os.access(place, os.R_OK)
        )
    except OSError:
        return False


def _pair_nothing() -> None:
    """Each state that we save is a renaming, and the log may lie beside it: its lines would wait with it."""
    for module, name in PAIRING:
        with contextlib.suppress(ImportError, AttributeError):
            getattr(importlib.import_module(f"watchdog.observers.{module}"), name).delay = 0.0
