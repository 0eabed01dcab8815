"""Removal of old releases, and of the complete installation. Releases in use and files of others stay."""

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.subprocesses import systemctl

from .commands import own_links, remove_links
from .deploy import ENV_TEMPLATE, SYSTEMD, DeployStep
from .layout import IN_USE, KEPT_RELEASES, SWEEP_UNIT, Places, Problem
from .release import RECORD, releases_in

RUN_FILES = ("request.json", "state.json", "journal.jsonl")
LIVING_SHOWN = 5
REQUEST_BYTES_MAX = 16 * 1024 * 1024
PARENTS_MAX = 64


def prune(places: Places, current: Path) -> list[DeployStep]:
    """Remove all releases except the newest three, `current`, `previous` and those in use."""
    found = [release.folder for release in releases_in(places.releases)]
    kept = {folder.name for folder in found[:KEPT_RELEASES]} | {current.name}
    kept |= {target.name for link in (places.current, places.previous) if (target := places.target(link))}
    old = [folder for folder in reversed(found) if folder.name not in kept]
    # Remains of interrupted installations: the lock excludes that another one is running.
    old += [path for path in _folders(places.releases) if path not in found and path != current]
    used = used_releases(places) if old else {}
    steps = []
    for folder in old:
        if folder.name in used:
            steps.append(DeployStep(f"kept: {folder.name} is in use by {used[folder.name]}", _nothing))
        else:
            steps.append(DeployStep(f"pruned: {folder.name}", partial(_remove_release, folder)))
    return steps


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _nothing() -> None:
    """Do nothing: some steps only report a file that stays."""


def _remove_release(folder: Path) -> None:
    # The record first: if this is interrupted, the rest is not taken for a release.
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder)


def check_idle(places: Places) -> None:
    """Raise Problem (75) if a process or a run uses the installation."""
    living = [f"run {build}" for build in living_builds(places.state_root())]
    senders = living_senders(places.state_root())
    living += [f"delivery of {name}" for name in senders]
    living += [who for who in used_releases(places).values() if who not in living]
    if living:
        more = "" if len(living) <= LIVING_SHOWN else " and others"
        raise Problem(
            IN_USE,
            f"still running: {', '.join(living[:LIVING_SHOWN])}{more}; "
            "wait for the end, or stop it with cancel-atvm-runner.sh and cancel-atvm-run-watcher.sh"
            + (
                "; stop a delivery with: systemctl stop 'atvm-run-deliver@*', or kill its process"
                if senders
                else ""
            ),
        )


def uninstall(places: Places, unit_names: set[str], *, purge_state: bool) -> list[DeployStep]:
    """Return the steps that remove the installation: the enabled sweep first, then units, package, settings and state."""
    present = sorted(name for name in unit_names if (places.units / name).exists())
    steps = []
    if not places.prefixed and SWEEP_UNIT in present:
        steps.append(
            DeployStep(f"systemd: {SWEEP_UNIT} disabled", lambda: _quiet("disable", "--now", SWEEP_UNIT))
        )
    if present:
        steps.append(
            DeployStep(
                f"units: removed {', '.join(present)}", lambda: _unlink([places.units / n for n in present])
            )
        )
        if not places.prefixed and SYSTEMD.is_dir():
            steps.append(DeployStep("systemd: units reloaded", lambda: _quiet("daemon-reload")))
    steps.extend(_commands(places))
    steps.extend(_package(places))
    steps.extend(_environment(places))
    steps.extend(_state(places, purge=purge_state))
    return steps


def _quiet(*words: str) -> None:
    # A failure means that the unit is already gone.
    systemctl(*words)


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _commands(places: Places) -> list[DeployStep]:
    names = own_links(places)
    if not names:
        return []
    text = f"commands: removed {', '.join(names)} in {places.commands}"
    return [DeployStep(text, partial(remove_links, places, names))]


def _package(places: Places) -> list[DeployStep]:
    if not places.package.is_dir():
        return []
    ours = [path for path in places.package.iterdir() if path.is_symlink()]
    foreign = sorted(
        path.name for path in places.package.iterdir() if path not in ours and path != places.releases
    )

    def do() -> None:
        _unlink(ours)
        for folder in _folders(places.releases):
            _remove_release(folder)
        shutil.rmtree(places.releases, ignore_errors=True)
        if not foreign:
            places.package.rmdir()

    left = f", except {', '.join(foreign)}, which the installer did not make" if foreign else ""
    return [DeployStep(f"package: removed {places.package}{left}", do)]


def _environment(places: Places) -> list[DeployStep]:
    try:
        untouched = places.env_file.read_text() == ENV_TEMPLATE
    except (OSError, ValueError):
        return [DeployStep(f"kept: {places.env_file}", _nothing)] if places.env_file.exists() else []
    if untouched:
        return [
            DeployStep(
                f"environment: removed {places.env_file} (the template, unchanged)", places.env_file.unlink
            )
        ]
    return [DeployStep(f"kept: {places.env_file} (it may hold the webhook: remove it yourself)", _nothing)]


def _state(places: Places, *, purge: bool) -> list[DeployStep]:
    folder = places.state_root()
    if not folder.is_dir():
        return []
    if not purge:
        return [DeployStep(f"kept: {folder} (state of all runs; --purge-state removes it)", _nothing)]
    # Nothing else is removed: the setting may name any directory.
    ours = [path for path in folder.iterdir() if path.name in (".locks", ".archive") or _is_run(path)]

    def do() -> None:
        for path in ours:
            shutil.rmtree(path)
        if not any(folder.iterdir()):
            folder.rmdir()

    return [DeployStep(f"state: removed {folder}", do)]


def _is_run(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and any((path / name).is_file() for name in RUN_FILES)


def used_releases(places: Places) -> dict[str, str]:
    """Return the releases in use: name -> the run or process that uses it."""
    used: dict[str, str] = {}
    for name, pid in _releases_of_processes(places.releases):
        used.setdefault(name, f"process {pid}")
    for build, release in living_builds(places.state_root()).items():
        if release is not None and Path(release).parent == places.releases.resolve():
            used[Path(release).name] = f"run {build}"
    return used


def living_builds(state_root: Path) -> dict[str, str | None]:
    """Return the builds with a living watcher or runner, proven by a lock -> the release of their request."""
    builds: dict[str, str | None] = {}
    try:
        locks = sorted((state_root / ".locks").iterdir())
    except OSError:
        return builds
    for lock in locks:
        if lock.suffix in (".watcher", ".runner", ".start") and is_locked(lock):
            builds[lock.stem] = _release_of(state_root / lock.stem / "request.json")
    return builds


def living_senders(state_root: Path) -> list[str]:
    """Return the archived runs whose messages are being delivered, as BUILD@TIME."""
    locks = sorted((state_root / ".archive").glob("*/*/watcher.lock"))
    return [f"{lock.parents[1].name}@{lock.parent.name}" for lock in locks if is_locked(lock)]


def _release_of(request: Path) -> str | None:
    try:
        with request.open("rb") as file:
            release = json.loads(file.read(REQUEST_BYTES_MAX))["release"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return release if isinstance(release, str) else None


def _releases_of_processes(releases: Path) -> Iterator[tuple[str, int]]:
    """Yield releases that a process uses by its command line, program or current directory, without our own ancestors."""
    start = f"{releases.resolve()}/"
    own = set(_own_ancestors())
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) not in own:
            for text in _process_paths(Path(entry.path)):
                if text.startswith(start):
                    yield text[len(start) :].split("/", 1)[0], int(entry.name)


def _process_paths(process: Path) -> Iterator[str]:
    try:
        yield from process.joinpath("cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        yield str(process.joinpath("exe").readlink())
        yield f"{process.joinpath('cwd').readlink()}/"
    except OSError:
        return


def _own_ancestors() -> Iterator[int]:
    """Yield the PIDs of this process and its ancestors."""
    pid = os.getpid()
    for _ in range(PARENTS_MAX):
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
