"""Bytes of the journal and of the snapshots: encoders, decoders, schema versions.

Equal values have equal bytes. The bytes contain no terminal control characters, because people read these files.
Unreadable data raises DataError with one line that states the reason.
"""

import msgspec
from msgspec.structs import replace

from .errors import DataError, NewerFormatError
from .events import SCHEMA, Event, RunRequested
from .results import SubRunResult
from .scenario import scenario_of
from .signature import signature_of
from .snapshot import Snapshot, StateFile, SubRunFile
from .state import Run
from .text import escape_json, one_line

LINE_MAX_BYTES = 16 * 1024 * 1024
"""Limit for one event; a report of 1000 specs, or a block of facts, is far smaller."""

_EVENT_ENCODER = msgspec.json.Encoder(order="deterministic")
_EVENT_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_STATE_DECODER = msgspec.json.Decoder(StateFile)


class _Head(msgspec.Struct):
    """The part of a file that shows whether the rest can be understood."""

    schema: int = 1
    release: str | None = None


class _EventHead(msgspec.Struct):
    """The fields of every event of any release: a line that has them was neither torn nor overwritten."""

    type: str
    at: str
    schema: int = 1
    release: str | None = None


def encode_event(event: Event) -> bytes:
    """Return one journal line, including its newline."""
    return escape_json(_EVENT_ENCODER.encode(event)) + b"\n"


def decode_event(line: bytes) -> Event:
    """Return the event of one journal line; raise DataError.

    A complete event in a form that this program does not know raises NewerFormatError.
    """
    if len(line) > LINE_MAX_BYTES:
        raise DataError(f"a journal line has {len(line)} bytes; the limit is {LINE_MAX_BYTES}")
    try:
        event = _EVENT_DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_event(line, error) from error
    if isinstance(event, RunRequested):
        # The struct cannot show that the line has no schema, which means schema 1.
        head = msgspec.json.decode(line, type=_EventHead)
        if head.schema > SCHEMA:
            raise _newer("journal", head)
        return _upgraded(event, head.schema)
    return event


def _upgraded(request: RunRequested, schema: int) -> RunRequested:
    """Return the request in the present form. It is the only event whose new fields follow from its old ones."""
    if schema == SCHEMA:
        return request
    metadata = request.metadata
    scenario = scenario_of(
        request.build_name,
        request.requested_hosts,
        template=metadata.template,
        config_family=metadata.config_family,
    )
    return replace(request, schema=SCHEMA, scenario=scenario)


def _no_event(line: bytes, error: Exception) -> DataError:
    """Return why a line is not an event: damaged, or of a later release, whose journal must not be taken for damaged."""
    try:
        head = msgspec.json.decode(line, type=_EventHead)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return DataError(f"not an event: {error}")
    if head.schema > SCHEMA:
        return _newer("journal", head)
    return NewerFormatError(f"an event of another release ({error}): use the release that wrote it")


def _newer(what: str, head: _Head | _EventHead) -> NewerFormatError:
    use = "the newer release" if head.release is None else f"release {one_line(head.release, 200)}"
    return NewerFormatError(
        f"the {what} has schema {head.schema}, this program reads up to {SCHEMA}: use {use}"
    )


def encode_state(state: Snapshot) -> bytes:
    """Return the bytes of `state.json`: indented, for people, and the same for the same state."""
    return encode_indented(state)


def encode_indented(value: object) -> bytes:
    """Return JSON for people: indented, with a newline at its end."""
    return msgspec.json.format(escape_json(_EVENT_ENCODER.encode(value)), indent=1) + b"\n"


def encode_subrun(subrun: SubRunFile) -> bytes:
    """Return the bytes of `subruns/<NNN>.json`."""
    return encode_indented(subrun)


def decode_state(data: bytes) -> Run:
    """Return the facts in a `state.json`; raise DataError, or NewerFormatError for a file of a newer schema."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.schema > SCHEMA:
            raise _newer("state.json", head)
        return _in_order(_upgraded_run(_STATE_DECODER.decode(data).facts, head.schema))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not a state.json: {error}") from error


def _upgraded_run(run: Run, schema: int) -> Run:
    """Return the facts of a snapshot in the present form, with the public form of the verdicts that it recorded."""
    if schema == SCHEMA:
        return run
    subruns = tuple(
        subrun if subrun.result is None else replace(subrun, result=_upgraded_result(subrun.result))
        for subrun in run.subruns
    )
    return replace(run, request=_upgraded(run.request, schema), subruns=subruns)


def _upgraded_result(result: SubRunResult) -> SubRunResult:
    specs = tuple(
        replace(
            spec,
            flaky_tests=spec.flaky,
            failures=tuple(
                replace(failure, signature=signature_of(failure.error)) for failure in spec.failures
            ),
        )
        for spec in result.specs
    )
    return replace(result, specs=specs)


def _in_order(run: Run) -> Run:
    """Return the run; raise DataError if its sub-runs and their results are not numbered by position.

    The reducer relies on these numbers.
    """
    if any(
        subrun.index != at or (subrun.result is not None and subrun.result.index != at)
        for at, subrun in enumerate(run.subruns, 1)
    ):
        raise DataError("not a state.json: its sub-runs are not numbered in order")
    return run
