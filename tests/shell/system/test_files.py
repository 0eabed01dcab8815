"""Locks: a process that only checks a lock does not hold it, and a held lock is reported as held."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from atvm_pipeline.shell.system.files import Busy, Unreadable, is_locked, locked, read_small


def test_who_only_asks_whether_a_lock_is_held_does_not_make_it_busy(tmp_path: Path) -> None:
    """`is_locked` shares the lock for an instant; here another descriptor does so for 30 ms."""
    path = tmp_path / "lock"
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    timer = threading.Timer(0.03, os.close, [descriptor])
    timer.start()
    with locked(path):
        held = is_locked(path)
    timer.join()

    assert held
    assert not is_locked(path)


def test_a_lock_that_is_held_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(Busy), locked(path):
        pass


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.symlink_to(path.name)

    with pytest.raises(Unreadable, match=r"^cannot read .*loop: too many levels"):
        read_small(path)


@pytest.mark.parametrize("kind", ["folder", "fifo", "none", "below a file"])
def test_what_is_no_file_is_not_there(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    if kind == "folder":
        place.mkdir()
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "below a file":
        place.write_bytes(b"")
        place = place / "more"

    assert read_small(place) is None
