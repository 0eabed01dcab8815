"""The children and sub-runs of a run, and the stages of a child: when it ends.

Says nothing about pass or fail.  What a line of the log does to them is `log_facts.py`'s.
"""

from datetime import datetime

from msgspec.structs import replace

from . import facts as f
from .state import Child, Run, Stage, SubRun
from .transitions import CHILD_TRANSITIONS

_ENDED = Stage.ENDED


def current_child(run: Run) -> Child | None:
    """The child that the log spoke of last, ended or not."""
    if not run.subruns or not run.subruns[-1].children:
        return None
    return run.subruns[-1].children[-1]


def last_child(run: Run) -> Child | None:
    """Return the child that began last, also where the newest sub-run has none yet."""
    return next((subrun.children[-1] for subrun in reversed(run.subruns) if subrun.children), None)


def open_child(run: Run) -> Child | None:
    """The child that has not ended, if there is one."""
    child = current_child(run)
    return child if child is not None and child.stage is not _ENDED else None


def put_child(run: Run, child: Child) -> Run:
    """`run` with its current child replaced."""
    subrun = run.subruns[-1]
    subrun = replace(subrun, children=(*subrun.children[:-1], child))
    return put_subrun(run, subrun)


def put_subrun(run: Run, subrun: SubRun) -> Run:
    """`run` with the sub-run of the same index replaced."""
    at = subrun.index - 1
    return replace(run, subruns=(*run.subruns[:at], subrun, *run.subruns[at + 1 :]))


def trigger(run: Run, name: str, at: datetime, watched_s: float) -> Run:
    """Move the current child by `CHILD_TRANSITIONS`; without a cell nothing changes."""
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
    """Take back that the run was over: a Cypress process of it lives."""
    if run.over_watched_s is None:
        return run
    run = replace(run, over_watched_s=None, over_at=None)
    child = current_child(run)
    if child is None or child.ended_by != "runner-over" or run.subruns[-1].result is not None:
        return run
    stage = Stage.OPEN if child.finished_offset is None else Stage.SUMMARISED
    run = put_child(run, replace(child, stage=stage, ended_at=None, ended_watched_s=None, ended_by=None))
    return put_subrun(run, replace(run.subruns[-1], ended_at=None, ended_watched_s=None))


def spec_runs(run: Run) -> bool:
    """Whether a spec has begun and not reported."""
    child = open_child(run)
    return child is not None and bool(child.specs) and child.specs[-1].box is None


def in_wrapper(subrun: SubRun) -> bool:
    """Whether the sub-run belongs to a wrapper that has not printed its end line."""
    return subrun.wrapper is not None and subrun.wrapper.finished_offset is None


def early_ends(child: Child) -> tuple[f.ErrorReported, ...]:
    """Error blocks that certainly ended the child."""
    unfinished = child.stage is _ENDED and child.totals is None
    return (*child.errors, *(child.doubtful if unfinished else ()))


def same_spec(one: str, other: str) -> bool:
    """Whether two spellings name one spec: equal, or one is the end of the other below a folder.

    Cypress prints names relative to the common root of a run's specs, reports hold them from the project's root.
    """
    one, other = one.replace("\\", "/"), other.replace("\\", "/")
    return one == other or one.endswith("/" + other) or other.endswith("/" + one)
