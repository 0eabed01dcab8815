"""Waiting for what must come.  Only a test that fails waits as long as these limits: a busy machine is no failure."""

import time
from collections.abc import Callable
from typing import Any

DEADLINE_S = 240.0
"""For a condition, the end of a program or an answer; below the limit of a test (pyproject.toml)."""
SOON_S = 30.0
"""For what must not wait: far above what it takes on a busy machine, far below what waiting would take."""
LOOK_S = 0.02


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of `condition`; fail with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(LOOK_S)
    return value
