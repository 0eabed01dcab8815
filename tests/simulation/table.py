"""The process table of the simulated host: the runner's tree, and the processes that reuse its pids."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from atvm_pipeline.shell.processes.process_table import ProcessRow

from .world import World

WATCHER = 4000
"""Pid of the first watcher; each later one has the next."""
AGAIN_S = 0.1
"""No pid is reused within this: a host would have to start hundreds of thousands of processes a second."""


class Table:
    """The living processes. Start times are seconds after the boot, as in the kernel."""

    def __init__(self, world: World, hints: Callable[[Callable[[], None]], None]) -> None:
        self._world = world
        self._hints = hints
        self.rows: dict[int, ProcessRow] = {}
        self.commands: dict[int, list[str]] = {}
        self._born: dict[int, float] = {}
        self._newest: int | None = None
        self._waiting: list[tuple[int, float, Callable[[Path | None], None]]] = []

    def start(self, pid: int, parent: int, name: str, *command: str) -> ProcessRow:
        born = round(max(self._world.monotonic_s, self._born.get(pid, 0.0) + AGAIN_S), 2)
        self._born[pid] = born
        row = ProcessRow(pid, parent, born, name, "S")
        self.rows[pid] = row
        self.commands[pid] = [name, *command]
        self._newest = pid
        return row

    def turn(self, pid: int, state: str) -> None:
        """Put a process into another state, for example Z or D."""
        if pid in self.rows:
            self.rows[pid] = self.rows[pid]._replace(state=state)
        self._tell()

    def end(self, *pids: int) -> None:
        for pid in pids:
            self.rows.pop(pid, None)
        self._tell()

    def forget_watcher(self) -> None:
        self._waiting.clear()

    def reboot(self) -> None:
        self.rows.clear()
        self._waiting.clear()

    def _tell(self) -> None:
        for entry in list(self._waiting):
            pid, create_time, hint = entry
            row = self.read_row(pid)
            if row is None or not row.lives or row.create_time != create_time:
                self._waiting.remove(entry)
                self._hints(lambda hint=hint: hint(None))

    # --- in the place of the shell's own functions ---

    def read_row(self, pid: int) -> ProcessRow | None:
        return self.rows.get(pid)

    def wait_for_exit(
        self, pid: int, create_time: float, hint: Callable[[Path | None], None]
    ) -> SimpleNamespace:
        """Takes the place of `ExitWatch`."""
        self._waiting.append((pid, create_time, hint))
        self._tell()
        return SimpleNamespace(close=lambda: None)

    def pids(self) -> list[int]:
        return sorted(self.rows)

    def newest_pid(self) -> int | None:
        return self._newest

    def command_line(self, pid: int) -> list[str]:
        return self.commands.get(pid, [])
