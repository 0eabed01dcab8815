"""Measures how long a component is dead before it is reported."""

import time
from collections.abc import Callable

from tests.support.waiting import wait_for
from tests.systemd.controller_host import ControllerHost

ALERTS = "atvm-alerts"
BUSY = 6
"""A machine that is busy with other work may take so many times as long as the rows allow."""


class Stopwatch:
    """Measures a row: the time from the death to the report."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record
        self._since_s = time.monotonic()

    def died(self) -> None:
        self._since_s = time.monotonic()

    def told(self, condition: Callable[[], object], what: str, within_s: float) -> None:
        wait_for(condition, what, within_s * BUSY)
        took_s = time.monotonic() - self._since_s
        self._record(what, round(took_s, 1))
        print(f"{what}: {took_s:.1f} s")


def alerted(host: ControllerHost, build: str, words: str) -> Callable[[], bool]:
    return lambda: any(words in text for text in host.posts(ALERTS, build))
