"""Which targets there are, and what each brings with it."""

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
"""The target that breaks by design."""
FIXTURES = PROJECT / "fixtures" / "fuzz"
"""One folder per target: inputs that once broke the program."""


class Target(Protocol):
    """A module of `targets/`; it may have `mutate(data, max_size, seed, fallback) -> bytes` besides."""

    MAX_LEN: int
    """Bytes of the longest input that is tried."""
    SHORT_RUNS: int
    """Executions of the short form."""
    WORDS: tuple[bytes, ...]
    """What an input is made of."""
    target: Callable[[bytes], None]
    """Raises for a finding, and for nothing else."""
    seeds: Callable[[], Iterator[bytes]]


def load(name: str) -> Target:
    """The target's module.  Raises KeyError for an unknown name."""
    if name not in (*NAMES, PROOF):
        raise KeyError(name)
    return cast("Target", importlib.import_module(f"tests.fuzz.targets.{name}"))


def found(name: str) -> list[Path]:
    """The inputs that once broke the program, oldest name first."""
    return sorted(path for path in (FIXTURES / name).glob("*") if path.is_file())
