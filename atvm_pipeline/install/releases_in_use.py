"""Which release is in use: by a living process, or by a living run whose request names it.  Only looks."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from .layout import Places

REQUEST_BYTES_MAX = 16 * 1024 * 1024
PARENTS_MAX = 64


def used_releases(places: Places) -> dict[str, str]:
    """Name of a release -> who uses it, in words."""
    used: dict[str, str] = {}
    for name, pid in _by_processes(places.releases):
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
        if lock.suffix in (".watcher", ".runner", ".start") and _is_locked(lock):
            builds[lock.stem] = _release_of(state_root / lock.stem / "request.json")
    return builds


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _release_of(request: Path) -> str | None:
    try:
        with request.open("rb") as file:
            release = json.loads(file.read(REQUEST_BYTES_MAX))["release"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return release if isinstance(release, str) else None


def _by_processes(releases: Path) -> Iterator[tuple[str, int]]:
    """Releases that a living process runs from, by its command line, program or current folder; never our own chain."""
    start = f"{releases.resolve()}/"
    own = set(_own_chain())
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) not in own:
            for text in _words(Path(entry.path)):
                if text.startswith(start):
                    yield text[len(start) :].split("/", 1)[0], int(entry.name)


def _words(process: Path) -> Iterator[str]:
    try:
        yield from process.joinpath("cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        yield str(process.joinpath("exe").readlink())
        yield f"{process.joinpath('cwd').readlink()}/"
    except OSError:
        return


def _own_chain() -> Iterator[int]:
    """Our own process and who started it."""
    pid = os.getpid()
    for _ in range(PARENTS_MAX):
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
