"""The list of targets, and the attributes of each."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, cast

from tests.support.project import PROJECT

NAMES = (
    *("console", "report", "journal", "records", "dialect"),
    *("inventory", "patterns", "settings", "webhook", "messages"),
)
PROOF = "proof"
"""The target that fails by design."""
FIXTURES = PROJECT / "fixtures" / "fuzz"
"""One directory per target: inputs that once broke the program."""


class Target(Protocol):
    """A module of `targets/`. It may also have `mutate(data, max_size, seed, fallback) -> bytes`."""

    MAX_LEN: int
    """Bytes of the longest input that is tried."""
    SHORT_RUNS: int
    """Executions of the short form."""
    WORDS: tuple[bytes, ...]
    """Tokens of which inputs are composed."""
    target: Callable[[bytes], None]
    """Raises for a finding, and for nothing else."""
    seeds: Callable[[], Iterator[bytes]]


def load(name: str) -> Target:
    """Return the target's module.  Raises KeyError for an unknown name."""
    if name not in (*NAMES, PROOF):
        raise KeyError(name)
    return cast("Target", importlib.import_module(f"tests.fuzz.targets.{name}"))


def found(name: str) -> list[Path]:
    """Return the inputs that once broke the program, sorted by name."""
    return sorted(path for path in (FIXTURES / name).glob("*") if path.is_file())
