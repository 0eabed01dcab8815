"""Errors of files and directories in words: the same text everywhere, always with the path.

write(2) and fsync(2) know a descriptor but no path, so their errors name no file. `naming` adds the path.
"""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a full disk."""
WRITE_ERRORS = FULL | {errno.EFBIG, errno.EROFS, errno.EIO, errno.EBADF}
"""Errors that a write to an open file can have."""


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every OSError of the block name `path`, also in place of a temporary file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def reason_of(error: OSError) -> str:
    """Return the reason without the path, in lower case: `no space left on device`."""
    text = error.strerror or "input/output error"
    return text[:1].lower() + text[1:]


def io_error_text(error: OSError, action: str | None = None, path: Path | str | None = None) -> str:
    """Return one line such as `cannot write to /a/b: no space left on device`.

    `action` is a verb with its preposition; by default it follows from the error. `path` replaces the one of the error.
    """
    place = path or error.filename
    if action is None:
        if not place:
            return f"a system call failed: {reason_of(error)}"
        action = "write to" if error.errno in (*FULL, errno.EFBIG, errno.EROFS) else "access"
    return f"cannot {action} {place or 'a file'}: {reason_of(error)}"


def remedy_of(error: OSError) -> str:
    """Return the end of an error line that states the remedy; "" if there is no general one."""
    return "; free some space on that disk and try again" if error.errno in FULL else ""
