"""The children and sub-runs of a run, and the stages of a child up to its end.

This module does not decide about pass or fail. `log_facts.py` applies the lines of the log to children and sub-runs.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import Process
from atvm_pipeline.core.state import Child, Run, Stage, SubRun
from atvm_pipeline.core.transitions import CHILD_TRANSITIONS

_ENDED = Stage.ENDED


class Place(NamedTuple):
    """The position of a child: the index of its sub-run in the run, and its own index in the sub-run."""

    subrun: int
    child: int


def current_child(run: Run) -> Child | None:
    """Return the child of the last line, ended or not, in the stream that is being read."""
    place = _current_place(run)
    return None if place is None else run.subruns[place.subrun].children[place.child]


def _current_place(run: Run) -> Place | None:
    """Return the position of the current child. It is searched from the end, where it nearly always is."""
    for subrun in range(len(run.subruns) - 1, -1, -1):
        children = run.subruns[subrun].children
        for child in range(len(children) - 1, -1, -1):
            if children[child].stream == run.stream:
                return Place(subrun, child)
    return None


def each_stream(run: Run, change: Callable[[Run], Run]) -> Run:
    """Apply a change to every stream of the log in turn: an event that ends the run ends all of them."""
    if len(run.streams) == 1 and run.stream == run.streams[0]:
        return change(run)
    current = run.stream
    for stream in run.streams:
        run = change(replace(run, stream=stream))
    return replace(run, stream=current)


def stream_children(run: Run) -> list[Child]:
    """Return the last child of each stream."""
    children = (current_child(replace(run, stream=stream)) for stream in run.streams)
    return [child for child in children if child is not None]


def open_child(run: Run) -> Child | None:
    """Return the child that has not ended, if there is one in the stream that is being read."""
    child = current_child(run)
    return child if child is not None and child.stage is not _ENDED else None


def put_child(run: Run, child: Child) -> Run:
    """Return `run` with its current child replaced."""
    place = _current_place(run)
    assert place is not None
    subrun = run.subruns[place.subrun]
    children = (*subrun.children[: place.child], child, *subrun.children[place.child + 1 :])
    return put_subrun(run, replace(subrun, children=children))


def put_subrun(run: Run, subrun: SubRun) -> Run:
    """Return `run` with the sub-run of the same index replaced."""
    at = subrun.index - 1
    return replace(run, subruns=(*run.subruns[:at], subrun, *run.subruns[at + 1 :]))


def trigger(run: Run, name: str, at: datetime, watched_s: float) -> Run:
    """Move the current child by `CHILD_TRANSITIONS`; a missing table cell changes nothing."""
    child = current_child(run)
    if child is None:
        return run
    stage = CHILD_TRANSITIONS[child.stage].get(name)
    if stage is None:
        return run
    if stage is _ENDED:
        child = replace(child, stage=stage, ended_at=at, ended_watched_s=watched_s, ended_by=name)
    else:
        child = replace(child, stage=stage)
    return put_child(run, child)


def reopen(run: Run) -> Run:
    """Reopen a run that was considered finished: one of its Cypress processes is still alive."""
    if run.over_watched_s is None:
        return run
    return each_stream(replace(run, over_watched_s=None, over_at=None), _reopen_child)


def _reopen_child(run: Run) -> Run:
    child, place = current_child(run), _current_place(run)
    if child is None or place is None:
        return run
    # The verdict of a sub-run is final, even if its child prints more lines after it.
    if child.ended_by != "runner-over" or run.subruns[place.subrun].result is not None:
        return run
    stage = Stage.OPEN if child.finished_offset is None else Stage.SUMMARISED
    run = put_child(run, replace(child, stage=stage, ended_at=None, ended_watched_s=None, ended_by=None))
    return put_subrun(run, replace(run.subruns[place.subrun], ended_at=None, ended_watched_s=None))


def spec_runs(run: Run) -> bool:
    """Return whether a spec has started and not reported."""
    child = open_child(run)
    return child is not None and bool(child.specs) and child.specs[-1].box is None


def in_wrapper(subrun: SubRun) -> bool:
    """Return whether the sub-run belongs to a wrapper that has not printed its end line."""
    return subrun.wrapper is not None and subrun.wrapper.finished_offset is None


def early_ends(child: Child) -> tuple[f.ErrorReported, ...]:
    """Return the error blocks that certainly ended the child."""
    unfinished = child.stage is _ENDED and child.totals is None
    return (*child.errors, *(child.doubtful if unfinished else ()))


def browsers_in(processes: Sequence[Process]) -> tuple[tuple[int, float], ...]:
    """Return pid and start time of each browser among `processes`."""
    return tuple((process.pid, process.create_time) for process in processes if process.role == "browser")
