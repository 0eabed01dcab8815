"""File system notifications that wake the loop when something may have changed on disk.

Only this module imports watchdog. It reads no file and decides nothing. A hint only means "check this path": it may
come twice, late or without a change, and one may be lost. Where the kernel cannot watch (a limit, a network mount), a
polling observer takes over.
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
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.log import log
from atvm_pipeline.shell.system.mounts import file_system_of

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

Hint = Callable[[Path | None], None]
"""Receives a path that may have changed; None means "anything may have changed". Must neither wait nor raise."""

FS_POLL_S = 1.0
"""Interval of a polling observer."""
PAIRING = (("inotify_move_event_grouper", "InotifyMoveEventGrouper"), ("inotify_buffer", "InotifyBuffer"))
"""Classes in which watchdog waits half a second for the other half of a rename, and delays all later events: since
version 7, and before."""
LOOKS = 5
LOOK_AGAIN_S = 0.2
"""A directory that has no watch in this many checks, this many seconds apart, will not get one."""
INOTIFY_INODE = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)
FS_STOP_WAIT_S = 5.0
ROUNDS_MAX = 10
"""How often directories that appear while the watches are being arranged are added immediately."""
MARKERS = ("cancel.json", "stop.json", "runner.json", "runner-exit.json")
"""Files that other processes write into the state directory. The watcher's own files there must not wake it."""
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
"""File systems, by a prefix of their name, on which the kernel does not report changes made by another machine."""
# "opened" and "closed without writing" are left out, because every reader of the tree would wake the watcher.
# "Directory modified" is left out too, because each write in it would be reported a second time.
EVENTS: list[type[FileSystemEvent]] = [
    *(FileCreatedEvent, FileModifiedEvent, FileMovedEvent, FileDeletedEvent, FileClosedEvent),
    *(DirCreatedEvent, DirMovedEvent, DirDeletedEvent),
]
FLAT_EVENTS = [kind for kind in EVENTS if kind is not FileClosedEvent]
"""For the directories of log and markers: each change of the log has its own event, and a marker is renamed into place."""


class FileWatcher:
    """Watches the markers in the state directory, the log, and everything in the artifact directory."""

    def __init__(self, state_folder: Path, log_path: Path, artifacts: Path, hint: Hint) -> None:
        """Prepare to watch; none of the paths needs to exist yet."""
        self._hint = hint
        self._artifacts = artifacts
        self._files = frozenset({log_path, *(state_folder / name for name in MARKERS)})
        self._names = frozenset(path.name for path in self._files)
        self._folders = (state_folder, log_path.parent, artifacts)
        self.degraded: str | None = None
        """Why something is polled; None while the kernel reports every change."""
        self._native: BaseObserver | None = None
        self._polling: BaseObserver | None = None
        self._scheduled: dict[tuple[str, bool], _Scheduled] = {}
        self._exchanged: set[str] = set()
        self._refused: set[str] = set()
        """Directories below which the kernel does not watch everything."""
        self._wake = threading.Event()
        self._stopped = False
        self._dead = False
        self._former_hook = threading.excepthook
        self._overflow = _Overflow(self)
        self._arranger = threading.Thread(target=self._keep_arranged, name="watch", daemon=True)

    def start(self) -> None:
        """Watch the existing paths, and wait for the missing ones. Never raises if the system refuses a watch."""
        logging.getLogger("watchdog").addHandler(self._overflow)
        self._former_hook, threading.excepthook = threading.excepthook, self._thread_ended
        _disable_pairing()
        # A directory that is created while its parent is being added is added twice. This has no effect, so it is not
        # logged.
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
        self._poll_unwatched()
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

    def is_relevant(self, event: FileSystemEvent) -> bool:
        """Return whether a file in a directory may be a watched one, by its name.

        The watcher's own journal and state are in the same directory.
        """
        return any(
            os.fsdecode(path).rpartition("/")[2] in self._names for path in (event.src_path, event.dest_path)
        )

    def changed(self, path: Path, *, folder: bool) -> None:
        """Handle a change at `path`, a directory or a file."""
        if self._stopped:
            return
        below = path.is_relative_to(self._artifacts)
        if path in self._files or below:
            self.hint(path)
        if below and folder:
            # A new directory: check whether it is watched.
            self._wake.set()
        if any(wanted.is_relative_to(path) for wanted in self._folders):
            # A wanted directory was created, removed or replaced, perhaps by one with the same inode number.
            if folder:
                self._exchanged.add(os.fspath(path))
            self._wake.set()

    def hint(self, path: Path | None) -> None:
        """Pass a hint on."""
        with contextlib.suppress(
            Exception
        ):  # Nothing may end watchdog's thread, and a lost hint costs only time.
            self._hint(path)

    def _thread_ended(self, how: threading.ExceptHookArgs) -> None:
        """Handle an exception that ended a thread.

        Without this, hints of a dead watchdog thread would stop without notice.
        """
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
                self._poll_unwatched()

    def _arrange(self) -> None:
        """Watch the wanted directories that exist and drop the removed ones, until nothing changes any more."""
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
            # Changes made before the watch existed were not reported.
            self.hint(None)

    def _wanted(self) -> dict[tuple[str, bool], int]:
        """Return (directory, recursive) -> inode of every directory to watch.

        Each wanted directory is watched if it exists, else its nearest existing parent.
        """
        wanted: dict[tuple[str, bool], int] = {}
        for folder in self._folders:
            for place in (folder, *folder.parents):
                with contextlib.suppress(OSError):
                    wanted[os.fspath(place), place == self._artifacts] = place.stat().st_ino
                    # The parent of the artifact directory reports that the directory was replaced.
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
        """Start again with polling: the existing observers may no longer report anything."""
        self._dead = False
        deaf = [observer for observer in (self._native, self._polling) if observer is not None]
        self._native = self._polling = None
        self._scheduled.clear()
        self.degraded = "the kernel cannot watch: a thread that watches files has ended"
        for observer in deaf:
            with contextlib.suppress(Exception):  # It is already broken.
                observer.stop()

    def _poll_unwatched(self) -> None:
        """Poll the artifact directory if the kernel does not watch all of it.

        At a limit of inotify, watchdog leaves directories out without an error.
        """
        key = (os.fspath(self._artifacts), True)
        scheduled = self._scheduled.get(key)
        if self._native is None or key[0] in self._refused or scheduled is None:
            return
        for _ in range(LOOKS):
            if self._stopped or not _unwatched(key[0]):
                return
            # It may just have been created.
            clock.sleep(LOOK_AGAIN_S)
        self._refused.add(key[0])
        self._degrade(OSError(errno.ENOSPC, f"not every directory below {key[0]} (a limit of inotify)"))
        self._unschedule(key)
        self._schedule(key, scheduled.inode)
        self.hint(None)

    def _unschedule(self, key: tuple[str, bool]) -> None:
        with contextlib.suppress(
            KeyError, OSError
        ):  # It may have ended by itself when its directory was removed.
            self._scheduled.pop(key).end()

    def _polled(self) -> "BaseObserver":
        if self._polling is None:
            self._polling = PollingObserver(timeout=FS_POLL_S)
            self._polling.start()
        return self._polling

    def _degrade(self, error: OSError) -> None:
        self.degraded = f"the kernel cannot watch: {reason_of(error)}"


class _Scheduled(FileSystemEventHandler):
    """One watched directory: reports paths in the form in which they were requested, whatever links lead there."""

    def __init__(
        self, watch: FileWatcher, observer: "BaseObserver", folder: Path, inode: int, *, recursive: bool
    ) -> None:
        self._watcher = watch
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
        if not self._recursive and not event.is_directory and not self._watcher.is_relevant(event):
            return
        for raw in {event.src_path, event.dest_path} - {"", b""}:
            path = Path(os.fsdecode(raw))
            with contextlib.suppress(ValueError):
                place = self._folder / path.relative_to(self._real)
                self._watcher.changed(place, folder=event.is_directory)

    def end(self) -> None:
        self._observer.unschedule(self._observed)


class _Overflow(logging.Handler):
    """Handler for watchdog's log, which is the only place where it reports that the kernel dropped events."""

    def __init__(self, watch: FileWatcher) -> None:
        super().__init__(logging.WARNING)
        self._watcher = watch

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in str(record.msg).lower():
            self._watcher.hint(None)


def _unwatched(folder: str) -> bool:
    """Return whether a directory at or below `folder` has no watch of this process; False if that cannot be determined.

    The watches are listed in /proc/self/fdinfo (proc(5)).
    """
    watched: set[int] = set()
    try:
        for name in os.listdir("/proc/self/fdinfo"):  # noqa: PTH208 - only names are needed
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


def _disable_pairing() -> None:
    """Switch off the pairing of renames, which delays events.

    Each saved state is a rename. The log may be in the same directory, and its events would be delayed too.
    """
    for module, name in PAIRING:
        with contextlib.suppress(ImportError, AttributeError):
            getattr(importlib.import_module(f"watchdog.observers.{module}"), name).delay = 0.0
