"""A disk that can fail: every call of the watcher that changes the state root is a numbered point of failure.

The files are real ones, in a directory in memory. A second copy holds the remains of a power cut. It has the
synced content, under the names that a sync of their directory made durable. From the rest, the seed draws
nothing, a part with a torn end, or all.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from .contents import Content, Order, Point, Renamed, folder_of, named

REAL = {
    name: getattr(os, name)
    for name in (
        *(
            "open",
            "close",
            "write",
            "fsync",
            "fdatasync",
            "replace",
            "rename",
            "unlink",
            "mkdir",
            "ftruncate",
        ),
    )
}
WRITES = os.O_WRONLY | os.O_RDWR


class Crash(BaseException):
    """The process is killed here. No clean-up of it has any effect."""


class Disk:
    """Takes the place of `os` for everything below `root` while `with disk:` runs."""

    def __init__(self, root: Path, decide: Callable[[Point], Order]) -> None:
        self.root = f"{os.fspath(root)}/"
        self.dead = False
        self._decide = decide
        self.count = 0
        self._open: dict[int, tuple[str, Content]] = {}
        self._names: dict[str, Content] = {}
        self._durable_names: dict[str, Content] = {}
        self._renamed: list[Renamed] = []
        self.on_rename: Callable[[str], None] = lambda _path: None

    def __enter__(self) -> Self:
        for name in REAL:
            setattr(os, name, getattr(self, name))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in REAL.items():
            setattr(os, name, function)

    # --- one point ---

    def _point(
        self,
        name: str,
        do: Callable[[], Any],
        part: Callable[[], Any] | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> Any:
        if self.dead:
            raise Crash
        point = Point(self.count, name, part is not None)
        self.count += 1
        order = self._decide(point)
        if order.error and not (order.short and part is not None):
            failed()
            raise OSError(order.error, os.strerror(order.error))
        if order.crash == "before":
            self._die()
        if order.crash == "middle" or order.short:
            assert part is not None
            done = part()
            if order.short:
                return done
            self._die()
        done = do()
        if order.crash == "after":
            self._die()
        return done

    def _die(self) -> None:
        self.dead = True
        raise Crash

    def _inside(self, path: Any) -> str | None:
        if isinstance(path, int):
            return None
        text = os.fsdecode(path)
        return text if f"{text}/".startswith(self.root) else None

    # --- in the place of `os` ---

    def open(self, path: Any, flags: int, *args: Any, **more: Any) -> int:
        inside = self._inside(path)
        if inside is None or not (flags & (WRITES | os.O_CREAT | os.O_DIRECTORY)):
            return int(REAL["open"](path, flags, *args, **more))
        if not flags & os.O_CREAT:
            return self._opened(inside, REAL["open"](path, flags, *args, **more))
        return int(
            self._point(
                f"{named(inside)} open",
                lambda: self._opened(
                    inside, REAL["open"](path, flags, *args, **more), cut=bool(flags & os.O_TRUNC)
                ),
            )
        )

    def _opened(self, path: str, descriptor: int, *, cut: bool = False) -> int:
        content = self._names.get(path)
        if content is None:
            content = Content(folder=os.path.isdir(path))
            if not content.folder:
                self._add(path, content)
        if cut:
            content.since.append((0, None))
        self._open[descriptor] = (path, content)
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        REAL["close"](descriptor)

    def write(self, descriptor: int, data: Any) -> int:
        known = self._open.get(descriptor)
        if known is None:
            return int(REAL["write"](descriptor, data))
        path, content = known

        def put(piece: bytes) -> int:
            at = os.lseek(descriptor, 0, os.SEEK_CUR)
            content.since.append((at, piece))
            return int(REAL["write"](descriptor, piece))

        whole = bytes(data)
        return int(
            self._point(
                f"{named(path)} write", lambda: put(whole), lambda: put(whole[: max(1, len(whole) * 2 // 3)])
            )
        )

    def ftruncate(self, descriptor: int, length: int) -> None:
        known = self._open.get(descriptor)
        if known is None:
            return REAL["ftruncate"](descriptor, length)

        def cut() -> None:
            known[1].since.append((length, None))
            REAL["ftruncate"](descriptor, length)

        return self._point(f"{named(known[0])} truncate", cut)

    def fsync(self, descriptor: int) -> None:
        self._sync(descriptor, "fsync")

    def fdatasync(self, descriptor: int) -> None:
        self._sync(descriptor, "fdatasync")

    def _sync(self, descriptor: int, kind: str) -> None:
        known = self._open.get(descriptor)
        if known is None:
            return REAL[kind](descriptor)
        path, content = known
        if content.folder:
            return self._point(f"{named(path)} {kind}", lambda: self._names_synced(path))
        return self._point(f"{named(path)} {kind}", content.synced, failed=content.sync_failed)

    def replace(self, source: Any, target: Any, **more: Any) -> None:
        inside, into = self._inside(source), self._inside(target)
        if inside is None or into is None:
            return REAL["replace"](source, target, **more)

        def move() -> None:
            if os.path.isdir(source):
                return self._move_tree(inside, into)
            content = self._names.pop(inside, None)
            REAL["replace"](source, target, **more)
            if content is not None:
                self._names[into] = content
                self._renamed.append(Renamed(into, content, inside))
            self.on_rename(into)
            return None

        return self._point(f"{named(into)} rename", move)

    rename = replace

    def _move_tree(self, old: str, new: str) -> None:
        """Rename a directory. The files of others in it, which are durable, go with it."""
        change = Renamed(new, None, old, tree=True)
        REAL["replace"](old, new)
        self._names = {change.moved(path): content for path, content in self._names.items()}
        self._open = {number: (change.moved(path), content) for number, (path, content) in self._open.items()}
        self._renamed.append(change)
        self.on_rename(new)

    def unlink(self, path: Any, **more: Any) -> None:
        inside = self._inside(path)
        if inside is None:
            return REAL["unlink"](path, **more)

        def remove() -> None:
            REAL["unlink"](path, **more)
            self._names.pop(inside, None)
            self._renamed.append(Renamed("", None, inside))

        return self._point(f"{named(inside)} unlink", remove)

    def mkdir(self, path: Any, *args: Any, **more: Any) -> None:
        inside = self._inside(path)
        if inside is None:
            return REAL["mkdir"](path, *args, **more)

        def make() -> None:
            REAL["mkdir"](path, *args, **more)
            self._add(inside, Content(folder=True))

        return self._point(f"{named(inside)} mkdir", make)

    # --- durable content ---

    def _add(self, path: str, content: Content) -> None:
        self._names[path] = content
        self._renamed.append(Renamed(path, content, ""))

    def _names_synced(self, folder: str) -> None:
        left: list[Renamed] = []
        for change in self._renamed:
            if folder in (folder_of(change.new), folder_of(change.old)):
                self._make_durable(change)
                if change.tree:
                    left = [
                        each._replace(new=change.moved(each.new), old=change.moved(each.old)) for each in left
                    ]
            else:
                left.append(change)
        self._renamed = left

    def _make_durable(self, change: Renamed) -> None:
        if change.tree:
            durable = self._durable_names.items()
            self._durable_names = {change.moved(path): content for path, content in durable}
            return
        self._durable_names.pop(change.old, None)
        if change.content is not None:
            self._durable_names[change.new] = change.content

    def durable(self, path: Path) -> bytes | None:
        """Return the content of a file that surely survives."""
        content = self._durable_names.get(os.fspath(path))
        return None if content is None else bytes(content.durable)

    def durable_files(self, ending: str) -> list[bytes]:
        """Return the surviving content of the files whose paths end so."""
        return [
            bytes(content.durable) for path, content in self._durable_names.items() if path.endswith(ending)
        ]

    def revive(self) -> None:
        """End the process and close its descriptors."""
        for descriptor in list(self._open):
            self.close(descriptor)
        self.dead = False

    def cut_power(self, rng: random.Random) -> None:
        """Keep the durable content, and a drawn part of the rest."""
        changes = len(self._renamed)
        kept = rng.choice((0, changes, rng.randint(0, changes)))
        for change in self._renamed[:kept]:
            self._make_durable(change)
        for change in reversed(self._renamed[kept:]):
            if change.tree:
                # The directory is at its old place again, with everything in it.
                back = Renamed(change.old, None, change.new, tree=True)
                REAL["replace"](change.new, change.old)
                self._names = {back.moved(path): content for path, content in self._names.items()}
        lasting = self._durable_names
        left = {
            path: None if content.folder else content.after_power_cut(rng)
            for path, content in sorted(lasting.items())
            if folder_of(path) not in self._names or folder_of(path) in lasting
        }
        for path in sorted(self._names, reverse=True):
            if not self._names[path].folder:
                REAL["unlink"](path)
            elif path not in left:
                os.rmdir(path)
        self._names, self._durable_names, self._renamed = {}, {}, []
        for path, data in left.items():
            content = Content(folder=data is None)
            if data is not None:
                content.durable = bytearray(data)
                descriptor = REAL["open"](path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                REAL["write"](descriptor, data)
                REAL["close"](descriptor)
            elif not os.path.isdir(path):
                REAL["mkdir"](path)
            self._names[path] = self._durable_names[path] = content
