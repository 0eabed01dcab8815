"""Starts and kills watchers for the campaign, and checks the files that a death leaves on disk."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import Paths, WatcherRecord, read_record
from atvm_pipeline.shell.state_dir.store import load, read_journal
from tests.support.controller import Controller
from tests.support.project import BUILD, PROJECT
from tests.support.waiting import wait_for


class Watcher:
    """One watcher process: our child, or one that a wrapper has started."""

    def __init__(self, child: "subprocess.Popen[bytes] | None", pid: int, note: Path | None = None) -> None:
        self.child, self.pid, self.note = child, pid, note
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process = psutil.Process(pid)

    def lives(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        with contextlib.suppress(psutil.NoSuchProcess):
            # `is_running` knows the start time: another process with this pid is not it.
            return (
                self._process is not None
                and self._process.is_running()
                and self._process.status() != psutil.STATUS_ZOMBIE
            )
        return False

    def kill(self) -> bool:
        """Send SIGKILL; return whether it died of that (False: it had ended before)."""
        if not self.lives():
            return self.was_killed()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not self.lives(), "the death of a watcher")
        return self.child is None or self.was_killed()

    def was_killed(self) -> bool:
        """Return whether our child has died by SIGKILL: by us, or by its own hand."""
        return self.child is not None and self.child.poll() == -signal.SIGKILL

    def exit_code(self) -> int | None:
        """Return how it ended by itself; None where it was not our child, so that this is not known."""
        return self.child.poll() if self.child is not None else None


def watch(
    host: Controller,
    log: Path,
    *,
    dying_at: tuple[str, int] | None = None,
    words: tuple[str, ...] = ("watch", BUILD),
) -> Watcher:
    """Start a watcher, or another command; `dying_at` names the operation of its own at which it dies."""
    command = [*words, "--state-root", str(host.state_root)]
    note = None
    if dying_at is not None:
        note = log.with_name("died-at")
        note.unlink(missing_ok=True)
        kind, number = dying_at
        argv = ["tests.campaign.mortal", kind, str(number), str(host.state_root), str(note), *command]
    else:
        argv = ["atvm_pipeline", *command]
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *argv],
            cwd=PROJECT,
            env=host.environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    return Watcher(child, child.pid, note)


def recorded(paths: Paths) -> Watcher | None:
    """Return the watcher whose record states that it watches."""
    record = read_record(paths.watcher, WatcherRecord)
    return Watcher(None, record.pid) if record is not None else None


class Death(NamedTuple):
    """The remains of a killed watcher."""

    in_flight: bool
    """A message was under way."""
    writing: bool
    """A temporary file, or half a line of the journal."""
    starting: bool
    """It was not ready yet."""
    judged: bool
    """The run had its verdict."""
    wrong: tuple[str, ...]
    """Forbidden states, one sentence each."""


def autopsy(paths: Paths, watcher: Watcher) -> Death:
    """Check the files of a run that no watcher watches."""
    request = read_record(paths.request, WatcherRecord.__base__)
    assert request is not None, "request.json is not readable"
    journal = read_journal(paths.journal)
    wrong = [f"the journal is damaged: {journal.damaged}"] if journal.damaged is not None else []
    folded: Run | None = replay(journal.events) if journal.events else None
    loaded = load(paths, request.run_id)
    if folded is not None and loaded.run != folded:
        wrong.append("state.json with the journal's rest is another state than the journal folded")
    torn = paths.journal.exists() and paths.journal.stat().st_size > journal.length
    record = read_record(paths.watcher, WatcherRecord)
    ready = record is not None and record.pid == watcher.pid and record.ready_at is not None
    return Death(
        in_flight=folded is not None and any(post.in_flight for post in folded.outbox),
        writing=torn or bool(leftovers(paths)),
        starting=not ready,
        judged=folded is not None and folded.verdict is not None,
        wrong=tuple(wrong),
    )


def leftovers(paths: Paths) -> list[str]:
    """Return temporary files below the build's directory."""
    return sorted(str(path.relative_to(paths.folder)) for path in paths.folder.rglob(".*.tmp"))


def processes_of(host: Controller) -> list[psutil.Process]:
    """Yield every process that has this host's state root in its command line."""
    root = str(host.state_root)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(root in word for word in process.cmdline()):
                found.append(process)
    return found
