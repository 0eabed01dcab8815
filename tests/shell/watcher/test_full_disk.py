"""A watcher that is started while its disk is full: it waits for space, reports this, and then continues normally."""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atvm_pipeline.core.events import WriteRefused
from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.state_dir.store import Store
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.repeat_limit import RepeatLimit
from atvm_pipeline.shell.watcher import disk_retry
from atvm_pipeline.shell.watcher.disk_retry import PASSING, is_permanent, retry_io
from tests.campaign import disk
from tests.support.mattermost_server import MattermostModel
from tests.support.privileges import needs
from tests.support.project import ONE_HOST_BUILD as BUILD, PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

needs_disk = needs(disk.missing())


class Waiting:
    """A watcher whose disk is full, and the messages that it sends to systemd."""

    def __init__(self, root: Path, what: str, which: str, webhook: MattermostModel) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(root / "notify"))
        self.socket.setblocking(False)
        self.words: list[str] = []
        call = [sys.executable, "-m", "tests.support.full_disk_watcher", str(root), what, which, "alerts"]
        environ = {
            **os.environ,
            "MATTERMOST_ATVM_WEBHOOK": webhook.url,
            "ATVM_WATCHER_ENV_FILE": os.devnull,
            "NOTIFY_SOCKET": str(root / "notify"),
        }
        self.errors = root / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                disk.private_command(*call),
                cwd=PROJECT,
                env=environ,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.pid = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def told(self, word: str) -> bool:
        """Return whether systemd has received this message."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.words += self.socket.recv(65536).decode().splitlines()
        return any(word in text for text in self.words)

    def make_room(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.socket.close()
        self.process.communicate(timeout=DEADLINE_S)


@contextlib.contextmanager
def waiting(root: Path, what: str, which: str, webhook: MattermostModel) -> Iterator[Waiting]:
    watcher = Waiting(root, what, which, webhook)
    try:
        yield watcher
    finally:
        watcher.end()


@needs_disk
@pytest.mark.parametrize(("what", "which"), [("blocks", "new"), ("inodes", "new"), ("blocks", "again")])
def test_a_watcher_that_starts_on_a_full_disk_waits_for_room_and_reports_it(
    what: str, which: str, tmp_path: Path
) -> None:
    with MattermostModel() as webhook, waiting(tmp_path, what, which, webhook) as watcher:
        wait_for(lambda: watcher.told("STATUS=cannot"), "a word to systemd")
        wait_for(lambda: webhook.posts, "the alert")
        before = [word for word in watcher.words if word.startswith("EXTEND_TIMEOUT_USEC=")]
        watcher.make_room()
        code = watcher.line()
        (note,) = json.loads(watcher.line())
        text = str(webhook.posts[0])
        assert watcher.told("READY=1")
        assert "all clear: the disk accepts writes again" in str(webhook.posts)

    lines = [line[len("2026-11-23 18:05:10 ") :] for line in watcher.errors.read_text().splitlines()]
    refused, *more = [line for line in lines if "no space left" in line]
    assert code == "0"
    assert len(before) > 3
    assert "no space left" in text
    assert re.fullmatch(
        rf"cannot (append to|open|write to) {tmp_path}/state/{BUILD}(/\S+)?: no space left on device; trying again every 1 s",
        refused,
    )
    assert more[0] == f"alert sent: {refused}"
    assert "the disk accepts writes again after" in more[1]
    assert note.endswith(" (no space left on device).")


@needs_disk
def test_a_watcher_that_waits_for_space_ends_when_it_is_asked_to_stop(tmp_path: Path) -> None:
    with MattermostModel() as webhook, waiting(tmp_path, "blocks", "new", webhook) as watcher:
        wait_for(lambda: "trying again" in watcher.errors.read_text(), "the first try")
        os.kill(watcher.pid, signal.SIGTERM)

        assert watcher.line() == str(-signal.SIGTERM)


# --- errors that are retried, and errors that are not ---


class Tries:
    """Fails `times` times."""

    def __init__(self, number: int, times: int) -> None:
        self.number, self.left = number, times
        self.made = self.rounds = 0
        self.refused: list[str] = []
        self.recovered: list[WriteRefused] = []
        self.limit = RepeatLimit()

    def attempt(self) -> str:
        self.made += 1
        if self.left:
            self.left -= 1
            raise OSError(self.number, os.strerror(self.number), "/a")
        return "done"

    def insist(self) -> str:
        return retry_io(
            self.attempt,
            "write to",
            on_round=self.count,
            on_refused=self.refused.append,
            gives_up=is_permanent,
            on_recovered=self.recovered.append,
            limit=self.limit,
        )

    def count(self) -> None:
        self.rounds += 1


@pytest.fixture
def elapsed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by one that only sleeping advances; return the sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(clock, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(clock, "sleep", slept.append)
    return slept


@pytest.mark.parametrize("number", sorted(PASSING), ids=errno.errorcode.get)
def test_what_passes_is_waited_for_and_reported_once(
    number: int, elapsed: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    tries = Tries(number, 100)

    assert tries.insist() == "done"
    assert (tries.made, tries.rounds, len(elapsed)) == (101, 100, 100)
    assert tries.refused == [
        f"cannot write to /a: {reason_of(OSError(number, os.strerror(number)))}; trying again every 1 s"
    ]
    (event,) = tries.recovered
    assert (event.path, event.error) == ("/a", reason_of(OSError(number, os.strerror(number))))
    assert capsys.readouterr().err.splitlines() == [
        tries.refused[0],
        f"the disk accepts writes again after 1 min: /a ({event.error} until now)",
    ]


def test_a_disk_that_refuses_every_second_write_does_not_fill_the_log(
    elapsed: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    tries = Tries(errno.ENOSPC, 0)
    for _ in range(1000):
        tries.left = 1
        tries.insist()

    # The 1st, 2nd, 4th ... 512th refusal and its end.
    assert len(tries.recovered) == 1000
    assert len(capsys.readouterr().err.splitlines()) == 2 * 10


def test_a_disk_that_refuses_for_a_moment_is_not_reported(elapsed: list[float]) -> None:
    tries = Tries(errno.ENOSPC, int(disk_retry.REFUSED_S))

    assert tries.insist() == "done"
    assert tries.refused == []
    assert sum(elapsed) == disk_retry.REFUSED_S


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG]
)
def test_what_no_waiting_mends_is_refused_at_once(number: int, elapsed: list[float]) -> None:
    tries = Tries(number, 1)
    with pytest.raises(OSError, match="Errno") as refusal:
        tries.insist()

    assert refusal.value.errno == number
    assert (tries.made, tries.rounds, elapsed) == (1, 0, [])


def test_a_store_that_cannot_be_opened_leaves_no_descriptor_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried once a second, for as long as the disk is full."""
    paths = Paths(tmp_path, "b")

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    Store(paths, 0).close()
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "fsync", refuse)
    for _ in range(5):
        with pytest.raises(OSError, match="input/output"):
            Store(paths, 0)

    assert len(os.listdir("/proc/self/fd")) == before
