"""The reader of journals, and the fold of every event that it accepts."""

from collections.abc import Iterator
from zlib import crc32

from atvm_pipeline.core.codec import decode_event, decode_state, encode_event, encode_state
from atvm_pipeline.core.errors import DataError, NewerFormatError
from atvm_pipeline.core.events import Event, RunRequested
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.reducer import begin_run, phase_of, reduce, replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.state_dir.store import load, read_journal
from tests.fuzz import checks, scratch, seeding

MAX_LEN = 48 * 1024
SHORT_RUNS = 200
WORDS = (
    *(
        b'"type":"',
        b'"seq":',
        b'"at":"',
        b'"watched_s":',
        b'"fact":"',
        b'"offset":',
        b"\n",
        b"{}",
        b"null",
        b"1e400",
    ),
    *(
        b"18446744073709551616",
        b'"0001-01-01T00:00:00Z"',
        b'"utc_offset_s":86400',
        b'"end":',
        b'"final":true',
    ),
)


def target(data: bytes) -> None:
    """Only complete lines are events, each is written as it was read, and the fold of them can be saved and loaded."""
    events = read(data)
    for event in events:
        assert decode_event(encode_event(event)) == event
    cut = crc32(data) % (len(data) + 1)
    read(data[:cut])
    if events and isinstance(events[0], RunRequested):
        fold(events)
        reload(data, events)


def read(data: bytes) -> list[Event]:
    """Read a journal with these bytes, and compare the result with its lines one by one."""
    path = scratch.paths().journal
    path.write_bytes(data)
    try:
        expected = list(whole_events(data))
    except NewerFormatError:
        expected = None
    try:
        found = read_journal(path)
    except NewerFormatError:
        assert expected is None
        return []
    assert found.events == expected
    assert 0 <= found.length <= len(data)
    assert data[: found.length].endswith(b"\n") or found.length == 0
    return found.events


def whole_events(data: bytes) -> Iterator[Event]:
    """Yield the events of all lines that were written to their end."""
    for line in data.split(b"\n")[:-1]:
        try:
            yield decode_event(line)
        except NewerFormatError:
            raise
        except DataError as error:
            checks.single_line(str(error))


def fold(events: list[Event]) -> None:
    """A run that is saved and loaded in the middle, or that gets every event twice, stays the same. A final phase is kept."""
    first, *rest = events
    assert isinstance(first, RunRequested)
    run, ended = begin_run(first).run, None
    for at, event in enumerate(rest):
        if at == len(rest) // 2:
            run = decode_state(encode_state(state_file(run)))
        run = reduce(run, event).run
        assert reduce(run, event).run == run
        phase = phase_of(run)
        assert ended in (None, phase)
        ended = phase if phase in TERMINAL_PHASES else None
    assert run == replay(events)
    checks.run(run)


def reload(data: bytes, events: list[Event]) -> None:
    """A restart finds the run of the journal, or reports why it does not."""
    paths = scratch.paths()
    paths.journal.write_bytes(data)
    first = events[0]
    assert isinstance(first, RunRequested)
    try:
        found = load(paths, first.run_id).run
    except DataError:
        return
    assert found == replay(events)


mutate = seeding.mutate_lines


def seeds() -> Iterator[bytes]:
    """Yield every recorded journal, cut to a maximum size, and its first lines."""
    for journal in seeding.journals():
        yield journal[:MAX_LEN]
        yield b"\n".join(journal.split(b"\n")[:6]) + b"\n"
