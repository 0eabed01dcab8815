"""Formats on disk: files of earlier releases stay readable; files of later releases are distinguished from torn files."""

import json
from typing import get_args

import pytest

from atvm_pipeline.core.codec import LINE_MAX_BYTES, decode_event, decode_state, encode_event
from atvm_pipeline.core.errors import DataError, NewerFormatError
from atvm_pipeline.core.events import Event
from atvm_pipeline.core.reducer import phase_of, replay
from atvm_pipeline.core.state import Run
from tests.support.project import PROJECT

SCHEMA_1 = PROJECT / "fixtures" / "schema-1"
"""Frozen: these files are never rewritten."""
LINES = (SCHEMA_1 / "events.jsonl").read_bytes().splitlines(keepends=True)
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


def test_a_journal_of_schema_1_gives_what_it_gave() -> None:
    lines = (SCHEMA_1 / "journal.jsonl").read_bytes().splitlines(keepends=True)
    run = replay([decode_event(line) for line in lines])

    assert told(run) == json.loads((SCHEMA_1 / "told.json").read_text())["journal.jsonl"]


def test_a_state_of_schema_1_gives_what_it_gave() -> None:
    run = decode_state((SCHEMA_1 / "state.json").read_bytes())

    assert told(run) == json.loads((SCHEMA_1 / "told.json").read_text())["state.json"]


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["type"])
def test_an_event_of_schema_1_is_read_whole(line: bytes) -> None:
    assert json.loads(encode_event(decode_event(line))) == json.loads(line)


def test_each_kind_of_event_was_kept_as_schema_1_wrote_it() -> None:
    kept = {json.loads(line)["type"] for line in LINES}

    assert kept == {kind.__struct_config__.tag for kind in get_args(Event)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param(REQUEST.replace(b"{", b'{"schema":2,', 1), "schema 2", id="the request says so"),
        pytest.param(
            b'{"type":"run-asked-for","at":"2026-11-24T22:43:00Z","schema":7}',
            "schema 7",
            id="and more differs",
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
def test_a_whole_event_that_is_not_known_is_of_another_release(line: bytes, words: str) -> None:
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
    with pytest.raises(NewerFormatError, match="schema 2"):
        decode_state((SCHEMA_1 / "state.json").read_bytes().replace(b'"schema": 1', b'"schema": 2', 1))


def test_a_state_whose_sub_runs_are_out_of_order_is_none() -> None:
    data = (SCHEMA_1 / "state.json").read_bytes()
    facts = data.index(b'"facts"')
    broken = data[:facts] + data[facts:].replace(b'"index": 1', b'"index": 9', 1)
    with pytest.raises(DataError, match="in order"):
        decode_state(broken)
