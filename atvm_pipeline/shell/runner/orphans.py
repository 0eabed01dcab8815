"""Runners and watchers whose state directory was removed while they are alive.

Nothing in the state root names them any more, so they are found in the process table. Light to import: `status` uses it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.shell.config.settings import (
    effective_environment,
    state_root_of,
    state_root_option,
)
from atvm_pipeline.shell.processes.own_processes import OwnCommand, OwnProcess, find_own_processes
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.system.typed_command import typed_command


class Orphan(NamedTuple):
    """A living process of this program whose request was removed."""

    build_name: str
    pid: int
    unit: str | None
    """Its systemd service; None without one."""
    state_root: Path

    @property
    def paths(self) -> Paths:
        """Return the paths of its build."""
        return Paths(self.state_root, self.build_name)

    def text(self, environ: Mapping[str, str]) -> str:
        """Return one line for the operator: the state of things, and both ways out of it."""
        missing = missing_text(self.paths)
        return f"a runner of build {self.build_name} is alive ({self.where()}), but {missing}; {self.ways_out(environ)}"

    def where(self) -> str:
        """Return the process, and its unit if it has one."""
        return f"process {self.pid}" + (f", unit {self.unit}" if self.unit is not None else "")

    def ways_out(self, environ: Mapping[str, str]) -> str:
        """Return how to stop it, and how to attach a new watcher to it."""
        stop = self.command("cancel-atvm-runner.sh", environ)
        attach = self.command("start-atvm-run-watcher.sh", environ, "--attach")
        return f"stop it with: {stop}, or watch it to its end with: {attach}"

    def command(self, program: str, environ: Mapping[str, str], *words: str) -> str:
        """Return a call of a program for this build, as it can be typed."""
        root = state_root_option(environ, self.state_root)
        return typed_command(program, *words, "--build-name", self.build_name, *root)


def missing_text(paths: Paths) -> str:
    """Return the missing part of the state of a build, in words."""
    if paths.folder.exists():
        return f"{paths.request} is missing or cannot be read"
    return f"its state directory {paths.folder} was removed"


def find_orphan_runners(state_root: Path) -> list[Orphan]:
    """Return the living runners of this state root whose state directory was removed. Never raises."""
    return _orphans("runner", state_root)


def find_orphan_watchers(state_root: Path) -> list[Orphan]:
    """Return the living watchers of this state root whose state directory was removed. Never raises."""
    return _orphans("watch", state_root)


def find_process(paths: Paths, command: OwnCommand = "runner") -> Orphan | None:
    """Return the living runner (or watcher) of one build, whether its state directory was removed or not. Never raises."""
    found = (
        process
        for process in own_processes(command, paths.state_root)
        if process.build_name == paths.build_name
    )
    return next(
        (Orphan(paths.build_name, process.pid, process.unit, paths.state_root) for process in found), None
    )


def _orphans(command: OwnCommand, state_root: Path) -> list[Orphan]:
    return [
        Orphan(process.build_name, process.pid, process.unit, state_root)
        for process in own_processes(command, state_root)
        if not Paths(state_root, process.build_name).request.exists()
    ]


def own_processes(command: OwnCommand, state_root: Path) -> list[OwnProcess]:
    """Return the living runners or watchers of this program that use this state root. Never raises."""
    return find_own_processes(
        command, state_root, lambda environ: state_root_of(effective_environment(environ))
    )
