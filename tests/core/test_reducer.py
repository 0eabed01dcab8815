"""The fold itself: identity of events, totality over every event, deadlines, and the content of the user's file."""

import msgspec
import pytest
from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.codec import decode_event, decode_state, encode_event, encode_state, encode_subrun
from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.events import ClockTicked, LogRead, LogReplaced, RunnerStarted
from atvm_pipeline.core.messages.outbox import request_post
from atvm_pipeline.core.phases import TERMINAL_PHASES, Phase
from atvm_pipeline.core.reasons import REASONS
from atvm_pipeline.core.reducer import next_deadline, reduce, replay
from atvm_pipeline.core.results import KIND_BY_DETAIL
from atvm_pipeline.core.snapshot import state_file, subrun_file
from atvm_pipeline.core.transitions import RUN_VERDICTS, SUBRUN_VERDICTS
from tests.support.run_builder import BEGIN, RUNNER, Story, counts

GREEN = counts(4)


def finished() -> Story:
    story = Story().started().child(("redhat9.6.cy.ts", GREEN), label="e2e-redhat9.6-fc").tick(11)
    story.settle()
    return story.child(("ubuntu24.04.cy.ts", GREEN), label="e2e-ubuntu24.04-fc").end(0).settle()


def test_replaying_a_history_has_the_same_state() -> None:
    story = finished()

    assert replay(story.events) == story.run


def test_a_history_must_start_with_the_request() -> None:
    with pytest.raises(ValueError, match="must start with run-requested"):
        replay([ClockTicked(at=BEGIN)])
    with pytest.raises(ValueError, match="empty"):
        replay([])


def test_an_event_that_was_applied_before_changes_nothing_and_requests_nothing() -> None:
    story = finished()

    for event in story.events:
        step = reduce(story.run, event)
        assert step.run == story.run
        assert step.effects == ()


def test_every_event_is_legal_after_the_end_and_changes_no_phase() -> None:
    ended = finished()
    before = ended.view

    for event in ended.events:
        after = reduce(ended.run, replace(event, seq=ended.run.seq + 1)).run
        assert after.verdict == ended.run.verdict
        assert [subrun.result for subrun in after.subruns] == [subrun.result for subrun in ended.run.subruns]
    assert before == ended.view


def test_the_watched_axis_never_runs_backwards() -> None:
    story = Story().tick(100)
    story.now_s = 5.0
    story.feed(RunnerStarted(at=BEGIN, pid=1, create_time=1.0))

    assert story.run.watched_s == 100.0


def test_a_log_that_was_read_before_changes_nothing() -> None:
    story = Story().started().begin_child(1)
    story.offset = 0
    story.log(f.ChildStarted(offset=0))

    assert len(story.run.subruns) == 1
    assert story.run.ignored == 1


def test_a_replaced_log_is_read_from_its_start() -> None:
    story = Story().started().begin_child(1)
    story.feed(LogReplaced(at=BEGIN, generation=1, why="truncated"))
    story.feed(LogReplaced(at=BEGIN, generation=1, why="truncated"))
    assert (story.run.log.generation, story.run.log.end, story.run.ignored) == (1, 0, 1)


def test_the_message_states_that_the_log_was_replaced() -> None:
    story = (
        Story(notes=("--categorize is in the request but not in the runner command.",))
        .started()
        .begin_child(1)
    )
    story.feed(LogReplaced(at=BEGIN, generation=1, why="truncated"))
    box = f.SpecReported(offset=0, spec="redhat9.6.cy.ts", counts=GREEN)
    story.feed(LogRead(at=BEGIN, generation=1, end=50, facts=(box,), scanner=ScannerState(offset=50)))
    totals = f.TotalsReported(offset=60, verdict="passed", counts=GREEN)
    story.feed(
        LogRead(
            at=BEGIN,
            generation=1,
            end=90,
            facts=(f.RunFinished(offset=55), totals),
            scanner=ScannerState(offset=90),
        )
    )
    story.tick(11)
    text = msgspec.json.decode(story.posts[0].payload)["text"]

    assert "truncated" in text
    assert "categorize" in text


def test_time_alone_changes_nothing_once_everything_has_ended() -> None:
    assert next_deadline(finished().run) is None


def test_a_second_end_is_only_counted() -> None:
    story = finished().exit(3).vanish()

    assert story.ending == ("COMPLETED", "all-passed")
    assert story.run.ignored == 2


def test_a_key_is_requested_once() -> None:
    story = finished()

    assert request_post(story.run, story.run.outbox[0].key, "subrun", "{}") == story.run


def test_state_and_journal_go_to_bytes_and_back() -> None:
    story = finished()
    state = state_file(story.run)

    assert decode_state(encode_state(state)) == story.run
    assert [decode_event(encode_event(event).rstrip()) for event in story.events] == story.events
    assert all(b'"run_id": "r1"' in encode_subrun(subrun_file(state, view)) for view in state.subruns)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"type":"no-such"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type":"clock-ticked","at":"2026-11-23"}',
    ],
)
def test_what_is_no_event_is_refused_in_one_line(line: bytes) -> None:
    with pytest.raises(DataError) as caught:
        decode_event(line)
    assert "\n" not in str(caught.value)


def test_a_line_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(DataError, match="the limit is"):
        decode_event(b"x" * (16 * 1024 * 1024 + 1))


@pytest.mark.parametrize("data", [b"", b"{}", b'{"schema":1}', b"\xff", b"[" * 100_000])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="state"):
        decode_state(data)


def test_a_state_of_a_newer_release_is_refused_with_a_hint() -> None:
    with pytest.raises(DataError, match="newer release"):
        decode_state(b'{"schema": 3}')


def test_every_reason_code_belongs_to_a_row_of_a_table() -> None:
    rows = {code for row in (*RUN_VERDICTS, *SUBRUN_VERDICTS) for code in row.codes}

    assert set(REASONS) - rows == {"running", "pending"}
    assert rows <= set(REASONS)
    assert {row.phase for row in RUN_VERDICTS} == TERMINAL_PHASES
    assert len(KIND_BY_DETAIL) == 7
    assert Phase.PENDING not in TERMINAL_PHASES


@pytest.mark.parametrize("sign", ["started", "exit", "processes", "noise"])
def test_any_sign_of_a_runner_ends_the_waiting_for_it(sign: str) -> None:
    story = Story()
    if sign == "processes":
        story.processes().processes(RUNNER)
    else:
        getattr(story, sign)()

    assert story.ending[0] == "RUNNING"


def test_an_empty_process_table_is_no_sign_of_a_runner() -> None:
    assert Story().processes().ending[0] == "PENDING"
