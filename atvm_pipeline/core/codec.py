"""Bytes of the journal and of the snapshots: encoders, decoders, schema versions.

The same value gives the same bytes.  What cannot be read raises DataError with one line that says why.
"""

import msgspec

from .errors import DataError
from .events import Event
from .snapshot import SCHEMA, Snapshot, StateFile, SubRunFile
from .state import Run

LINE_MAX_BYTES = 16 * 1024 * 1024
"""One event: a report of 1000 specs, or a block of facts, stays far below."""

_EVENT_ENCODER = msgspec.json.Encoder(order="deterministic")
_EVENT_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_STATE_DECODER = msgspec.json.Decoder(StateFile)


class _Head(msgspec.Struct):
    """The part of a file that says whether the rest can be understood."""

    schema: int = 1


def encode_event(event: Event) -> bytes:
    """One journal line, its newline included."""
    return _EVENT_ENCODER.encode(event) + b"\n"


def decode_event(line: bytes) -> Event:
    """One journal line.  Raises DataError."""
    if len(line) > LINE_MAX_BYTES:
        raise DataError(f"a journal line has {len(line)} bytes; the most is {LINE_MAX_BYTES}")
    try:
        return _EVENT_DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not an event: {error}") from error


def encode_state(state: Snapshot) -> bytes:
    """`state.json`: indented, for people, the same bytes for the same state."""
    return msgspec.json.format(_EVENT_ENCODER.encode(state), indent=1) + b"\n"


def encode_subrun(subrun: SubRunFile) -> bytes:
    """`subruns/<NNN>.json`."""
    return msgspec.json.format(_EVENT_ENCODER.encode(subrun), indent=1) + b"\n"


def decode_state(data: bytes) -> Run:
    """The facts in a `state.json`.  Raises DataError, also for a file of a newer schema."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.schema > SCHEMA:
            raise DataError(
                f"state.json has schema {head.schema}, this program reads up to {SCHEMA}: use the newer release"
            )
        return _STATE_DECODER.decode(data).facts
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not a state.json: {error}") from error
