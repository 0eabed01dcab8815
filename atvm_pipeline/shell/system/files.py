"""Files and locks of the state root: whole or not at all, 0600 in 0700, one writer at a time.

Nothing else in the shell writes a state file.  Links are never followed for writing.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

FILE_MODE = 0o600
FOLDER_MODE = 0o700
SMALL_FILE_MAX_BYTES = 64 * 1024 * 1024
"""No state file of a run comes near this; a larger one is not ours."""


LOCK_TRIES = 10
LOCK_PAUSE_S = 0.01
"""Who only asks whether a lock is held (`is_locked`) holds it for a moment: that is no holder."""


def make_folder(path: Path) -> None:
    """Make `path` and its missing parents, 0700; an existing folder is left as it is.  Raises OSError."""
    missing: list[Path] = []
    current = path
    while not current.exists():
        missing.append(current)
        current = current.parent
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=FOLDER_MODE)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by `data` (0600), so that a reader sees the old file or the new one, also after a power cut.

    The temporary file lies beside it, is made exclusively, and is removed on failure.  Raises OSError.
    """
    replace_files([(path, data)], made_in=path.parent)
    sync_folder(path.parent)


def replace_files(files: Sequence[tuple[Path, bytes]], *, made_in: Path) -> None:
    """Replace several files in their order, each as `write_whole` does; the temporary ones lie in `made_in`.

    For what can be made anew from something that is on disk: after a power cut any old one may be there again, whole.
    Raises OSError; those that stand before the one that failed may be replaced then.
    """
    made: list[tuple[int, Path, Path]] = []
    try:
        for path, data in files:
            temporary = made_in / f".{path.name}.{os.urandom(6).hex()}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, FILE_MODE)
            made.append((descriptor, temporary, path))
            write_all(descriptor, data)
            if len(files) > 1:
                # The disk begins with it now, and waiting for all takes hardly longer than for one.
                with contextlib.suppress(OSError):
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for descriptor, _, _ in made:
            os.fsync(descriptor)
        while made:
            descriptor, temporary, path = made[0]
            temporary.replace(path)
            os.close(made.pop(0)[0])
    finally:
        for descriptor, temporary, _ in made:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; a short write is continued.  Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Make a rename or a new name in `path` durable.  Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_name(path: Path) -> Path:
    """`path`, or the first of `path.2`, `path.3` ... that is not there."""
    candidate = path
    number = 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate


class OpenFile:
    """A file descriptor with an owner, which closes it; `with OpenFile(...):` closes it after the block.

    `os.open` returns a bare number, which nothing closes and nothing misses.  One that its owner forgot is closed with
    the object and reported as Python reports its own files: a ResourceWarning, which the tests turn into an error.
    """

    def __init__(self, number: int, name: object) -> None:
        """Take over the open descriptor `number`; `name` is for the warning."""
        self.number = number
        """-1 once it is closed, so that no call reaches a file that got the number later."""
        self._name = name

    def close(self) -> None:
        """Close it; a second call does nothing."""
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def reader(self) -> BinaryIO:
        """A buffered reader of it, which does not close it."""
        return open(self.number, "rb", closefd=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self.number < 0:
            return
        try:
            warnings.warn(f"unclosed file {self._name}", ResourceWarning, stacklevel=2, source=self)
        finally:
            self.close()


def open_regular(path: str | Path) -> OpenFile | None:
    """Open a regular file for reading; None if `path` is something else.  Raises OSError, also if nothing is there."""
    # O_NONBLOCK: opening a FIFO in the place of a file must not block.
    file = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), path)
    with contextlib.ExitStack() as on_error:
        on_error.callback(file.close)
        if stat.S_ISREG(os.fstat(file.number).st_mode):
            on_error.pop_all()
            return file
    return None


class Unreadable(OSError):  # noqa: N818 - says what the file is
    """A file or folder that is there and cannot be read; the text is one line."""

    def __init__(self, path: Path, error: OSError) -> None:
        """What `error` said about `path`."""
        super().__init__(error.errno, error.strerror or "input/output error", str(path))

    def __str__(self) -> str:
        return f"cannot read {self.filename}: {self.strerror}"


def read_small(path: Path, max_bytes: int = SMALL_FILE_MAX_BYTES) -> bytes | None:
    """Content of a regular file, None if it is not there, is no regular file or is larger than `max_bytes`.

    Raises Unreadable for what is not about absence (permissions, I/O).
    """
    try:
        opened = open_regular(path)
        if opened is None:
            return None
        with opened, opened.reader() as file:
            data = file.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(path, error) from None
    return None if len(data) > max_bytes else data


def user_name(uid: int) -> str:
    """The name of a user, else the number."""
    import pwd  # noqa: PLC0415 - seldom needed

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


class Busy(Exception):  # noqa: N818 - a state of the world, not an error of anyone
    """The lock is held by another process."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock file `path` while the block runs; gives its descriptor.

    The lock ends with the process, however it ends, so that a held lock proves a living holder.
    Raises Busy if another process holds it, OSError if the file cannot be made.
    """
    make_folder(path.parent)
    descriptor = _take(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(path: Path) -> int:
    """The lock's descriptor, held.  Raises Busy, OSError."""
    for _ in range(LOCK_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        held = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A lock goes with its build (`retention.py`), and then the next one makes a new file: ours would guard nothing.
            held = _is_at(descriptor, path)
        except BlockingIOError:
            pass
        finally:
            if not held:
                os.close(descriptor)
        if held:
            return descriptor
        time.sleep(LOCK_PAUSE_S)
    raise Busy


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock file `path`."""
    try:
        # O_NONBLOCK: a FIFO in the place of a lock must not stop us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
