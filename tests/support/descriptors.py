"""Lists the open descriptors of a process: tests that leave some open take them away from later tests."""

import gc
import os
import time
from collections import Counter

PATIENCE_S = 20.0
"""A thread that may end a moment after its test closes everything that it opened."""
LOOK_S = 0.02


def names() -> Counter[str]:
    """Return the open descriptors of this process: the name that the kernel reports, and how often."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{number}")] += 1
        except OSError:  # the directory itself, which was open for the list
            continue
    return found


def left_open(before: Counter[str]) -> dict[str, int]:
    """Return the descriptors open in addition to `before`, after a wait for threads that are ending."""
    deadline_s = time.monotonic() + PATIENCE_S
    while left := names() - before:
        if time.monotonic() > deadline_s:
            return dict(left)
        # A file in a reference cycle is closed, and reported by its own warning, when the cycle is collected.
        gc.collect()
        time.sleep(LOOK_S)
    return {}
