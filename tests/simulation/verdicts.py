"""Checks that a verdict equals that of the undisturbed run, or that a recorded fact explains why not."""

from typing import TYPE_CHECKING, Any

from atvm_pipeline.core.reducer import phase_of

from .invariants import Broken
from .plans import Plan

if TYPE_CHECKING:
    from .driver import Told

Ending = tuple[str, str]


def explained(plan: Plan, told: "Told", wanted: "Told") -> str | None:
    """Return None where the verdict is the same, else the fact that explains another one.

    Raises Broken without such a fact.
    """
    why = _why(told, wanted)
    _check_subruns(told, wanted, why)
    keys, wanted_keys = _keys(told), _keys(wanted)
    if why is None:
        if keys != wanted_keys:
            raise Broken(f"messages requested: {sorted(keys)}, undisturbed {sorted(wanted_keys)}")
        if _ledger(told) != _ledger(wanted):
            raise Broken(
                f"the same verdict over other results: {_ledger(told)}, undisturbed {_ledger(wanted)}"
            )
        disturbed = plan.deaths or plan.faults or plan.deliveries or plan.happenings
        if not (disturbed or plan.unreachable or plan.away or plan.forever):
            for post in told.run.outbox:
                if (post.outcome, post.attempts, post.marked) != ("sent", 1, False):
                    raise Broken(f"{post.key}: {post.outcome} after {post.attempts} attempts, undisturbed")
    return why


def _why(told: "Told", wanted: "Told") -> str | None:
    ending, usual = told.ending, wanted.ending
    run = told.run
    if run.cancel is not None and ending == ("CANCELLED", "cancel-requested"):
        # Messages that had not been started by then are not sent any more, also where both are cancelled.
        return f"{usual} -> {ending}: cancel-requested is in the journal"
    if ending == usual:
        return None
    if run.vanished is not None and run.vanished.rebooted and told.outside.rebooted:
        # The exit record was never written, so its content is not known.
        whole = told.outside.logged == wanted.outside.logged
        if ending == ("TERMINATED", "host-rebooted") or (whole and ending == ("COMPLETED", "all-passed")):
            return f"{usual} -> {ending}: runner-vanished, rebooted, is in the journal"
    if (usual, ending) == (("HUNG", "quiet-with-cause"), ("HUNG", "stalled")) and not run.had_browser:
        # A watcher that was down, or whose disk refused the journal, has not scanned meanwhile.
        return f"{usual} -> {ending}: no browser of that group is in the journal"
    raise Broken(f"the verdict is {ending}, undisturbed {usual}, and nothing that was recorded explains it")


def _check_subruns(told: "Told", wanted: "Told", why: str | None) -> None:
    """Check that each sub-run ends as undisturbed, or as the run does where that is explained."""
    usual = [(subrun.phase, subrun.reason["code"]) for subrun in wanted.view.subruns]
    for at, subrun in enumerate(told.view.subruns):
        ending = (subrun.phase, subrun.reason["code"])
        if at < len(usual) and ending == usual[at]:
            continue
        if why is None or ending[0] != phase_of(told.run).value:
            raise Broken(f"sub-run {at + 1} ends as {ending}, undisturbed {usual[at : at + 1]}")


def _keys(told: "Told") -> set[str]:
    """Return the messages that belong to the verdict. Others report trouble with the delivery itself."""
    return {
        post.key
        for post in told.run.outbox
        if "/alert/attention-" not in post.key and "/alert/clear-" not in post.key
    }


def _ledger(told: "Told") -> list[Any]:
    view = told.view
    specs = [
        (subrun.index, spec.spec, spec.result, spec.detail, spec.tests, spec.passing)
        for subrun in view.subruns
        for spec in subrun.specs
    ]
    return [view.ledger, *specs]
