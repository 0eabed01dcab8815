"""The command line of the installer: check everything, plan the steps, then run them and print one line for each.

`--dry-run` stops after the plan. Nothing is written before every check has passed.
"""

import argparse
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from atvm_pipeline.shell.system.io_errors import io_error_text, remedy_of
from atvm_pipeline.shell.system.log import log

from . import deploy, uninstall
from .commands import command_links
from .deploy import DeployStep
from .interpreter import Interpreter, examine, make_wheelhouse, missing_wheels
from .layout import (
    CANNOT_WRITE,
    DATA,
    IN_USE,
    SWEEP_UNIT,
    UNAVAILABLE,
    USAGE,
    Places,
    Problem,
    check_disk,
    check_places,
    check_user,
    shown,
)
from .release import (
    Release,
    Source,
    find_release,
    make_release,
    new_folder,
    read_release,
    read_source,
    releases_in,
    starts,
)

PROJECT = Path(__file__).resolve().parents[2]
PROG = "install-atvm-watcher-service.sh"


class InstallParser(argparse.ArgumentParser):
    """An argument parser that reports a usage error as a Problem: exit code 64, and one line instead of the usage text."""

    def error(self, message: str) -> NoReturn:
        """Raise Problem (64)."""
        raise Problem(USAGE, f"{message} (see {self.prog} --help)")


EPILOG = f"""\
examples:
  {PROG} --dry-run
  {PROG} --wheelhouse wheels
  {PROG} --rollback

exit codes:
  0 done, 64 wrong call, 65 not a clone of the project, 69 no usable Python,
  packages or wheels, 73 not root or a path is not writable, 75 in use
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options."""
    made = InstallParser(
        prog=PROG,
        usage=f"{PROG} [--wheelhouse DIR] [options]",
        description="Install, upgrade, roll back or remove the watcher service on this controller.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument("--rollback", action="store_true", help="go back to the previous release")
    what.add_argument(
        "--uninstall", action="store_true", help="remove everything except the state and the environment file"
    )
    what.add_argument(
        "--make-wheelhouse",
        metavar="DIR",
        help="only collect the packages for an offline installation in DIR",
    )
    made.add_argument("--wheelhouse", metavar="DIR", help="install the packages from DIR, without a network")
    made.add_argument(
        "--python", metavar="PATH", help="the Python to use (default: the newest one, at least 3.11)"
    )
    made.add_argument(
        "--purge-state", action="store_true", help="with --uninstall: also remove the state of all runs"
    )
    made.add_argument(
        "--dry-run", action="store_true", help="check everything and print the steps, change nothing"
    )
    made.add_argument(
        "--root",
        metavar="DIR",
        default="/",
        help="install below DIR and leave systemd alone (for images and tests)",
    )
    return made


def main(argv: list[str]) -> int:
    """Run the requested action and return the exit code."""
    os.umask(0o022)
    # Settings of the caller's Python must not reach the programs that are started here.
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]
    # These signals raise KeyboardInterrupt too, so that an unfinished release is removed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        args = parser().parse_args(argv)
        _check_call(args)
        if args.make_wheelhouse is not None:
            return _wheelhouse(args)
        places = Places(Path(args.root).absolute())
        check_user(places)
        action = _rollback if args.rollback else _uninstall if args.uninstall else _install
        action(args, places)
    except Problem as problem:
        return _failed(str(problem), problem.code)
    except OSError as error:
        place = shown(Path(error.filename)) if isinstance(error.filename, str) else None
        return _failed(io_error_text(error, "write to", place) + remedy_of(error), CANNOT_WRITE)
    except KeyboardInterrupt:
        return _failed("interrupted; the releases in use are unchanged, run it again", 130)
    return 0


def _check_call(args: argparse.Namespace) -> None:
    if args.purge_state and not args.uninstall:
        raise Problem(USAGE, "--purge-state needs --uninstall")
    if args.wheelhouse is not None and (args.rollback or args.uninstall or args.make_wheelhouse):
        raise Problem(USAGE, "--wheelhouse is for an installation only")


def _failed(text: str, code: int) -> int:
    log(f"{PROG}: {text}")
    return code


def _print(text: str) -> None:
    # The reader of standard output may be gone. That must not interrupt an installation.
    with contextlib.suppress(OSError, ValueError):
        print(shown(text), flush=True)  # noqa: T201 - the command line prints


def _interpreter(args: argparse.Namespace) -> Interpreter:
    """Return the Python of `--python`, else the one that runs the installer, which the wrapper has found."""
    named = args.python or sys.executable
    return examine(str(Path(named).absolute()) if "/" in named else named)


def _wheelhouse(args: argparse.Namespace) -> int:
    source = read_source(PROJECT)
    interpreter = _interpreter(args)
    if args.dry_run:
        _print(
            f"dry run: would collect {', '.join(source.dependencies)} for Python {interpreter} in {args.make_wheelhouse}"
        )
        return 0
    names = make_wheelhouse(interpreter, source.dependencies, Path(args.make_wheelhouse).absolute())
    _print(
        f"wheels for Python {interpreter.minor} on {interpreter.machine} in {args.make_wheelhouse}: {', '.join(names)}"
    )
    _print(f"next: run {PROG} --wheelhouse DIR on the controller, with Python {interpreter.minor}")
    return 0


def _install(args: argparse.Namespace, places: Places) -> None:
    source = read_source(PROJECT)
    interpreter = _interpreter(args)
    wheelhouse = Path(args.wheelhouse).absolute() if args.wheelhouse is not None else None
    if wheelhouse is not None:
        missing = missing_wheels(wheelhouse, interpreter, source.dependencies)
        if missing:
            raise Problem(
                UNAVAILABLE,
                f"{shown(wheelhouse)} has no wheel of {', '.join(missing)} for Python {interpreter.minor} on "
                f"{interpreter.machine}: collect the wheels with --make-wheelhouse DIR and the same Python",
            )
    check_places(places)
    check_disk(places)
    with _exclusive(places, make=not args.dry_run):
        release = find_release(places, source, interpreter)
        folder = release.folder if release is not None else new_folder(places, source)
        steps = [] if release is not None else [_build(source, interpreter, wheelhouse, folder)]
        steps += _deploy_steps(places, folder, PROJECT)
        _perform(steps, dry=args.dry_run)
        if not steps:
            _print(f"nothing to do: {folder.name} is installed in {places.package}")
        _perform(uninstall.prune(places, folder), dry=args.dry_run)
    if steps and not args.dry_run:
        _print(f"next: {places.package}/bin/atvm-pipeline doctor")


def _build(source: Source, interpreter: Interpreter, wheelhouse: Path | None, folder: Path) -> DeployStep:
    where = (
        f"packages from {wheelhouse}"
        if wheelhouse is not None
        else "packages from the package index (needs a network)"
    )

    def do() -> None:
        more = "" if wheelhouse is not None else ", plus the time to download the packages"
        _print(f"making {folder.name}: this takes a few seconds{more}")
        make_release(source, interpreter, wheelhouse, folder)

    return DeployStep(f"release: {folder.name} in {folder.parent}, Python {interpreter}, {where}", do)


def _deploy_steps(places: Places, release: Path, content: Path) -> list[DeployStep]:
    """Return the steps outside the release directory. `content` has the files of `release`, which may not exist yet."""
    wanted = unit_files(content)
    names = [path.name for path in (content / "bin").iterdir() if path.is_file() and path.name != "run-tests"]
    unit_steps = deploy.units(places, wanted, known_units(places))
    return [
        *deploy.links(places, deploy.wanted_links(names)),
        *command_links(places, names),
        *deploy.switch(places, release),
        *unit_steps,
        *deploy.service_manager(places, changed=bool(unit_steps), sweep=SWEEP_UNIT in wanted),
        *deploy.environment_file(places),
        *deploy.state_root(places),
    ]


def unit_files(project: Path) -> dict[str, bytes]:
    """Return the units of a checkout or a release: name -> content. Raises OSError."""
    found = sorted((project / "units").iterdir())
    return {path.name: path.read_bytes() for path in found if path.is_file() and path.name[0] != "."}


def known_units(places: Places) -> dict[str, set[bytes]]:
    """Return the units of all installed releases: name -> every content."""
    known: dict[str, set[bytes]] = {}
    for release in releases_in(places.releases):
        with contextlib.suppress(OSError):
            for name, data in unit_files(release.folder).items():
                known.setdefault(name, set()).add(data)
    return known


def _rollback(args: argparse.Namespace, places: Places) -> None:
    release = _previous(places)
    check_places(places)
    with _exclusive(places, make=not args.dry_run):
        _perform(_deploy_steps(places, release.folder, release.folder), dry=args.dry_run)


def _previous(places: Places) -> Release:
    """Return the release to go back to. Raises Problem (65, 69)."""
    target = places.target(places.previous)
    release = read_release(target) if target is not None else None
    if release is None:
        raise Problem(DATA, f"there is no previous release in {places.package}")
    if not starts(release.folder):
        raise Problem(
            UNAVAILABLE, f"{release.folder.name} does not run any more: install it again from its checkout"
        )
    return release


def _uninstall(args: argparse.Namespace, places: Places) -> None:
    uninstall.check_idle(places)
    with _exclusive(places, make=False):
        names = {*known_units(places), *unit_files(PROJECT)}
        steps = uninstall.uninstall(places, names, purge_state=args.purge_state)
        if not any(not step.text.startswith("kept:") for step in steps):
            _print(f"nothing to do: nothing is installed in {places.package}")
        _perform(steps, dry=args.dry_run)


@contextlib.contextmanager
def _exclusive(places: Places, *, make: bool) -> Iterator[None]:
    """Allow one installer at a time. The lock is the package directory itself, so no lock file is left in it."""
    if make:
        places.releases.mkdir(parents=True, exist_ok=True)
    if not places.package.is_dir():
        yield
        return
    descriptor = os.open(places.package, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Problem(IN_USE, "another installation is running: try again when it has finished") from None
    finally:
        os.close(descriptor)


def _perform(steps: list[DeployStep], *, dry: bool) -> None:
    for step in steps:
        if not dry:
            step.do()
        _print(f"dry run: {step.text}" if dry else step.text)
