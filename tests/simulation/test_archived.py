"""A new start while messages of the previous run wait: its sender and the next watcher, killed at their calls.

`python -m tests.simulation --archived` plays every death at every call.
"""

import itertools
import threading
from collections import Counter

import pytest

from tests.simulation.archived import BASES, ArchivePlan, Role, RoleDeath, cut_saves, drawn, every_death, play
from tests.simulation.driver import Failed
from tests.simulation.mutants import SENDER_MUTANTS, mutated

SLICES = 3
SEEDS = 8
HUNTED = 60

pytestmark = pytest.mark.timeout(600)


def ends(plan: ArchivePlan) -> tuple[list[tuple[str, int, bool]], str | None]:
    told = play(plan)
    verdict = told.first.verdict
    posts = [(post.outcome, post.attempts, post.marked) for post in told.first.outbox]
    return posts, verdict.phase.value if verdict is not None else None


def test_messages_that_were_refused_are_delivered_after_the_new_start() -> None:
    assert ends(BASES[0]) == ([("sent", 2, False)] * 2, "FAILED")


def test_a_message_that_may_have_arrived_is_marked() -> None:
    assert ends(BASES[1]) == ([("sent", 2, True), ("sent", 1, False)], "FAILED")


def test_a_run_that_was_archived_without_a_verdict_gets_none() -> None:
    assert ends(BASES[3]) == ([("sent", 2, False)], None)


def once_each(role: Role) -> list[ArchivePlan]:
    deaths = every_death(BASES[0], (role,))
    by_call = itertools.groupby(deaths, lambda plan: plan.deaths[0].point)
    return [ways[number % len(ways)] for number, ways in enumerate([*each] for _, each in by_call)]


@pytest.mark.parametrize("part", range(SLICES))
def test_sender_and_start_die_at_every_call_and_nothing_is_lost_or_doubled(part: int) -> None:
    """Each call once: the way of dying changes from call to call."""
    by_call = itertools.groupby(
        every_death(BASES[0]), lambda plan: (plan.deaths[0].role, plan.deaths[0].point)
    )
    plans = [ways[number % len(ways)] for number, ways in enumerate([*each] for _, each in by_call)]
    counts: Counter[str] = Counter()
    for plan in plans[part::SLICES]:
        play(plan, counts)

    assert counts["sender: kill"] > 0
    assert counts["sender: power"] > 0
    assert counts["start: kill"] + counts["start: power"] > 0


def test_long_histories_of_two_runs_keep_every_promise() -> None:
    for seed in range(SEEDS):
        play(drawn(seed))


def test_the_snapshot_of_an_archived_run_is_never_ahead_of_its_journal() -> None:
    """The watcher was killed between the write and the sync of its journal, and the power fails after the start."""
    watcher = RoleDeath(role="watcher", point=72, where="after")
    play(ArchivePlan(start_s=2.6, deaths=(watcher, RoleDeath(role="sender", point=0, kind="power"))))


def test_a_sender_is_found_after_a_power_cut_although_the_last_snapshot_was_old() -> None:
    for plan in itertools.islice(cut_saves(), 2, None, 10):
        play(plan)


def test_the_same_plan_is_the_same_history_and_leaves_no_thread() -> None:
    before = threading.active_count()
    first, again = play(drawn(7)), play(drawn(7))

    assert first.trace == again.trace
    assert threading.active_count() == before


@pytest.mark.parametrize("bug", SENDER_MUTANTS)
def test_a_bug_of_the_sender_put_in_by_hand_is_caught(bug: str) -> None:
    histories = itertools.chain(BASES, map(drawn, range(HUNTED)), cut_saves())
    with mutated(bug, SENDER_MUTANTS), pytest.raises(Failed) as failed:
        all(map(play, histories))

    assert "repeat: python -m tests.simulation --archive-plan '" in str(failed.value)
