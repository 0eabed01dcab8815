"""Formats on disk: files of earlier releases stay readable; files of later releases are distinguished from torn files."""

import json
from typing import get_args

import pytest

from atvm_pipeline.core.codec import LINE_MAX_BYTES, decode_event, decode_state, encode_event, encode_state
from atvm_pipeline.core.errors import DataError, NewerFormatError
from atvm_pipeline.core.events import SCHEMA, Event, RunRequested
from atvm_pipeline.core.reducer import phase_of, reduce, replay
from atvm_pipeline.core.snapshot import snapshot, state_file
from atvm_pipeline.core.state import Run
from tests.support.project import PROJECT

SCHEMA_1 = PROJECT / "fixtures" / "schema-1"
"""Frozen: these files are never rewritten."""
LAST = SCHEMA_1 / "last"
LINES = (SCHEMA_1 / "events.jsonl").read_bytes().splitlines(keepends=True)
LINES_2 = (PROJECT / "fixtures" / "schema-2" / "events.jsonl").read_bytes().splitlines(keepends=True)
NEW_IN_2 = {
    *(
        "baseline",
        "provenance",
        "forecast-made",
        "screenshot-kept",
        "history-recorded",
        "post-searched",
        "write-refused",
    ),
}
REQUEST = (SCHEMA_1 / "journal.jsonl").read_bytes().splitlines(keepends=True)[0]


def told(run: Run) -> dict[str, object]:
    """Return the data that an old file must yield, under keys that no later schema changes."""
    return {
        "seq": run.seq,
        "phase": phase_of(run).value,
        "log_end": run.log.end,
        "subruns": [None if subrun.result is None else subrun.result.phase for subrun in run.subruns],
        "outbox": [[post.key, post.outcome, post.attempts] for post in run.outbox],
    }


def test_a_journal_of_schema_1_has_the_same_result() -> None:
    lines = (SCHEMA_1 / "journal.jsonl").read_bytes().splitlines(keepends=True)
    run = replay([decode_event(line) for line in lines])

    assert told(run) == json.loads((SCHEMA_1 / "told.json").read_text())["journal.jsonl"]


def test_a_state_of_schema_1_has_the_same_result() -> None:
    run = decode_state((SCHEMA_1 / "state.json").read_bytes())

    assert told(run) == json.loads((SCHEMA_1 / "told.json").read_text())["state.json"]


@pytest.mark.parametrize("name", ["journal.jsonl", "state-27.json"])
def test_files_of_the_last_release_of_schema_1_give_what_they_returned(name: str) -> None:
    data = (LAST / name).read_bytes()
    if name == "journal.jsonl":
        run = replay([decode_event(line) for line in data.splitlines()])
    else:
        run = decode_state(data)

    assert told(run) == json.loads((LAST / "told.json").read_text())[name]


def test_a_state_of_schema_1_and_the_rest_of_its_journal_end_like_the_journal_alone() -> None:
    events = [decode_event(line) for line in (LAST / "journal.jsonl").read_bytes().splitlines()]
    run = decode_state((LAST / "state-27.json").read_bytes())
    for event in events:
        run = reduce(run, event).run

    assert told(run) == told(replay(events))
    assert run.request == events[0]


def test_a_journal_of_schema_1_is_upgraded_on_reading_and_saved_in_the_present_form() -> None:
    run = replay([decode_event(line) for line in (LAST / "journal.jsonl").read_bytes().splitlines()])

    assert run.request.schema == SCHEMA
    assert run.request.scenario == "cmc-e2e/gold/fc"
    assert snapshot(run).schema == SCHEMA
    assert snapshot(run).scenario == "cmc-e2e/gold/fc"
    assert decode_state(encode_state(state_file(run))) == run


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["type"])
def test_an_event_of_schema_1_is_read_completely(line: bytes) -> None:
    event = decode_event(line)
    more = {"schema": SCHEMA, "scenario": "cmc-e2e/gold/fc"} if isinstance(event, RunRequested) else {}

    assert json.loads(encode_event(event)) == json.loads(line) | more


def test_a_request_of_the_present_schema_is_read_as_it_was_written() -> None:
    request = decode_event(REQUEST)
    written = encode_event(request)

    assert json.loads(written)["schema"] == SCHEMA
    assert decode_event(written) == request


def test_each_kind_of_event_was_kept_as_schema_1_wrote_it() -> None:
    kept = {json.loads(line)["type"] for line in LINES}

    assert kept == {kind.__struct_config__.tag for kind in get_args(Event)} - NEW_IN_2


@pytest.mark.parametrize("line", LINES_2, ids=lambda line: json.loads(line)["type"])
def test_an_event_of_schema_2_is_read_completely(line: bytes) -> None:
    assert encode_event(decode_event(line)) == line


def test_each_kind_of_event_was_kept_as_schema_2_wrote_it() -> None:
    kept = {json.loads(line)["type"] for line in LINES_2}

    assert kept == {kind.__struct_config__.tag for kind in get_args(Event)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param(REQUEST.replace(b"{", b'{"schema":3,', 1), "schema 3", id="the request has it"),
        pytest.param(
            b'{"type":"run-asked-for","at":"2026-11-24T22:43:00Z","schema":7}',
            "schema 7",
            id="and more differs",
        ),
        pytest.param(
            REQUEST.replace(b"{", b'{"schema":3,"release":"/opt/releases/9.0\\u001b[1m","more":1,', 1),
            "use release /opt/releases/9.0 [1m",
            id="and its release is named",
        ),
        pytest.param(
            b'{"type":"host-woken","at":"2026-11-24T22:43:00Z","seq":5}', "another release", id="a new kind"
        ),
        pytest.param(
            b'{"type":"clock-ticked","at":"2026-11-24T22:43:00Z","why":"x"}',
            "another release",
            id="a new field",
        ),
    ],
)
def test_a_complete_event_that_is_not_known_is_of_another_release(line: bytes, words: str) -> None:
    with pytest.raises(NewerFormatError) as refusal:
        decode_event(line)

    assert words in str(refusal.value)
    assert "release" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"\x00" * 100,
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        REQUEST[:-9],
        LINES[0][: len(LINES[0]) // 2] + LINES[1],
        b"x" * (LINE_MAX_BYTES + 1),
    ],
    ids=range(10),
)
def test_what_was_torn_or_overwritten_is_no_event_and_of_no_release(line: bytes) -> None:
    with pytest.raises(DataError) as refusal:
        decode_event(line)

    assert type(refusal.value) is DataError


def test_a_state_of_a_newer_schema_is_named_as_one() -> None:
    data = (SCHEMA_1 / "state.json").read_bytes()
    with pytest.raises(NewerFormatError, match="schema 3, this program reads up to 2: use the newer release"):
        decode_state(data.replace(b'"schema": 1', b'"schema": 3', 1))
    with pytest.raises(NewerFormatError, match="use release /opt/9"):
        decode_state(data.replace(b'"schema": 1', b'"schema": 3, "release": "/opt/9"', 1))


def test_a_state_whose_sub_runs_are_out_of_order_is_invalid() -> None:
    data = (SCHEMA_1 / "state.json").read_bytes()
    facts = data.index(b'"facts"')
    broken = data[:facts] + data[facts:].replace(b'"index": 1', b'"index": 9', 1)
    with pytest.raises(DataError, match="in order"):
        decode_state(broken)
