"""Addresses of runs: BUILD (the current run), BUILD@TIME (an archived run), a run id, or the path of a run's directory.

TIME is the name of the archive's directory. The start of a TIME, or of a run id (six characters or more), is enough if only
one run has it. Light to import.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from atvm_pipeline.core.build_name import valid_build_name
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.text import join_names, one_line
from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from atvm_pipeline.shell.system.files import Unreadable, read_small

from .paths import Paths

ARCHIVE = ".archive"
_RUN_ID_START = re.compile(r"[0-9a-f]{6,}")
"""The start of a run id that is long enough to name the run; a shorter text is the name of a build."""


def find_run(state_root: Path, address: str) -> Paths:
    """Return the paths of the run with that address. The run of a plain BUILD need not exist.

    Raises CommandError (64) for an address that cannot be one, DataError for a run that does not exist or is not
    unique, Unreadable.
    """
    if "/" in address:
        return _at_path(state_root, Path(address))
    build_name, separator, time = address.partition("@")
    if not valid_build_name(build_name):
        raise CommandError(
            USAGE,
            f"{one_line(address, 60)!r} does not name a run: use BUILD, BUILD@TIME, a run id or the directory of a run",
        )
    if separator:
        return _at_time(state_root, build_name, time)
    paths = Paths(state_root, build_name)
    if paths.folder.exists():
        return paths
    return _with_run_id(state_root, address) or paths


def address_of(paths: Paths) -> str:
    """Return the shortest address that names this run: BUILD, or BUILD@TIME for an archived run of the state root."""
    if not paths.is_archived:
        return paths.build_name
    if paths.folder.parent == paths.archive:
        return f"{paths.build_name}@{paths.folder.name}"
    return str(paths.folder)


def archived_runs(state_root: Path, build_name: str) -> list[Paths]:
    """Return the archived runs of a build, the oldest first. Raises Unreadable."""
    folder = Paths(state_root, build_name).archive
    return [Paths(state_root, build_name, path) for path in sorted(_directories(folder), key=_order)]


def all_archived_runs(state_root: Path) -> Iterator[Paths]:
    """Yield the archived runs of every build, by build name and age. Raises Unreadable."""
    for folder in sorted(_directories(state_root / ARCHIVE)):
        if valid_build_name(folder.name):
            yield from archived_runs(state_root, folder.name)


def _order(path: Path) -> tuple[str, int]:
    """Return a key that sorts `TIME.10` after `TIME.9`."""
    stamp, _, number = path.name.partition(".")
    return stamp, int(number) if number.isdecimal() else 1


def _directories(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Unreadable(folder, error) from None


def _at_path(state_root: Path, path: Path) -> Paths:
    folder = Path(os.path.abspath(path))  # noqa: PTH100 - removes `..` and keeps links, as the state root does
    shown = one_line(str(path), 300)
    if not folder.is_dir():
        raise DataError(f"{shown} is not the directory of a run: no such directory")
    parent = folder.parent
    is_archived = parent.parent.name == ARCHIVE
    build_name = parent.name if is_archived else folder.name
    if not valid_build_name(build_name):
        raise DataError(f"{shown} is not the directory of a run; list the runs with: atvm-pipeline status")
    if is_archived:
        return Paths(parent.parent.parent, build_name, folder)
    if parent != state_root and not (folder / "request.json").is_file():
        raise DataError(f"{shown} is not the directory of a run: it has no request.json")
    return Paths(parent, build_name)


def _at_time(state_root: Path, build_name: str, time: str) -> Paths:
    runs = archived_runs(state_root, build_name)
    exact = [run for run in runs if run.folder.name == time]
    found = exact or [run for run in runs if time and run.folder.name.startswith(time)]
    if len(found) == 1:
        return found[0]
    shown = one_line(time, 60)
    if found:
        raise DataError(
            f"build {build_name} has {len(found)} archived runs that start with {shown}: {_names(found)}; give more of the time"
        )
    known = f"its archived runs: {_names(runs)}" if runs else "it has none"
    raise DataError(f"build {build_name} has no archived run {shown!r}; {known}")


def _names(runs: list[Paths]) -> str:
    return join_names([address_of(run) for run in runs])


def _with_run_id(state_root: Path, given: str) -> Paths | None:
    """Return the run with that id, or the only one whose id starts with it. Raises DataError if several do."""
    current = (
        Paths(state_root, path.name) for path in _directories(state_root) if valid_build_name(path.name)
    )
    starting: list[Paths] = []
    for run in (*current, *all_archived_runs(state_root)):
        run_id = _run_id(run)
        if run_id == given:
            return run
        if run_id is not None and _RUN_ID_START.fullmatch(given) and run_id.startswith(given):
            starting.append(run)
    if len(starting) > 1:
        raise DataError(
            f"{len(starting)} runs have an id that starts with {given}: {_names(starting)}; give more of the id"
        )
    return starting[0] if starting else None


def _run_id(paths: Paths) -> str | None:
    with contextlib.suppress(OSError, ValueError, RecursionError, LookupError, TypeError):
        found = json.loads(read_small(paths.request) or b"")["run_id"]
        return found if isinstance(found, str) else None
    return None
