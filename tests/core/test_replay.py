"""Every recorded run, four ways: golden, reloaded at every event, every event doubled, and as a live run (test_live).

If the golden test fails, run `pytest --rewrite tests/core/test_replay.py` and inspect the diff. Only commit the changes
if you understand their cause and want them.
"""

from pathlib import Path

import msgspec

from atvm_pipeline.core.codec import decode_event, decode_state, encode_event, encode_state
from atvm_pipeline.core.effects import Effect
from atvm_pipeline.core.events import Event, RunRequested
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.reducer import begin_run, is_finished, phase_of, reduce
from atvm_pipeline.core.snapshot import snapshot, state_file
from atvm_pipeline.core.state import Run


def read(recorded: Path) -> list[Event]:
    return [decode_event(line) for line in (recorded / "journal.jsonl").read_bytes().splitlines()]


def fold(events: list[Event]) -> tuple[Run, list[Effect]]:
    first, *rest = events
    assert isinstance(first, RunRequested)
    run = begin_run(first).run
    effects: list[Effect] = []
    for event in rest:
        step = reduce(run, event)
        run = step.run
        effects.extend(step.effects)
    return run, effects


def test_a_recorded_run_has_the_recorded_state_and_effects(recorded: Path, *, rewrite: bool) -> None:
    run, effects = fold(read(recorded))
    state = encode_state(snapshot(run))
    asked = b"".join(msgspec.json.encode(effect, order="deterministic") + b"\n" for effect in effects)
    if rewrite:
        (recorded / "state.json").write_bytes(state)
        (recorded / "effects.jsonl").write_bytes(asked)

    assert (recorded / "state.json").read_bytes() == state
    assert (recorded / "effects.jsonl").read_bytes() == asked
    assert (recorded / "ABOUT").read_text().strip()


def test_a_recorded_run_cut_and_reloaded_at_every_event_ends_the_same(recorded: Path) -> None:
    events = read(recorded)
    whole, effects = fold(events)
    run = begin_run(events[0]).run
    asked: list[Effect] = []
    for event in events[1:]:
        reloaded = decode_state(encode_state(state_file(run)))
        assert reloaded == run
        step = reduce(reloaded, decode_event(encode_event(event).rstrip()))
        run = step.run
        asked.extend(step.effects)

    assert encode_state(state_file(run)) == encode_state(state_file(whole))
    assert asked == effects


def test_a_recorded_run_with_every_event_doubled_changes_nothing(recorded: Path) -> None:
    events = read(recorded)
    whole, effects = fold(events)
    twice, asked = fold([events[0], *(event for event in events for _ in range(2))])

    assert encode_state(state_file(twice)) == encode_state(state_file(whole))
    assert asked == effects


def test_every_kind_of_event_in_a_recorded_run_was_consumed(recorded: Path) -> None:
    first, *rest = read(recorded)
    run = begin_run(first).run
    kinds: dict[str, bool] = {}
    for event in rest:
        after = reduce(run, event).run
        idle = msgspec.structs.replace(run, seq=after.seq, at=after.at, watched_s=after.watched_s)
        tag = event.__struct_config__.tag
        kinds[tag] = kinds.get(tag, False) or after != idle
        run = after

    assert [tag for tag, consumed in kinds.items() if not consumed] == []


def test_a_terminal_phase_is_never_left_and_a_ledger_always_balances(recorded: Path) -> None:
    first, *rest = read(recorded)
    run = begin_run(first).run
    ended = None
    for event in rest:
        run = reduce(run, event).run
        phase = phase_of(run)
        assert ended in (None, phase)
        ended = phase if phase in TERMINAL_PHASES else None
        view = snapshot(run)
        for ledger in (view.ledger, *(subrun.ledger for subrun in view.subruns)):
            parts = (
                ledger.passed,
                ledger.failed,
                ledger.pending,
                ledger.skipped,
                ledger.crashed,
                ledger.not_run,
            )
            assert ledger.planned == sum(parts) + ledger.no_report

    assert ended is not None
    assert is_finished(run)
