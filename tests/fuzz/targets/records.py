"""The readers of all other files in a run's directory: the snapshot, the records, the output of commands about them.

Input: one byte that selects the reader, the file.
"""

import contextlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from atvm_pipeline.cli import explanation
from atvm_pipeline.cli.evidence_page import evidence_page
from atvm_pipeline.cli.run_page import run_page, state_page
from atvm_pipeline.cli.run_state import Call, show_run
from atvm_pipeline.cli.run_table import row_of, table
from atvm_pipeline.cli.views import print_json
from atvm_pipeline.core.codec import decode_event, decode_state, encode_state
from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.events import ClockTicked, LogRead, RunnerExited
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.state_dir.reader import phase_of, posts_pending, read_state
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    ExitRecord,
    MarkerRecord,
    Record,
    Request,
    RunnerRecord,
    WatcherRecord,
    read_record,
    write_record,
)
from tests.fuzz import checks, scratch, seeding

MAX_LEN = 64 * 1024
SHORT_RUNS = 200
KINDS: tuple[type[Record], ...] = (
    Request,
    WatcherRecord,
    RunnerRecord,
    ExitRecord,
    MarkerRecord,
    BaselineRecord,
)
STATE = len(KINDS)
VIEW = STATE + 1
WORDS = (
    *(
        b'"facts":{',
        b'"phase":"',
        b'"schema":1',
        b'"schema":2',
        b'"run_id":"r1"',
        b'"outcome":"pending"',
        b"null",
    ),
    *(
        b"1e400",
        b"18446744073709551616",
        b'"0001-01-01T00:00:00Z"',
        b'"evidence":[',
        b'"post":',
        b'"offset":-1',
    ),
)
AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def target(data: bytes) -> None:
    """The result is a value or the reader's documented error. A value can be written again, shown and continued."""
    kind, body = (data[0] % (VIEW + 1) if data else 0), data[1:]
    if kind == STATE:
        snapshot(body)
    elif kind == VIEW:
        view(body)
    else:
        record(KINDS[kind], body)


def record(kind: type[Record], body: bytes) -> None:
    """A record: None, or one that can be written and read again."""
    path = scratch.paths().request
    path.write_bytes(body)
    found = read_record(path, kind)
    if found is not None:
        write_record(path, found)
        assert read_record(path, kind, found.run_id) == found


def snapshot(body: bytes) -> None:
    """The facts of a snapshot: a run that can be saved, and that continues until its end."""
    try:
        run = decode_state(body)
    except DataError as error:
        checks.single_line(str(error))
        return
    assert decode_state(encode_state(state_file(run))) == run
    end = run.log.end + 1
    for event in (
        ClockTicked(at=AT, watched_s=run.watched_s),
        LogRead(
            at=AT,
            generation=run.log.generation,
            end=end,
            scanner=ScannerState(offset=end),
            watched_s=run.watched_s,
        ),
        RunnerExited(at=AT, exit_code=0, watched_s=run.watched_s),
        ClockTicked(at=AT, watched_s=run.watched_s + 1e6),
    ):
        run = reduce(run, msgspec.structs.replace(event, seq=run.seq + 1)).run
    assert decode_state(encode_state(state_file(run))) == run


def view(body: bytes) -> None:
    """The output of the read-only commands for a state contains nothing that a terminal obeys."""
    paths = scratch.paths()
    paths.state.write_bytes(body)
    phase_of(paths)
    try:
        state = read_state(paths)
    except DataError as error:
        checks.single_line(str(error))
        return
    assert state is not None
    posts_pending(state)
    seen, call = show_run(paths), Call(AT)
    shown = state_page(state, paths.build_name, 60)
    for columns in (None, 60):
        shown += [*run_page(seen, call, columns), *table([row_of(seen, call)], columns)]
    out = io.StringIO()
    out.buffer = io.BytesIO()  # type: ignore[attr-defined]
    with contextlib.redirect_stdout(out):
        found = explanation.explain(seen, call)
        print("\n".join(explanation.summary(found, 80)))
        print("\n".join(evidence_page(state, paths, found.concerns, 80)))
        print_json(explanation.as_data(found))
        print_json(state)
    for text in (*shown, out.getvalue()):
        for line in text.split("\n"):
            checks.harmless(line, 10**6)


mutate = seeding.mutate_document


def seeds() -> Iterator[bytes]:
    """Yield every recorded state in each form, and a record of each kind."""
    whole = b'{"schema":1,"build_name":"b","run_id":"r1",'
    at = b'"2026-11-23T10:00:00Z"'
    bodies = (
        b'"requested_at":%b,"workdir":"/w","log_path":"/l","artifacts_dir":"/a","environment":{"PATH":"/bin"},'
        b'"settings":{"settle_s":10.0},"notes":["n"]}' % at,
        b'"pid":1,"create_time":1.5,"started_at":%b,"ready_at":null}' % at,
        b'"pid":1,"create_time":1.5,"started_at":%b,"command_pid":2}' % at,
        b'"exit_code":1,"finished_at":%b,"survivors":[{"pid":1,"create_time":0.5}]}' % at,
        b'"who":"alice","requested_at":%b,"why":"x"}' % at,
        b'"files":{"a.xml":[1,2,3]}}',
    )
    for number, body in enumerate(bodies):
        yield bytes([number]) + whole + body
    for journal in seeding.journals():
        lines = journal.splitlines()
        for count in (len(lines), len(lines) * 2 // 3):
            run = begin_run(decode_event(lines[0])).run
            for line in lines[1:count]:
                run = reduce(run, decode_event(line)).run
            state = msgspec.json.encode(state_file(run))
            if len(state) < MAX_LEN:
                yield bytes([STATE]) + state
                yield bytes([VIEW]) + state
