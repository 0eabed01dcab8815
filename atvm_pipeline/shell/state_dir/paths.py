"""Paths of one build below the state root. Light to import, so that commands that only read the state start fast."""

from pathlib import Path


class Paths:
    """Paths of one build below the state root."""

    def __init__(self, state_root: Path, build_name: str, folder: Path | None = None) -> None:
        """Compute the paths.

        `build_name` must be valid (`valid_build_name`), because it becomes the name of a directory. `folder` is the
        directory of an archived run of that build; by default the paths are those of the current run.
        """
        self.state_root = state_root
        self.build_name = build_name
        self.is_archived = folder is not None
        """Whether these are the paths of an archived run, which has no runner."""
        self.folder = folder if folder is not None else state_root / build_name
        self.request = self.folder / "request.json"
        self.baseline = self.folder / "artifacts-before.json"
        self.journal = self.folder / "journal.jsonl"
        self.state = self.folder / "state.json"
        self.subruns = self.folder / "subruns"
        self.posts = self.folder / "posts"
        self.cancel = self.folder / "cancel.json"
        self.stop = self.folder / "stop.json"
        self.runner = self.folder / "runner.json"
        self.runner_exit = self.folder / "runner-exit.json"
        self.watcher = self.folder / "watcher.json"
        self.runner_log = self.folder / "runner.log"
        self.watcher_log = self.folder / "watcher.log"
        self.template_log = self.folder / "template.log"
        self.archive = state_root / ".archive" / build_name
        locks = state_root / ".locks"
        self.start_lock = locks / f"{build_name}.start"
        """Held by the command that starts, resets or cancels this build."""
        self.watcher_lock = locks / f"{build_name}.watcher" if folder is None else folder / "watcher.lock"
        """Held by the single writer of this build's state."""
        self.runner_lock = locks / f"{build_name}.runner"
        """Held by the runner's wrapper while the wrapper and its process tree are alive."""
