"""Inputs that once stopped the fold: log texts, journals of a later release, damaged snapshots. None may stop it again."""

from datetime import datetime

import msgspec
import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.codec import decode_state, encode_state
from atvm_pipeline.core.dialect import KEY_DOTS_MAX, read_dialect
from atvm_pipeline.core.errors import DataError, DialectError
from atvm_pipeline.core.events import ClockTicked, RunnerExited, WatcherStarted
from atvm_pipeline.core.facts import ErrorReported
from atvm_pipeline.core.reducer import reduce
from atvm_pipeline.core.snapshot import state_file
from tests.support.run_builder import Story, counts

SPEC = "redhat9.6.cy.ts"
CRASH = ErrorReported(
    offset=0, code="spec-crashed", scope="run", text="We detected that the Chrome process just crashed."
)


def test_a_crash_that_is_reported_while_no_spec_runs_is_a_failure_of_the_run() -> None:
    story = Story(categorized=False).started().log(CRASH).end(1)

    assert story.ending == ("FAILED", "spec-crashed")
    assert story.view.reason["text"].startswith(
        "The browser or its process crashed during the time between two specs."
    )


def test_an_error_of_a_later_release_is_quoted() -> None:
    error = ErrorReported(offset=0, code="license-expired", scope="run", text="Your licence has expired.")
    story = Story(categorized=False).started().log(error).end(1)

    assert story.ending == ("FAILED", "license-expired")
    assert story.view.reason["text"].startswith("Your licence has expired.")


def test_one_failed_spec_next_to_one_that_crashed_names_the_crash() -> None:
    story = Story(categorized=False).started().begin_child(1)
    story.log(f.SpecStarted(offset=0, spec=SPEC, position=1, total=1))
    story.log(
        ErrorReported(
            offset=0, code="browser-not-connected", scope="spec", text="The browser never connected."
        )
    )
    story.end(1)

    assert story.ending == ("FAILED", "browser-not-connected")


def test_a_snapshot_whose_sub_runs_are_out_of_order_is_invalid() -> None:
    state = state_file(Story().started().child((SPEC, counts(1)), label="x").run)
    first = state.facts.subruns[0]
    moved = msgspec.structs.replace(state.facts, subruns=(msgspec.structs.replace(first, index=7),))
    data = encode_state(msgspec.structs.replace(state, facts=moved))

    with pytest.raises(DataError, match="not numbered in order"):
        decode_state(data)


def test_a_snapshot_with_the_result_of_another_sub_run_is_invalid() -> None:
    story = Story().started().child((SPEC, counts(1)), label="x").tick(60)
    state = state_file(story.run)
    (first,) = state.facts.subruns
    assert first.result is not None
    result = msgspec.structs.replace(first.result, index=7)
    moved = msgspec.structs.replace(state.facts, subruns=(msgspec.structs.replace(first, result=result),))
    data = encode_state(msgspec.structs.replace(state, facts=moved))

    with pytest.raises(DataError, match="not numbered in order"):
        decode_state(data)


def test_specs_whose_total_a_snapshot_lost_still_have_a_ledger() -> None:
    state = state_file(Story(categorized=False, hosts=("redhat9.6",)).started().child((SPEC, counts(1))).run)
    data = encode_state(state).replace(b'"total": 1,', b'"total": null,')
    run = decode_state(data)

    assert run.subruns[0].children[0].specs[0].total is None
    assert state_file(run).ledger.planned == 1


def test_a_key_of_very_many_parts_is_refused_before_the_reader_of_toml_sees_it() -> None:
    with pytest.raises(DialectError, match="nested too deeply"):
        read_dialect("a." * (KEY_DOTS_MAX + 1) + "b = 1", "d.toml")
    with pytest.raises(DialectError, match="not a setting"):
        read_dialect("a." * KEY_DOTS_MAX + "b = 1", "d.toml")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("offset_s", [0, 2**31, -(2**31)])
def test_times_at_the_ends_of_the_calendar_are_printed_unchanged(at: str, offset_s: int) -> None:
    when = datetime.fromisoformat(at)
    story = Story(categorized=False, hosts=("redhat9.6",)).started()
    story.feed(WatcherStarted(at=when, pid=1, utc_offset_s=offset_s)).child((SPEC, counts(1)))
    story.report(SPEC, counts(1), mtime=when)
    run = msgspec.structs.replace(story.run, at=when)
    end = RunnerExited(seq=run.seq + 1, at=when, exit_code=0)
    run = reduce(reduce(run, end).run, ClockTicked(seq=run.seq + 2, at=when, watched_s=100.0)).run

    assert [post.outcome for post in run.outbox] == ["pending"]
    assert at[4:10] in run.outbox[0].payload
