"""Releases: the files of a checkout and their hash, making a release directory, and its record.

Making a release changes nothing that is in use: `current` is switched later (`deploy.switch`).
"""

import json
import os
import re
import shutil
import tomllib
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from atvm_pipeline.shell.system.clock import now
from atvm_pipeline.shell.system.io_errors import io_error_text, remedy_of
from atvm_pipeline.shell.system.subprocesses import run_program

from .commit import commit_of
from .interpreter import Interpreter, install_packages, make_environment
from .layout import CANNOT_WRITE, DATA, UNAVAILABLE, Places, Problem, shown

PARTS = (
    *("atvm_pipeline", "bin", "units", "docs", "fixtures/automation-root"),
    *("README.md", "CHANGELOG.md", "LICENSE"),
)
LEFT_OUT = frozenset({"__pycache__", "cmcReporter", "run-tests"})
"""Files that a run creates or that only a checkout needs. Hidden files are left out too."""
RECORD = "release.json"
RECORD_BYTES_MAX = 64 * 1024
IMPORTS = "import bracex, msgspec, psutil, urllib3, watchdog, wcmatch.glob; from atvm_pipeline.cli import main; from atvm_pipeline.cli.commands import watch; from atvm_pipeline.shell.delivery import http"
WORKS_LIMIT_S = 60.0
_VERSION = re.compile(r'^__version__ = "([A-Za-z0-9.+]{1,40})"$', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A checkout that can be installed."""

    project: Path
    version: str
    dependencies: tuple[str, ...]
    content: str
    """Hash over names, modes and bytes of all files, and the dependencies."""
    files: dict[str, bool] = field(repr=False)
    """Path relative to the project -> whether it is executable."""

    @property
    def name(self) -> str:
        """Return the name of its release."""
        return f"{self.version}-{self.content[:10]}"


@dataclass(frozen=True, kw_only=True)
class Release:
    """The record `release.json`. It is written last, so a directory without it is not a release."""

    folder: Path
    version: str
    content: str
    python: str
    """Such as `3.11`: an environment works with one minor version."""
    interpreter: str
    dependencies: tuple[str, ...]
    source: str
    """The checkout from which it was made."""
    installed_at: str
    """UTC, RFC 3339."""
    commit: str = ""
    """The git commit of the checkout; "" if it had local changes or is not a clone."""

    def written(self) -> str:
        """Return the text of the record."""
        fields = {name: value for name, value in asdict(self).items() if name != "folder"}
        return json.dumps({"schema": 1, **fields}, indent=1) + "\n"


def read_source(project: Path) -> Source:
    """Return the checkout at `project`. Raises Problem (65) if it is not a checkout, or incomplete."""
    try:
        with (project / "pyproject.toml").open("rb") as file:
            dependencies = tuple(tomllib.load(file)["project"]["dependencies"])
        found = _VERSION.search((project / "atvm_pipeline" / "__init__.py").read_text())
        files = files_of(project)
        if found is None or not all(any(name.startswith(part) for name in files) for part in PARTS):
            raise Problem(DATA, f"{project} is an incomplete checkout of the project: clone it again")
        content = content_hash(project, files, dependencies)
    except (OSError, KeyError, ValueError):
        raise Problem(
            DATA, f"{project} is not a checkout of the project: run the installer from a clone"
        ) from None
    return Source(project=project, version=found[1], dependencies=dependencies, content=content, files=files)


def files_of(project: Path) -> dict[str, bool]:
    """Return the files of a release and whether each is executable. Raises OSError."""
    found: dict[str, bool] = {}
    for part in PARTS:
        start = project / part
        for path in sorted(start.rglob("*")) if start.is_dir() else (start,):
            relative = path.relative_to(project)
            hidden = any(name in LEFT_OUT or name.startswith(".") for name in relative.parts)
            if not hidden and path.is_file() and not path.is_symlink():
                found[relative.as_posix()] = bool(path.stat().st_mode & 0o100)
    return found


def content_hash(project: Path, files: dict[str, bool], dependencies: tuple[str, ...]) -> str:
    """Return a hash of files and dependencies that does not depend on their location. Raises OSError."""
    whole = sha256(json.dumps(dependencies).encode())
    for name, executable in sorted(files.items()):
        inner = sha256((project / name).read_bytes()).hexdigest()
        whole.update(f"{name}\0{int(executable)}\0{inner}\n".encode())
    return whole.hexdigest()


def read_release(folder: Path) -> Release | None:
    """Return the release in `folder`, None if it is missing or incomplete. Never raises."""
    try:
        with (folder / RECORD).open("rb") as file:
            record = json.loads(file.read(RECORD_BYTES_MAX))
        texts = {
            name: str(record[name])
            for name in ("version", "content", "python", "interpreter", "source", "installed_at")
        }
        dependencies = tuple(str(one) for one in record["dependencies"])
        # The first release did not record it.
        commit = str(record.get("commit", ""))
        return Release(folder=folder, dependencies=dependencies, commit=commit, **texts)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def releases_in(folder: Path) -> list[Release]:
    """Return all complete releases, the newest first."""
    try:
        found = [read_release(path) for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
    return sorted(
        (one for one in found if one is not None),
        key=lambda one: (one.installed_at, one.folder.name),
        reverse=True,
    )


def is_unchanged(release: Release) -> bool:
    """Return whether the files are the same as when they were installed. Raises OSError."""
    found = content_hash(release.folder, files_of(release.folder), release.dependencies)
    return found == release.content


def python_of(folder: Path) -> Path:
    """Return the path of the Python of a release."""
    return folder / ".venv" / "bin" / "python"


def works(folder: Path) -> bool:
    """Return whether the release can run: its Python exists and imports everything."""
    return run_program(str(python_of(folder)), "-P", "-B", "-c", IMPORTS, timeout_s=WORKS_LIMIT_S).code == 0


def starts(folder: Path) -> bool:
    """Return whether an installed release can run, whatever the names of its modules: an older one has others."""
    command = (str(python_of(folder)), "-P", "-B", "-m", "atvm_pipeline", "watch", "--help")
    return run_program(*command, timeout_s=WORKS_LIMIT_S).code == 0


def find_release(places: Places, source: Source, interpreter: Interpreter) -> Release | None:
    """Return the installed release with the same content and a working Python of the same minor version."""
    for release in releases_in(places.releases):
        if (
            release.content == source.content
            and release.python == interpreter.minor
            and works(release.folder)
        ):
            return release
    return None


def new_folder(places: Places, source: Source) -> Path:
    """Return the directory for the release. A complete release of the same name stays: it may be in use."""
    folder = places.releases / source.name
    number = 1
    while read_release(folder) is not None:
        number += 1
        folder = places.releases / f"{source.name}.{number}"
    return folder


def make_release(source: Source, interpreter: Interpreter, wheelhouse: Path | None, folder: Path) -> None:
    """Make the release in `folder`, and remove it again if that fails. Raises Problem."""
    try:
        # A directory without a record is left from an interrupted installation.
        shutil.rmtree(folder, ignore_errors=True)
        _fill(source, interpreter, wheelhouse, folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        place = shown(Path(error.filename or folder))
        raise Problem(CANNOT_WRITE, io_error_text(error, "write to", place) + remedy_of(error)) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fill(source: Source, interpreter: Interpreter, wheelhouse: Path | None, folder: Path) -> None:
    _copy(source, folder)
    python = make_environment(interpreter, folder / ".venv")
    install_packages(python, source.dependencies, wheelhouse)
    site = next((folder / ".venv" / "lib").glob("python3.*/site-packages"))
    # The release itself, relative to site-packages.
    (site / "atvm_pipeline.pth").write_text("../../../..\n")
    # Compile now: the file system is read-only for the unit of the watcher.
    modules = str(folder / "atvm_pipeline")
    run_program(str(python), "-P", "-m", "compileall", "-q", modules, timeout_s=WORKS_LIMIT_S)
    if not works(folder):
        raise Problem(UNAVAILABLE, f"the new release does not run with {interpreter}: nothing was changed")
    record = Release(
        folder=folder,
        version=source.version,
        content=source.content,
        python=interpreter.minor,
        interpreter=interpreter.path,
        dependencies=source.dependencies,
        source=str(source.project),
        installed_at=now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        commit=commit_of(source.project),
    )
    # The files must be on disk before the record is, and before any link points here.
    os.sync()
    temporary = folder / f".{RECORD}"
    temporary.write_text(record.written())
    temporary.replace(folder / RECORD)
    os.sync()


def _copy(source: Source, folder: Path) -> None:
    for name, executable in source.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.project / name, target)
        target.chmod(0o755 if executable else 0o644)
