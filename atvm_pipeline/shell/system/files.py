"""Files and locks of the state root: atomic writes, modes 0600 and 0700, one writer at a time.

Nothing else in the shell writes a state file. Links are never followed for writing.
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

from .io_errors import naming, reason_of

FILE_MODE = 0o600
FOLDER_MODE = 0o700
SMALL_FILE_MAX_BYTES = 64 * 1024 * 1024
"""No state file of a run is nearly as large; a larger one was not written by this program."""


LOCK_TRIES = 10
LOCK_PAUSE_S = 0.01
"""`is_locked` takes a lock for a moment to test it, which is not a real holder."""


def make_folder(path: Path) -> None:
    """Create `path` and its missing parents, 0700; an existing directory is left as it is. Raises OSError."""
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


def write_whole(path: Path, data: bytes, mode: int = FILE_MODE) -> None:
    """Replace `path` by `data`, so that a reader sees the old or the new file, also after a power failure.

    The temporary file is created exclusively in the same directory and removed on failure. Raises OSError.
    """
    replace_files([(path, data)], made_in=path.parent, mode=mode)
    sync_folder(path.parent)


def replace_files(files: Sequence[tuple[Path, bytes]], *, made_in: Path, mode: int = FILE_MODE) -> None:
    """Replace several files in their order, each as `write_whole` does; the temporary files are created in `made_in`.

    This is for files that can be written again from something on disk: after a power failure, the old version of any of
    them may reappear, complete. Raises OSError; the files before the one that failed may be replaced then.
    """
    made: list[tuple[int, Path, Path]] = []
    try:
        for path, data in files:
            temporary = made_in / f".{path.name}.{os.urandom(6).hex()}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with naming(path):
                descriptor = os.open(temporary, flags, mode)
            made.append((descriptor, temporary, path))
            write_all(descriptor, data, path)
            if len(files) > 1:
                # The disk starts with it now; waiting for all takes hardly longer than for one.
                with contextlib.suppress(OSError):
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for descriptor, _, path in made:
            with naming(path):
                os.fsync(descriptor)
        while made:
            descriptor, temporary, path = made[0]
            with naming(path):
                temporary.replace(path)
            os.close(made.pop(0)[0])
    finally:
        for descriptor, temporary, _ in made:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_all(descriptor: int, data: bytes, path: Path) -> None:
    """Write all of `data` to the open file `path`; a short write is continued. Raises OSError, which names the path."""
    view = memoryview(data)
    with naming(path):
        while view:
            view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Make a rename or a new name in `path` durable.  Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_name(path: Path) -> Path:
    """Return `path`, or the first of `path.2`, `path.3` ... that does not exist."""
    candidate = path
    number = 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate


class OpenFile:
    """A file descriptor with an owner, which closes it; `with OpenFile(...):` closes it after the block.

    `os.open` returns a bare number that nothing closes. A forgotten OpenFile is closed with the object and reported
    like Python's own files: with a ResourceWarning, which the tests turn into an error.
    """

    def __init__(self, number: int, name: object) -> None:
        """Take over the open descriptor `number`; `name` is for the warning."""
        self.number = number
        """-1 after closing, so that no call reaches a file that received the same number later."""
        self._name = name

    def close(self) -> None:
        """Close it; a second call does nothing."""
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def reader(self) -> BinaryIO:
        """Return a buffered reader, which does not close the descriptor."""
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
    """Open a regular file for reading; None if `path` is something else. Raises OSError, also if it does not exist."""
    # O_NONBLOCK: opening a FIFO in place of a file must not block.
    file = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), path)
    with contextlib.ExitStack() as on_error:
        on_error.callback(file.close)
        if stat.S_ISREG(os.fstat(file.number).st_mode):
            on_error.pop_all()
            return file
    return None


class Unreadable(OSError):  # noqa: N818 - describes the file
    """A file or directory that exists and cannot be read; the text is one line."""

    def __init__(self, path: Path, error: OSError) -> None:
        """Create the error from `error`, which was raised for `path`."""
        super().__init__(error.errno, error.strerror or "input/output error", str(path))

    def __str__(self) -> str:
        return f"cannot read {self.filename}: {reason_of(self)}"


def read_small(path: Path, max_bytes: int = SMALL_FILE_MAX_BYTES) -> bytes | None:
    """Return the content of a regular file; None if it does not exist, is not regular or is larger than `max_bytes`.

    Raises Unreadable for other errors (permissions, I/O).
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
    """Return the name of a user, else the number."""
    import pwd  # noqa: PLC0415 - rarely needed

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


class Busy(Exception):  # noqa: N818 - a normal state, not an error
    """The lock is held by another process."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock file `path` while the block runs; yield its descriptor.

    The kernel releases the lock when the process ends, for whatever reason, so a held lock proves a living holder.
    Raises Busy if another process holds it, OSError if the file cannot be created.
    """
    make_folder(path.parent)
    descriptor = _take(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(path: Path) -> int:
    """Return the descriptor of the held lock. Raises Busy, OSError."""
    for _ in range(LOCK_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        held = False
        try:
            with naming(path):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A lock file is deleted with its build (`retention.py`), and the next holder creates a new one. A lock on
            # the deleted file would guard nothing.
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
    """Return whether a living process holds the lock file `path`."""
    try:
        # O_NONBLOCK: a FIFO in place of a lock file must not block.
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
