"""A plain loop for comparison with the watcher: polls once a second, with the same promise (synced, then shown).

`python -m tests.bench.poller LOG ARTIFACTS EXIT_RECORD STATE`: the loop appends everything new to a journal
next to STATE, syncs the journal, and then replaces STATE by one JSON object that shows how far the loop has
got.
"""

import json
import os
import sys
import time
from pathlib import Path

EVERY_S = 1.0


def main(log: Path, artifacts: Path, exit_record: Path, state: Path) -> None:
    """Poll once a second, without end."""
    journal = os.open(state.with_name("journal"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    seen: dict[str, object] = {}
    offset = 0
    while True:
        offset += len(_new(log, offset))
        found = {
            "log": offset,
            "reports": {path.name: path.stat().st_size for path in artifacts.glob("*.xml")},
            "over": exit_record.exists(),
        }
        if found != seen:
            seen = found
            data = json.dumps(found).encode() + b"\n"
            os.write(journal, data)
            os.fdatasync(journal)
            temporary = state.with_suffix(".tmp")
            temporary.write_bytes(data)
            temporary.replace(state)
        time.sleep(EVERY_S)


def _new(log: Path, offset: int) -> bytes:
    if not log.exists() or log.stat().st_size <= offset:
        return b""
    with log.open("rb") as file:
        file.seek(offset)
        return file.read()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]))
