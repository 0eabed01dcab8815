"""Making one release folder: files, environment, record.  Nothing that is in use is touched; `current` is not moved here."""

import datetime as dt
import os
import shutil
from pathlib import Path

from .interpreter import Interpreter, install_packages, make_environment
from .layout import CANNOT_WRITE, UNAVAILABLE, Places, Problem, shown
from .release_content import RECORD, Release, Source, read_release, releases_in
from .run_program import run

IMPORTS = "import bracex, msgspec, psutil, urllib3, watchdog, wcmatch.glob; from atvm_pipeline.cli import main; from atvm_pipeline.cli.commands import watch; from atvm_pipeline.shell.delivery import http"
WORKS_LIMIT_S = 60.0


def python_of(folder: Path) -> Path:
    """The Python of a release."""
    return folder / ".venv" / "bin" / "python"


def works(folder: Path) -> bool:
    """Whether the release can run: its Python is there and finds all that it needs."""
    return run([python_of(folder), "-P", "-B", "-c", IMPORTS], limit_s=WORKS_LIMIT_S).code == 0


def find_release(places: Places, source: Source, interpreter: Interpreter) -> Release | None:
    """The installed release with exactly this content and a working Python of this minor version."""
    for release in releases_in(places.releases):
        if (
            release.content == source.content
            and release.python == interpreter.minor
            and works(release.folder)
        ):
            return release
    return None


def new_folder(places: Places, source: Source) -> Path:
    """Where the release will lie.  A whole release of that name is left alone: it may be in use."""
    folder = places.releases / source.name
    number = 1
    while read_release(folder) is not None:
        number += 1
        folder = places.releases / f"{source.name}.{number}"
    return folder


def make_release(source: Source, interpreter: Interpreter, wheelhouse: Path | None, folder: Path) -> None:
    """Make the release in `folder`, whole or not at all.  Raises Problem."""
    try:
        # Without a record it is what an installation left that was cut short.
        shutil.rmtree(folder, ignore_errors=True)
        _fill(source, interpreter, wheelhouse, folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        place = shown(Path(error.filename or folder))
        raise Problem(CANNOT_WRITE, f"cannot write {place}: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fill(source: Source, interpreter: Interpreter, wheelhouse: Path | None, folder: Path) -> None:
    _copy(source, folder)
    python = make_environment(interpreter, folder / ".venv")
    install_packages(python, source.dependencies, wheelhouse)
    site = next((folder / ".venv" / "lib").glob("python3.*/site-packages"))
    # The release itself, told relative to that folder.
    (site / "atvm_pipeline.pth").write_text("../../../..\n")
    # Nobody may write here later: the watcher's unit sees the file system read-only.
    run([python, "-P", "-m", "compileall", "-q", folder / "atvm_pipeline"], limit_s=WORKS_LIMIT_S)
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
        installed_at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
    # What the record vouches for must be on disk before it, and before anything points here.
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
