"""The encoder of a run that is saved again and again: the same bytes as without it, and ended sub-runs only once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.core import facts as f, state_encoder
from atvm_pipeline.core.codec import decode_event, encode_state
from atvm_pipeline.core.events import BaselineRead, ScreenshotKept
from atvm_pipeline.core.history.baseline import EarlierSpec, History
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.core.state import Run
from atvm_pipeline.core.state_encoder import StateEncoder
from tests.support.run_builder import BEGIN, CYPRESS, RUNNER, Story, counts

GREEN = counts(4)
HISTORY = History(scenario="s", specs=(EarlierSpec(spec='"history": -0e00', run_id="r0", at=BEGIN),))


def save(encoder: StateEncoder, run: Run) -> bytes:
    return encoder.encode(encoder.state_of(run))


def test_every_state_of_a_recorded_run_has_the_bytes_of_the_codec(recorded: Path) -> None:
    encoder = StateEncoder()
    first, *rest = [decode_event(line) for line in (recorded / "journal.jsonl").read_bytes().splitlines()]
    run = begin_run(first).run  # type: ignore[arg-type]
    for event in rest:
        run = reduce(run, event).run

        assert save(encoder, run) == encode_state(state_file(run))


def steps() -> list[Callable[[Story], Any]]:
    """Return the steps of a run whose ended sub-runs change in every possible way."""

    def kept(story: Story) -> Story:
        offset = story.run.subruns[0].children[0].specs[0].offset
        return story.feed(
            ScreenshotKept(at=BEGIN, subrun=1, spec="a", spec_offset=offset, path="-0e00", kept="k")
        )

    return [
        lambda story: story.feed(BaselineRead(at=BEGIN, history=HISTORY)),
        lambda story: story.started().child(("-0e00.cy.ts", GREEN), label="\n  -0e00"),
        lambda story: story.tick(11),
        lambda story: story.settle("not-arrived"),
        lambda story: story.tick(2),
        lambda story: story.tick(6),
        lambda story: story.settle(),
        lambda story: story.log(f.SpecSummarised(offset=0, spec="late.cy.ts", mark="passed", counts=GREEN)),
        kept,
        lambda story: story.child(("b.cy.ts", GREEN)),
        lambda story: story.tick(11),
        lambda story: story.settle("sent", post_id="abc"),
        lambda story: story.end(),
    ]


def test_an_ended_sub_run_that_changes_is_encoded_again() -> None:
    encoder, story = StateEncoder(), Story(hosts=())
    for step in steps():
        step(story)

        assert save(encoder, story.run) == encode_state(state_file(story.run))


def test_a_sub_run_that_starts_after_the_verdict_of_the_run_is_only_among_the_facts() -> None:
    story = Story(hosts=(), stall_limit_s=100.0).started().processes(RUNNER, CYPRESS)
    story.child(("a.cy.ts", GREEN)).tick(101).begin_child(1)
    state = state_file(story.run)

    assert (len(state.subruns), len(state.facts.subruns)) == (1, 2)
    assert save(StateEncoder(), story.run) == encode_state(state)


def test_an_ended_sub_run_and_the_earlier_runs_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, story = StateEncoder(), Story(hosts=())
    for step in steps():
        step(story)
    save(encoder, story.run)
    encoded: list[object] = []
    real = state_encoder.encode_indented
    monkeypatch.setattr(
        state_encoder, "encode_indented", lambda value: (encoded.append(value), real(value))[1]
    )
    story.tick(5)
    first = encoder.state_of(story.run)
    save(encoder, story.run)

    assert len(encoded) == 1
    assert encoder.state_of(story.run).subruns[0] is first.subruns[0]


def test_sub_runs_beyond_the_limit_are_encoded_at_each_save(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_encoder, "KEPT_BYTES_MAX", 100)
    encoder, story = StateEncoder(), Story(hosts=())
    for step in steps():
        step(story)

        assert save(encoder, story.run) == encode_state(state_file(story.run))
    assert encoder._parts == {}


def test_a_run_without_sub_runs_is_encoded() -> None:
    story = Story(hosts=())

    assert save(StateEncoder(), story.run) == encode_state(state_file(story.run))
