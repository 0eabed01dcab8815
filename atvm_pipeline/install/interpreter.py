"""The Python of the service: whether it can be used, which wheels it accepts, and its virtual environments."""

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from atvm_pipeline.shell.system.io_errors import io_error_text, reason_of, remedy_of
from atvm_pipeline.shell.system.subprocesses import ProgramAnswer, run_program

from .layout import CANNOT_WRITE, UNAVAILABLE, Problem, shown

OLDEST = (3, 11)
VENV_LIMIT_S = 300.0
PIP_LIMIT_S = 1800.0
PROBE = """\
import json, platform, sys
try:
    import ensurepip, venv
    complete = True
except ImportError:
    complete = False
print(json.dumps([getattr(sys, "_base_executable", sys.executable), list(sys.version_info[:3]), complete, platform.machine()]))
"""
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*>=\s*([0-9][0-9.]*)")


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python installation, not the Python of a virtual environment."""

    path: str
    version: tuple[int, int, int]
    machine: str

    @property
    def minor(self) -> str:
        """`3.11`."""
        return f"{self.version[0]}.{self.version[1]}"

    def __str__(self) -> str:
        return f"{'.'.join(str(part) for part in self.version)} ({self.path})"


def examine(path: str) -> Interpreter:
    """Return the Python at `path`. Raises Problem (69) if it cannot run the service."""
    answer = run_program(path, "-I", "-c", PROBE)
    try:
        base, version, complete, machine = json.loads(answer.text)
        major, minor, micro = (int(part) for part in version)
    except (ValueError, TypeError):
        raise Problem(UNAVAILABLE, f"{shown(Path(path))} is not a working Python: {answer.failure}") from None
    if (major, minor) < OLDEST:
        raise Problem(
            UNAVAILABLE,
            f"{shown(Path(path))} is Python {major}.{minor}: 3.11 or newer is needed; give one with --python PATH",
        )
    if not complete:
        raise Problem(
            UNAVAILABLE,
            f"{shown(Path(path))} has no venv module: install python{major}.{minor}-venv "
            f"(Debian, Ubuntu: apt-get install python{major}.{minor}-venv)",
        )
    return Interpreter(path=str(base), version=(major, minor, micro), machine=str(machine))


def missing_wheels(folder: Path, interpreter: Interpreter, dependencies: tuple[str, ...]) -> list[str]:
    """Return the dependencies for which `folder` has no wheel for this Python. Raises Problem."""
    try:
        wheels = [path.name[:-4] for path in folder.iterdir() if path.name.endswith(".whl")]
    except OSError as error:
        raise Problem(
            UNAVAILABLE, f"cannot read the wheel directory {shown(folder)}: {reason_of(error)}"
        ) from None
    return [need for need in dependencies if not any(_serves(name, need, interpreter) for name in wheels)]


def _serves(wheel: str, need: str, interpreter: Interpreter) -> bool:
    """Return whether a wheel (its file name without the suffix, PEP 427) satisfies `need` (`name>=version`)."""
    parts = wheel.split("-")
    wanted = _REQUIREMENT.match(need)
    if len(parts) not in (5, 6) or wanted is None:
        return False
    if _plain(parts[0]) != _plain(wanted[1]) or _numbers(parts[1]) < _numbers(wanted[2]):
        return False
    pythons, abis, platforms = (part.split(".") for part in parts[-3:])
    fits = any(_tag_fits(python, abi, interpreter.version[1]) for python in pythons for abi in abis)
    return fits and any(
        one == "any" or ("linux" in one and one.endswith(f"_{interpreter.machine}")) for one in platforms
    )


def _tag_fits(python: str, abi: str, minor: int) -> bool:
    if abi == "abi3":
        return python.startswith("cp3") and python[3:].isdecimal() and int(python[3:]) <= minor
    return (python == f"cp3{minor}" and abi in (f"cp3{minor}", "none")) or (python == "py3" and abi == "none")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def make_environment(interpreter: Interpreter, venv: Path) -> Path:
    """Make a virtual environment in `venv` and return its Python. Raises Problem."""
    answer = run_program(
        interpreter.path, "-I", "-m", "venv", "--clear", "--", str(venv), timeout_s=VENV_LIMIT_S
    )
    if answer.code != 0:
        raise Problem(UNAVAILABLE, f"cannot make a virtual environment in {shown(venv)}: {answer.failure}")
    return venv / "bin" / "python"


def install_packages(python: Path, dependencies: tuple[str, ...], wheelhouse: Path | None) -> None:
    """Install the dependencies into an environment; offline if there is a wheel directory. Raises Problem."""
    # --isolated: with a wheel directory, the settings of pip must not add another source.
    where = ["--isolated", "--no-index", "--find-links", str(wheelhouse)] if wheelhouse is not None else []
    answer = _pip(python, "install", *where, *dependencies)
    if answer.code != 0:
        hint = "" if wheelhouse is not None else " (no network? use --wheelhouse DIR)"
        raise Problem(UNAVAILABLE, f"cannot install the packages: {answer.failure}{hint}")


def make_wheelhouse(interpreter: Interpreter, dependencies: tuple[str, ...], folder: Path) -> list[str]:
    """Collect the wheels for this Python in `folder` and return their names. Raises Problem."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as made:
            python = make_environment(interpreter, Path(made) / "venv")
            wheels = Path(made) / "wheels"
            answer = _pip(python, "wheel", "--wheel-dir", str(wheels), *dependencies)
            if answer.code != 0:
                raise Problem(UNAVAILABLE, f"cannot collect the wheels: {answer.failure}")
            names = sorted(path.name for path in wheels.iterdir())
            for name in names:
                (wheels / name).replace(folder / name)
    except OSError as error:
        raise Problem(
            CANNOT_WRITE, io_error_text(error, "write to", shown(folder)) + remedy_of(error)
        ) from None
    return names


def _pip(python: Path, command: str, *words: str) -> ProgramAnswer:
    options = ("--quiet", "--no-input", "--disable-pip-version-check")
    return run_program(str(python), "-I", "-m", "pip", command, *options, *words, timeout_s=PIP_LIMIT_S)
