"""A recorded run as files: the lines of its journal, their fold, and the files that a watcher left."""

from pathlib import Path

from atvm_pipeline.core.codec import decode_event, encode_state
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import Paths
from tests.support.project import PROJECT

LINES = (PROJECT / "fixtures" / "schema-1" / "journal.jsonl").read_bytes().splitlines(keepends=True)
EVENTS = [decode_event(line) for line in LINES]
RUN_ID = EVENTS[0].run_id
MIDDLE = 20
"""The number of lines that an older snapshot knows."""


def folded(count: int) -> Run:
    return replay(EVENTS[:count])


END = folded(len(EVENTS))
WHOLE = b"".join(LINES)


def lay(paths: Paths, journal: bytes | None, known: int | None) -> None:
    """Write a journal, and the snapshot of its first `known` events."""
    if journal is not None:
        paths.journal.write_bytes(journal)
    if known is not None:
        paths.state.write_bytes(encode_state(state_file(folded(known))))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
