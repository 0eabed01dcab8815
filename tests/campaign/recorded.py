"""Recorded runs for watchers that are killed and restarted: also hanging, cancelled and vanished runs."""

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.campaign.watching import autopsy, recorded as recorded_watcher
from tests.core.test_replay import read
from tests.support.journal_player import Player
from tests.support.mattermost_server import MattermostModel
from tests.support.waiting import wait_for

PAUSE_S = 0.5


class Undying:
    """Acts as one watcher process that is killed and restarted: `kills` counts, `after` has the seconds."""

    def __init__(
        self, start: Callable[[], "subprocess.Popen[bytes]"], look: Callable[[], None], after: list[float]
    ) -> None:
        self._start, self._look, self._after = start, look, after
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.kills = 0
        self._current = start()
        self._thread = threading.Thread(target=self._kill, daemon=True)
        self._thread.start()

    def _kill(self) -> None:
        for seconds in self._after:
            if self._over.wait(seconds):
                return
            with self._lock:
                if self._current.poll() is not None:
                    return
                self._current.kill()
                if self._current.wait() != -signal.SIGKILL:
                    return
                self.kills += 1
                self._look()
                self._over.wait(PAUSE_S * (self.kills % 2))
                self._current = self._start()

    def poll(self) -> int | None:
        with self._lock:
            return self._current.poll()

    def wait(self, timeout: float) -> int:
        wait_for(lambda: self.poll() is not None, "the end of a watcher that is started again", timeout)
        self._over.set()
        self._thread.join()
        return self._current.wait(timeout)

    def kill(self) -> None:
        self._over.set()
        self._thread.join()
        self._current.kill()
        self._current.wait()


class KilledPlayer(Player):
    """A player whose watcher does not live long."""

    def __init__(self, folder: Path, recorded: Path, seed: str) -> None:
        log = recorded / "runner.log"
        super().__init__(folder, read(recorded), log.read_bytes() if log.exists() else b"")
        random = Random(seed)  # noqa: S311 - can be played again
        # The first comes while it starts, so that there is one however short the run is.
        self._after = [
            random.uniform(0, 0.1),
            *(random.uniform(0.2, 1.5) for _ in range(random.randint(2, 4))),
        ]
        self.undying: Undying | None = None
        self.wrong: list[str] = []

    def watch(self, webhook: MattermostModel) -> Any:
        start = super().watch
        self.undying = Undying(lambda: start(webhook), self._look, self._after)
        return self.undying

    def _look(self) -> None:
        if self.paths.journal.exists():
            watcher = recorded_watcher(self.paths)
            self.wrong += autopsy(self.paths, watcher).wrong if watcher is not None else ()

    def wait_for_phases(self, phases: list[str]) -> None:
        """Check as usual, but a message may have been interrupted twice: its unknown end is then recorded."""
        judged = [phase for phase in phases if phase not in ("PENDING", "RUNNING")]

        def reached() -> bool:
            subruns = json.loads(self.paths.state.read_text())["subruns"] if self.paths.state.exists() else []
            told = [one["phase"] for one in subruns if one["post"] and one["post"]["outcome"] != "pending"]
            return told[: len(judged)] == judged

        wait_for(reached, f"verdicts {judged}")
