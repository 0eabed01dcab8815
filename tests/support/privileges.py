"""Privileges in tests: tests that need them, and files without them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534
"""The user ID of `nobody`."""


def needs(missing: str | None) -> pytest.MarkDecorator:
    """Return a mark that skips with the reason `missing`, None if nothing is missing. In CI a skip fails (conftest.py)."""
    return pytest.mark.skipif(missing is not None, reason=missing or "nothing is missing")


@contextlib.contextmanager
def no_access(path: Path) -> Iterator[None]:
    """Make `path` unreadable in the block. Root becomes `nobody` meanwhile, because root can read every file."""
    mode = path.stat().st_mode
    path.chmod(0)
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        path.chmod(mode)
