"""Tests that need what not every machine grants: skipped elsewhere, but never where the checks must run."""

import os

import pytest


def needs(missing: str | None) -> pytest.MarkDecorator:
    """A mark that skips for the reason `missing`; under CI the test runs all the same, and fails for want of it."""
    return pytest.mark.skipif(
        missing is not None and os.environ.get("CI") != "true", reason=missing or "nothing is missing"
    )
