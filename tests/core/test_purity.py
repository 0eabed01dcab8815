"""The core stays pure (no clock, I/O or randomness; imports only inward); only listed modules import heavy packages."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import PROJECT

PACKAGE = PROJECT / "atvm_pipeline"
CORE = sorted((PACKAGE / "core").rglob("*.py"))
ALLOWED = {
    *(
        "base64",
        "bisect",
        "bracex",
        "collections",
        "datetime",
        "difflib",
        "enum",
        "fnmatch",
        "functools",
        "hashlib",
        "itertools",
        "math",
        "msgspec",
    ),
    *("posixpath", "re", "shlex", "string", "tomllib", "typing", "unicodedata", "wcmatch", "xml"),
}
"""The pure part of the standard library, msgspec, and the glob translator (pure unless REALPATH is set)."""
CLOCK_OR_CHANCE = {"now", "utcnow", "today", "time", "monotonic", "random", "urandom", "uuid4", "token_hex"}
DOORS = {"open", "print", "input", "exec", "eval", "__import__"}
HEAVY = {
    "watchdog": "shell/sources/fs_events.py",
    "psutil": "shell/processes/discovery.py shell/processes/stopping.py",
    "urllib3": "shell/delivery/http.py",
    "subprocess": "shell/system/subprocesses.py",
    "wcmatch": "core/preflight/globs.py",
    "bracex": "core/preflight/globs.py",
}


@functools.cache
def imports(path: Path) -> list[tuple[str, int]]:
    """Return the absolute name and the line of each module that a file imports; relative imports are resolved."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = path.relative_to(PACKAGE.parent).with_suffix("").parts[: -node.level]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((".".join((*base, name)), node.lineno) for name in names)


def ring(name: str) -> str:
    return name.split(".")[1] if name.startswith("atvm_pipeline.") else ""


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_only_the_core_and_what_is_pure(path: Path) -> None:
    for name, line in imports(path):
        inward = ring(name) == "core"
        assert inward or name.split(".")[0] in ALLOWED, f"{path.name}:{line} imports {name}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_has_no_clock_no_chance_and_no_door_to_the_world(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in DOORS, f"{path.name}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in CLOCK_OR_CHANCE, f"{path.name}:{node.lineno} calls {node.func.attr}"


def test_the_shell_does_not_know_the_command_line() -> None:
    for path in (PACKAGE / "shell").rglob("*.py"):
        assert all(ring(name) != "cli" for name, _ in imports(path)), path


@pytest.mark.parametrize(("package", "homes"), HEAVY.items())
def test_each_heavy_package_has_its_importers_and_no_others(package: str, homes: str) -> None:
    importers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for name, _ in imports(path)
        if name.split(".")[0] == package
    }

    assert importers == set(homes.split())
