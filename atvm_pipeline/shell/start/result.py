"""Result of a start, for the command that prints it."""

from typing import NamedTuple

from .run_preflight import Preflight


class StartResult(NamedTuple):
    """Result of a start."""

    started: bool
    """False with --check, which starts nothing."""
    run_id: str | None = None
    preflight: Preflight | None = None
    """None for a watcher that is attached to a run, which is not checked again."""
    ended: str | None = None
    """How the runner has ended already; None while it runs, or if it is not started yet."""
    log: str | None = None
    """The log of the runner; it differs from that of the options if the start follows a runner."""

    @property
    def attached(self) -> bool:
        """Whether a watcher was attached to a run (or would be, with --check), so that nothing else was checked."""
        return self.preflight is None
