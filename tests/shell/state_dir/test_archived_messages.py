"""Messages of archived runs that were not sent, as `status`, `doctor` and the sweep find them."""

import json
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.shell.state_dir.archived_messages import archived_messages
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.system.files import locked

STATE: dict[str, Any] = {
    "build_name": "b",
    "run_id": "r",
    "phase": "COMPLETED",
    "reason": {"code": "all-passed", "text": "", "evidence": []},
    "ledger": {"planned": 1},
    "post": None,
    "subruns": [],
}


def lay(root: Path, build: str, time: str, *, indent: int | None = 1, **more: Any) -> Paths:
    paths = Paths(root, build, root / ".archive" / build / time)
    paths.folder.mkdir(parents=True)
    paths.state.write_text(json.dumps({**STATE, **more}, indent=indent))
    return paths


@pytest.mark.parametrize("indent", [None, 1])
def test_only_runs_with_a_message_that_was_not_sent_are_found(tmp_path: Path, indent: int | None) -> None:
    lay(tmp_path, "b", "1", post={"outcome": "sent"}, indent=indent)
    lay(tmp_path, "b", "2", post={"outcome": "pending", "detail": "refused"}, indent=indent)
    lay(tmp_path, "c", "1", alerts=[{"outcome": "pending"}, {"outcome": "rejected"}], indent=indent)
    lay(tmp_path, "c", "2", post={"outcome": "expired"}, indent=indent)
    lay(tmp_path, "c", "3", alerts=[{"outcome": "rejected"}], indent=indent)
    found = list(archived_messages(tmp_path))

    assert [(address_of(one.paths), len(one.waiting), len(one.lost)) for one in found] == [
        ("b@2", 1, 0),
        ("c@1", 1, 0),
        ("c@2", 0, 1),
    ]
    assert [one.why for one in found] == ["refused", "", ""]
    assert [address_of(one.paths) for one in archived_messages(tmp_path, "b")] == ["b@2"]


def test_a_held_lock_is_a_running_sender(tmp_path: Path) -> None:
    paths = lay(tmp_path, "b", "1", post={"outcome": "pending"})
    with locked(paths.watcher_lock):
        (during,) = archived_messages(tmp_path)
    (after,) = archived_messages(tmp_path)

    assert (during.sending, after.sending) == (True, False)


def test_a_state_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    lay(tmp_path, "b", "1", post={"outcome": "pending"}).state.write_text('{"outcome": "pending"')
    lay(tmp_path, "b", "2", post={"outcome": "pending"})

    assert [address_of(one.paths) for one in archived_messages(tmp_path)] == ["b@2"]


def test_a_text_inside_a_state_is_no_message(tmp_path: Path) -> None:
    lay(tmp_path, "b", "1", notes=['"outcome": "pending"'])

    assert list(archived_messages(tmp_path)) == []


def test_no_archive_is_no_message(tmp_path: Path) -> None:
    assert list(archived_messages(tmp_path / "nowhere")) == []
