"""Minimises a finding: bytes are removed as long as the same error occurs at the same place."""

import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from tests.fuzz.registry import FIXTURES, load

TRIES_MAX = 4000

Place = tuple[str, str, int | None]


def place_of(target: Callable[[bytes], None], data: bytes) -> Place | None:
    """Return the kind of exception, and the file and line where it was raised; None if there is no error."""
    try:
        target(data)
    except Exception as error:  # noqa: BLE001 - whatever it is
        last = traceback.extract_tb(error.__traceback__)[-1]
        return type(error).__name__, last.filename, last.lineno
    return None


def smallest(target: Callable[[bytes], None], data: bytes, tries: int = TRIES_MAX) -> bytes:
    """Return the data without every part that is not needed, within so many tries."""
    wrong = place_of(target, data)
    if wrong is None:
        return data
    size = len(data) // 2
    while size >= 1 and tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            tries -= 1
            shorter = data[:at] + data[at + size :]
            if place_of(target, shorter) == wrong:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def keep(name: str, data: bytes) -> tuple[Path, str]:
    """Create a fixture from a finding, as small as possible. Return its path and the error in one line."""
    target = load(name).target
    small = smallest(target, data)
    wrong = place_of(target, small)
    kind, where = (
        ("slow-or-large", "see the log") if wrong is None else (wrong[0], f"{Path(wrong[1]).name}:{wrong[2]}")
    )
    path = FIXTURES / name / f"{kind.lower()}-{sha256(small).hexdigest()[:8]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(small)
    return path, f"{kind} at {where}"
