"""When the specs of a Cypress process started and ended, and which one is running, as the log shows it."""

from datetime import datetime
from typing import NamedTuple

from atvm_pipeline.core.state import Child, Stage


class SpecTimes(NamedTuple):
    """The times of one spec; None for a time that is not known."""

    started_at: datetime | None
    finished_at: datetime | None
    running: bool


def spec_times(child: Child, *, offline: bool) -> tuple[SpecTimes, ...]:
    """Return the times of each spec of a child.

    A spec without a results box ended at the latest when the next spec started or its process ended. `offline`: the
    times of the events are not those of the lines, so no time is known.
    """
    if offline:
        return tuple(SpecTimes(None, None, running=False) for _ in child.specs)
    times: list[SpecTimes] = []
    following = child.ended_at
    is_open = child.stage is Stage.OPEN
    for spec in reversed(child.specs):
        unfinished = spec.began and spec.box is None
        finished_at = following if unfinished else spec.ended_at
        running = is_open and not times and unfinished and spec.row is None and spec.error is None
        times.append(SpecTimes(spec.started_at, finished_at, running))
        following = spec.started_at or following
    return tuple(reversed(times))
