"""A reader of a living run's files: at any moment, the content must be complete and must not go back."""

import json
import threading
from pathlib import Path
from typing import Any, Self

from atvm_pipeline.core.codec import decode_event, decode_state
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.state_dir.records import Paths

LOOK_S = 0.03


class Reader:
    """`with Reader(paths) as reader:` reads continuously; `reader.wrong` has the errors, one sentence each."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.looks = 0
        self.wrong: list[str] = []
        self._seq = 0
        self._final: dict[str, str] = {}
        self._read_to = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def _read(self) -> None:
        while not self._stop.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Read everything once."""
        self.looks += 1
        try:
            self._state()
            for folder in (self.paths.subruns, self.paths.posts):
                for path in sorted(folder.glob("[!.]*.json")):
                    self._file(path)
            self._journal()
        except FileNotFoundError:
            pass  # nothing there yet
        except Exception as error:  # noqa: BLE001 - a reader that ends early would prove nothing
            self._complain(f"the reader got {type(error).__name__}: {error}")

    def _complain(self, text: str) -> None:
        if text not in self.wrong:
            self.wrong.append(text)

    def _state(self) -> None:
        data = self.paths.state.read_bytes()
        try:
            run = decode_state(data)
        except DataError as error:
            return self._complain(f"state.json was not readable: {error}")
        if run.seq < self._seq:
            self._complain(f"state.json went back from event {self._seq} to {run.seq}")
        self._seq = run.seq
        view = json.loads(data)
        self._stays("the run", view["phase"], view["phase"] in TERMINAL_PHASES)
        for subrun in view["subruns"]:
            name = f"sub-run {subrun['index']}"
            self._stays(name, subrun["phase"], subrun["phase"] in TERMINAL_PHASES)
        for post in run.outbox:
            self._stays(f"post {post.key}", post.outcome, post.outcome != "pending")
        return None

    def _stays(self, name: str, value: str, final: bool) -> None:
        """Check that final content stays the same from then on."""
        before = self._final.get(name)
        if before is not None and before != value:
            self._complain(f"{name} was {before} and became {value}")
        elif final:
            self._final[name] = value

    def _file(self, path: Path) -> None:
        try:
            view: dict[str, Any] = json.loads(path.read_bytes())
            assert view["run_id"]
        except (ValueError, KeyError, AssertionError) as error:
            self._complain(f"{path.parent.name}/{path.name} was not complete: {error}")

    def _journal(self) -> None:
        with self.paths.journal.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # being written, or torn by a death, and cut off at the next start
                try:
                    decode_event(line)
                except DataError as error:
                    self._complain(f"the journal has a line that is no event: {error}")
                self._read_to += len(line)
