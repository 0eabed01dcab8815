"""Taking away: old releases, and everything.  What is in use, and what is not ours, stays."""

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.subprocesses import systemctl

from .deploy import ENV_TEMPLATE, SYSTEMD, DeployStep
from .layout import IN_USE, KEPT_RELEASES, SWEEP_UNIT, Places, Problem
from .release import RECORD, releases_in

RUN_FILES = ("request.json", "state.json", "journal.jsonl")
LIVING_SHOWN = 5
REQUEST_BYTES_MAX = 16 * 1024 * 1024
PARENTS_MAX = 64


def prune(places: Places, current: Path) -> list[DeployStep]:
    """Releases beyond the newest three go, but for those that `current` or `previous` name and those in use."""
    found = [release.folder for release in releases_in(places.releases)]
    kept = {folder.name for folder in found[:KEPT_RELEASES]} | {current.name}
    kept |= {target.name for link in (places.current, places.previous) if (target := places.target(link))}
    old = [folder for folder in reversed(found) if folder.name not in kept]
    # What an installation left that was cut short; ours is the only one that goes on.
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
    """Do nothing: some steps only say what stays."""


def _remove_release(folder: Path) -> None:
    # First the record: what is then left, should this be cut short, is no release.
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder)


def check_idle(places: Places) -> None:
    """Nothing of ours may run while everything is taken away.  Raises Problem (75)."""
    living = [f"run {build}" for build in living_builds(places.state_root())]
    living += [who for who in used_releases(places).values() if who not in living]
    if living:
        more = "" if len(living) <= LIVING_SHOWN else " and others"
        raise Problem(
            IN_USE,
            f"still alive: {', '.join(living[:LIVING_SHOWN])}{more}; "
            "wait for it, or stop it with cancel-atvm-runner.sh and cancel-atvm-run-watcher.sh",
        )


def uninstall(places: Places, unit_names: set[str], *, purge_state: bool) -> list[DeployStep]:
    """Everything that an installation laid, the enabled sweep first, the package last."""
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
            steps.append(DeployStep("systemd: units loaded", lambda: _quiet("daemon-reload")))
    steps.extend(_package(places))
    steps.extend(_environment(places))
    steps.extend(_state(places, purge=purge_state))
    return steps


def _quiet(*words: str) -> None:
    # What is gone already is as it should be.
    systemctl(*words)


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


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

    left = f", but for {', '.join(foreign)}, not ours" if foreign else ""
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
    # Only what is ours: the setting may name any folder.
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
    """Name of a release -> who uses it, in words."""
    used: dict[str, str] = {}
    for name, pid in _releases_of_processes(places.releases):
        used.setdefault(name, f"process {pid}")
    for build, release in living_builds(places.state_root()).items():
        if release is not None and Path(release).parent == places.releases.resolve():
            used[Path(release).name] = f"run {build}"
    return used


def living_builds(state_root: Path) -> dict[str, str | None]:
    """Builds with a living watcher or runner (proven by their locks) -> the release that the request names."""
    builds: dict[str, str | None] = {}
    try:
        locks = sorted((state_root / ".locks").iterdir())
    except OSError:
        return builds
    for lock in locks:
        if lock.suffix in (".watcher", ".runner", ".start") and is_locked(lock):
            builds[lock.stem] = _release_of(state_root / lock.stem / "request.json")
    return builds


def _release_of(request: Path) -> str | None:
    try:
        with request.open("rb") as file:
            release = json.loads(file.read(REQUEST_BYTES_MAX))["release"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return release if isinstance(release, str) else None


def _releases_of_processes(releases: Path) -> Iterator[tuple[str, int]]:
    """Releases that a living process runs from, by its command line, program or current folder; never our own chain."""
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
    """Our own process and who started it."""
    pid = os.getpid()
    for _ in range(PARENTS_MAX):
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
