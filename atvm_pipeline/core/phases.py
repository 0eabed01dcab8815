"""The phases of a run and of a sub-run.

This module imports only `enum`: commands that only show a state use it too, and they must start fast.
"""

from enum import StrEnum


class Phase(StrEnum):
    """A step in the life of a run or sub-run."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TERMINATED = "TERMINATED"
    HUNG = "HUNG"
    UNKNOWN = "UNKNOWN"


TERMINAL_PHASES = frozenset(Phase) - {Phase.PENDING, Phase.RUNNING}
