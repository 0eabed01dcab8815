"""Waits for expected events.

Only a failing test waits as long as these limits: a busy machine does not fail a test.
"""

import time
from collections.abc import Callable
from typing import Any

DEADLINE_S = 240.0
"""For a condition, the end of a program or an answer; below the limit of a test (pyproject.toml)."""
SOON_S = 30.0
"""For an action that must not wait: far above its time on a busy machine, far below the time of a wait."""
LOOK_S = 0.02


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of `condition`; fail with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(LOOK_S)
    return value
