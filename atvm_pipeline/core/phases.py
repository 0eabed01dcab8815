"""The phases of a run and of a sub-run.  Imports next to nothing: commands that only look need them too."""

from enum import StrEnum


class Phase(StrEnum):
    """Where a run or sub-run is in its life."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TERMINATED = "TERMINATED"
    HUNG = "HUNG"
    UNKNOWN = "UNKNOWN"


TERMINAL_PHASES = frozenset(Phase) - {Phase.PENDING, Phase.RUNNING}
