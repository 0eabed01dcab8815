"""Which descriptors a process has open: what a test leaves open is missing to the tests after it."""

import gc
import os
import time
from collections import Counter

PATIENCE_S = 20.0
"""A thread that ends a moment after its test closes what it has open."""
LOOK_S = 0.02


def names() -> Counter[str]:
    """What this process has open, by the name that the kernel gives it, and how often."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{number}")] += 1
        except OSError:  # the folder itself, which was open for the list
            continue
    return found


def left_open(before: Counter[str]) -> dict[str, int]:
    """What is open by now beyond `before`, after a while for threads that are ending."""
    deadline_s = time.monotonic() + PATIENCE_S
    while left := names() - before:
        if time.monotonic() > deadline_s:
            return dict(left)
        # A file in a cycle of objects is closed, and reported by its own warning, when the cycle is collected.
        gc.collect()
        time.sleep(LOOK_S)
    return {}
