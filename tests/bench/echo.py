"""The minimum work of a watcher: wait until the kernel reports a change of a file, and replace another file.

`python -m tests.bench.echo WATCHED SHOWN [JOURNAL]`: each change of WATCHED replaces SHOWN by WATCHED's size.
With JOURNAL, a line is appended to that and synced before, and the new file is synced too. This time depends
only on the machine, its disk, the interpreter and the observers.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.effects import IN_MODIFY, Board, Inotify, Replacements
from tests.bench.table import Row, percentile

BARE = "nothing but waiting and replacing a file"
SYNCED = "the same with a line and the file synced"
TIMES = 50


def main(watched: Path, shown: Path, journal: Path | None = None) -> None:
    """Echo until the end of the process."""
    changes = Inotify()
    watch = changes.add(watched, IN_MODIFY)
    folder = watched.parent / "made"
    folder.mkdir(exist_ok=True)
    descriptor = None if journal is None else os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _replace(shown, folder, b"0", synced=False)
    while True:
        if not any(told == watch for told, _ in changes.read()):
            continue
        data = b"%d" % watched.stat().st_size
        if descriptor is not None:
            os.write(descriptor, data + b"\n")
            os.fdatasync(descriptor)
        _replace(shown, folder, data, synced=descriptor is not None)


def _replace(path: Path, made_in: Path, data: bytes, *, synced: bool) -> None:
    temporary = made_in / path.name
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, data)
    if synced:
        os.fsync(descriptor)
    os.close(descriptor)
    temporary.replace(path)


def rows(board: Board, files: Replacements, pause: Callable[[], None]) -> list[Row]:
    """Return the rows of both kinds, as these observers see them; `pause` comes before each change."""
    found: list[Row] = []
    for name in (BARE, SYNCED):
        took = list(_echoes(board, files, pause, synced=name == SYNCED))
        found += [
            Row(f"{name}, {len(took)} times, ms", f"{min(took):.2f}", f"{max(took):.2f}"),
            Row("  p50, p99", f"{percentile(took, 50):.2f}", f"{percentile(took, 99):.2f}"),
        ]
    return found


def _echoes(board: Board, files: Replacements, pause: Callable[[], None], *, synced: bool) -> Iterator[float]:
    """Return the time of each echo, in ms."""
    with tempfile.TemporaryDirectory(prefix="atvm-bench-") as folder:
        watched, shown, journal = (Path(folder, name) for name in ("watched", "shown", "journal"))
        watched.touch()
        files.follow(shown)
        board.want("echo", shown, bool)
        places = (watched, shown, journal) if synced else (watched, shown)
        process = subprocess.Popen([sys.executable, "-m", "tests.bench.echo", *map(str, places)])
        try:
            board.wait("echo")
            for number in range(1, TIMES + 1):
                pause()
                board.want("echo", shown, (b"%d" % number).__eq__)
                with watched.open("ab", buffering=0) as file:
                    began_s = time.perf_counter()
                    file.write(b"x")
                yield 1000 * (board.wait("echo") - began_s)
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
