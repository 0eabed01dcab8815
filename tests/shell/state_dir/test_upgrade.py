"""Commands that only display a state read one of schema 1 with every key of the present schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.core.codec import decode_state, encode_state
from atvm_pipeline.core.events import SCHEMA as PRESENT
from atvm_pipeline.core.snapshot import state_file
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import SCHEMA, read_state
from atvm_pipeline.shell.state_dir.store import Store, load
from tests.support.project import PROJECT

SCHEMA_1 = PROJECT / "fixtures" / "schema-1"
STATES = ("state.json", "last/state.json", "last/state-27.json")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path, "b")
    paths.folder.mkdir()
    return paths


def keys(value: Any) -> Any:
    """Return the keys of an object and of everything in it, without its values."""
    if isinstance(value, dict):
        return {key: keys(item) for key, item in value.items() if key not in ("evidence", "host_sources")}
    return [keys(item) for item in value] if isinstance(value, list) else None


def test_the_reader_knows_the_present_schema() -> None:
    assert SCHEMA == PRESENT


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_schema_1_is_shown_with_the_keys_of_the_present_schema(name: str, paths: Paths) -> None:
    data = (SCHEMA_1 / name).read_bytes()
    paths.state.write_bytes(data)
    shown = read_state(paths)
    paths.state.write_bytes(encode_state(state_file(decode_state(data))))
    present = read_state(paths)

    assert shown is not None
    assert present is not None
    assert shown["schema"] == PRESENT
    # The first release did not have these.
    later = {"host_check", "host_sources", "not_checked", "host_check_note"} - set(shown)
    assert keys(shown) == keys({key: item for key, item in present.items() if key not in later})


def test_a_verdict_that_schema_1_recorded_is_upgraded_like_its_public_form(paths: Paths) -> None:
    data = (SCHEMA_1 / "last" / "state.json").read_bytes()
    paths.state.write_bytes(data)
    shown = read_state(paths)
    paths.state.write_bytes(encode_state(state_file(decode_state(data))))
    present = read_state(paths)

    assert shown is not None
    assert present is not None
    assert shown["subruns"] == present["subruns"]


def test_a_failure_of_schema_1_gets_its_signature(paths: Paths) -> None:
    paths.state.write_bytes((SCHEMA_1 / "last" / "state.json").read_bytes())
    state = read_state(paths)
    assert state is not None
    failures = [
        failure for subrun in state["subruns"] for spec in subrun["specs"] for failure in spec["failures"]
    ]

    assert failures
    assert {(failure["signature"], failure["change"]) for failure in failures} == {
        ("AssertionError: Timed out retrying after <time>: expected <text> to equal <text>", None)
    }


def test_a_state_of_the_present_schema_is_shown_as_it_is(paths: Paths) -> None:
    run = decode_state((SCHEMA_1 / "last" / "state.json").read_bytes())
    data = encode_state(state_file(run))
    paths.state.write_bytes(data)
    saved = json.loads(data)
    del saved["facts"]

    assert read_state(paths) == saved


def test_a_run_of_schema_1_is_continued_from_its_files_and_saved_in_the_present_schema(paths: Paths) -> None:
    journal = (SCHEMA_1 / "last" / "journal.jsonl").read_bytes()
    paths.journal.write_bytes(journal)
    paths.state.write_bytes((SCHEMA_1 / "last" / "state-27.json").read_bytes())
    run_id = json.loads(journal.splitlines()[0])["run_id"]
    loaded = load(paths, run_id)
    assert loaded.run is not None
    with Store(paths, loaded.journal_bytes) as store:
        store.save(loaded.run)

    assert paths.journal.read_bytes() == journal
    assert json.loads(paths.state.read_bytes())["schema"] == PRESENT
    assert json.loads((paths.subruns / "001.json").read_bytes())["schema"] == PRESENT
    assert load(paths, run_id).run == loaded.run
