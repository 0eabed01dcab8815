"""Tests that need what not every machine grants: skipped elsewhere, a failure in CI (conftest.py)."""

import pytest


def needs(missing: str | None) -> pytest.MarkDecorator:
    """A mark that skips for the reason `missing`; None: nothing is missing."""
    return pytest.mark.skipif(missing is not None, reason=missing or "nothing is missing")
