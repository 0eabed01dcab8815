"""The template step: the user's command, in the foreground, to its end, its output in `/tmp/<build>.launch.log`.

Knows nothing of runs, states or locks.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.harmless import one_line

from .files import FILE_MODE
from .programs import run_foreground, shell_argv, signal_name

TAIL_LINES = 20
TAIL_BYTES_MAX = 64 * 1024
LINE_CHARS_MAX = 500
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""A terminal's control sequences (ECMA-48): colours, cursor moves, titles."""


class TemplateResult(NamedTuple):
    """How the template command ended."""

    exit_code: int | None
    """None if a signal ended it."""
    signal: str | None
    log_path: Path
    tail: tuple[str, ...]
    """Its last lines, safe for a terminal."""


def run_template(
    command: str,
    workdir: Path,
    environment: Mapping[str, str],
    build_name: str,
    folder: Path = Path("/tmp"),  # noqa: S108 - the place is the contract's; see _exclusive_log
) -> TemplateResult:
    """Run `command` to its end.  ^C ends it and is raised again.  Raises OSError if it cannot be started."""
    log_path = folder / f"{build_name}.launch.log"
    descriptor = _exclusive_log(log_path)
    try:
        code = run_foreground(shell_argv(command), environment, workdir, descriptor)
        tail = _tail(descriptor)
    finally:
        os.close(descriptor)
    if code < 0:
        return TemplateResult(None, signal_name(-code), log_path, tail)
    return TemplateResult(code, None, log_path, tail)


def _exclusive_log(path: Path) -> int:
    """A new file at `path`, whatever lay there.

    The folder is everybody's: a link or a file that somebody put there beforehand is replaced, never written through.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, FILE_MODE)
    try:
        temporary.replace(path)
    except OSError:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return descriptor


def _tail(descriptor: int) -> tuple[str, ...]:
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, TAIL_BYTES_MAX, max(0, size - TAIL_BYTES_MAX))
    text = _ESCAPE.sub("", data.decode("utf-8", "replace"))
    lines = [one_line(line, LINE_CHARS_MAX) for line in text.split("\n")]
    return tuple([line for line in lines if line][-TAIL_LINES:])
