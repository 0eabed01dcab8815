"""Watchers that die, with failing disks and jumping clocks: every promise holds in every history.

`python -m tests.simulation` plays more of them, and repeats a history that failed.
"""

import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

import pytest

from atvm_pipeline.core.codec import decode_event
from atvm_pipeline.core.reasons import REASONS
from tests.simulation import campaign, outcomes, plans
from tests.simulation.coverage import Coverage
from tests.simulation.driver import Failed, play, undisturbed
from tests.simulation.mutants import MUTANTS, SHOWN_BY, mutated
from tests.simulation.plans import Away, Death, Fault, Happening, Plan, drawn
from tests.simulation.stories import STORIES, TINY
from tests.support import descriptors
from tests.support.project import PROJECT

SLICES = 4
"""The exhaustive histories of one run are split into this many tests, so that they share the processors."""
SEEDS = 60
GATEWAY_STEP = 8
"""One gateway in this many is played with the histories that must reach everything; another test plays all of them."""


def _behind(answer: str, seconds: float, honesty: str) -> Plan:
    return Plan(story="tiny", away=Away(seconds=seconds, honesty=honesty, answers=(answer,)))


pytestmark = pytest.mark.timeout(600)


def played(histories: Iterable[Plan], coverage: Coverage | None = None) -> Coverage:
    """Play all of them; the first failure fails the test, with the command that repeats it."""
    coverage = coverage or Coverage()
    failed = campaign.run(histories, coverage)
    assert not failed, str(failed[0])
    return coverage


@pytest.mark.parametrize("story", STORIES)
def test_a_run_that_is_not_disturbed_ends_as_it_should(story: str) -> None:
    told = undisturbed(story)

    assert told.ending == STORIES[story].ending
    assert all((post.outcome, post.attempts, post.marked) == ("sent", 1, False) for post in told.run.outbox)


def test_the_runs_give_every_reason_code_but_that_of_a_reboot() -> None:
    assert {story.ending[1] for story in STORIES.values()} == set(REASONS) - {
        "host-rebooted",
        "running",
        "pending",
    }


def test_everything_that_must_be_reached_is_reached_and_every_promise_holds() -> None:
    coverage = Coverage()
    played(campaign.covering(coverage, gateway_step=GATEWAY_STEP), coverage)

    assert coverage.missing() == []


@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("story", TINY)
def test_a_small_run_survives_every_death_at_every_point(story: str, part: int) -> None:
    points = {story: undisturbed(story).points}
    histories = list(plans.small(points))

    assert len(histories) > 3 * len(points[story])
    played(histories[part::SLICES])


@pytest.mark.parametrize("part", range(SLICES))
def test_long_histories_of_many_disturbances_keep_every_promise(part: int) -> None:
    played(drawn(seed) for seed in range(part, SEEDS, SLICES))


def test_no_history_leaves_a_file_open() -> None:
    """Neither a history that ends, nor one that breaks a promise midway, leaves descriptors open."""
    before = descriptors.names()
    played(drawn(seed) for seed in range(SEEDS, SEEDS + 20))
    with mutated("syncs nothing"), pytest.raises(Failed):
        play(Plan(story="tiny", seed=1), Coverage())

    assert descriptors.names() - before == Counter()


def test_the_same_seed_is_the_same_history() -> None:
    first, again = play(drawn(7), Coverage()), play(drawn(7), Coverage())

    assert first.trace == again.trace
    assert first.server.requests == again.server.requests


def test_a_seed_is_the_same_history_in_another_process() -> None:
    told = []
    for seed in ("1", "2"):
        call = [sys.executable, "-m", "tests.simulation", "--seed", "11"]
        environ = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(call, cwd=PROJECT, env=environ, capture_output=True, text=True, check=True)
        told.append(done.stdout)

    assert told[0] == told[1]
    assert "watcher 0 starts" in told[0]


@pytest.mark.parametrize("bug", MUTANTS)
def test_a_bug_put_in_by_hand_is_caught(bug: str) -> None:
    for story in STORIES:
        undisturbed(story)
    coverage = Coverage()
    with mutated(bug):
        shown = drawn(SHOWN_BY.get(bug, 0))
        failed = campaign.run(
            itertools.chain([shown], campaign.seeds(0, SEEDS - 1), plans.stories()), coverage
        )

    assert failed, f"{coverage.histories} histories have not shown that the watcher {bug}"
    assert "repeat: python -m tests.simulation --plan '" in str(failed[0])


def test_a_sync_that_failed_does_not_count_when_it_is_repeated() -> None:
    """Linux drops data that it could not write: the second sync succeeds, and the event is not on disk."""
    points = undisturbed("tiny").points
    syncs = [point.number for point in points if point.name == "journal fdatasync"]
    for number in syncs:
        fault = Fault(point=number, error="EIO")
        played([Plan(story="tiny", faults=(fault,), deaths=(Death(point=number + 20, kind="power"),))])


def test_a_pid_that_is_used_again_at_once_is_another_process() -> None:
    """The exit coincides with the start of Cypress, and at the same moment another program gets its pid."""
    late = Fault(point=15, error="ENOSPC")
    pulls = (Happening(point=31, what="pull"), Happening(point=41, what="pull"))
    played([Plan(story="printed-00-no-specs-found", seed=468, faults=(late,), happenings=pulls, reuse=True)])


def test_a_cancel_at_any_point_ends_in_one_of_two_ways() -> None:
    for point in undisturbed("tiny-groups").points[::5]:
        cancel = Happening(point=point.number, what="cancel")
        told = play(Plan(story="tiny-groups", happenings=(cancel,)), Coverage())

        assert told.ending in (("CANCELLED", "cancel-requested"), ("FAILED", "tests-failed"))
        assert (told.run.cancel is not None) == (told.ending[0] == "CANCELLED")


def test_a_failure_is_reported_with_the_command_that_repeats_it() -> None:
    with mutated("syncs nothing"), pytest.raises(Failed) as failed:
        play(Plan(story="tiny", seed=1), Coverage())

    command = str(failed.value).splitlines()[-1]
    assert command == """repeat: python -m tests.simulation --plan '{"story":"tiny","seed":1}'"""


def test_the_journals_of_the_simulator_are_real_ones() -> None:
    told = undisturbed("tiny")

    assert told.run.seq > 5
    assert decode_event(told.journal.splitlines()[0]).run_id == told.run.request.run_id


@pytest.mark.parametrize("part", range(SLICES))
def test_a_server_that_is_back_in_time_gets_every_message_through_any_gateway(part: int) -> None:
    played(itertools.islice(plans.gateways(), part, None, SLICES))


@pytest.mark.parametrize(
    ("plan", "row"),
    [
        (Plan(story="tiny", deliveries=("timeout-stored",)), ("once", "", "sent", 1, 1, 1)),
        (Plan(story="tiny", forever="reset-lost"), ("always", "", "uncertain", 1, 0, 0)),
        (Plan(story="tiny", deliveries=("refused-404",)), ("once", "", "rejected", 0, 0, 0)),
        (_behind("gateway-502-instead", 20.0, "truthful"), ("20 s", "true", "sent", 1, 0, 1)),
        (_behind("gateway-502-after", 20.0, "lying"), ("20 s", "200 all the time or 404", "sent", 2, 1, 2)),
        (
            _behind("gateway-503-before", 86400.0, "missing"),
            ("24 h", "200 all the time or 404", "sent", 6, 1, 6),
        ),
    ],
    ids=lambda value: value.command if isinstance(value, Plan) else value[0],
)
def test_the_documented_table_of_servers_states_what_a_reader_sees(
    plan: Plan, row: tuple[object, ...]
) -> None:
    name = plan.away.answers[0] if plan.away is not None else (*plan.deliveries, plan.forever)[0]
    text = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    (line,) = [
        line
        for line in text.splitlines()
        if str(name) in line.partition(" | ")[0] and line.endswith(f"| {' | '.join(map(str, row))} |")
    ]

    assert outcomes.end_of(plan) == row[2:]
    assert line
