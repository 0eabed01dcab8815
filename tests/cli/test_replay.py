"""`replay` finds a journal by its path, by its directory, and by the address of a run."""

import argparse
import json
import shutil
from pathlib import Path

import pytest

from atvm_pipeline.cli.commands import replay
from atvm_pipeline.shell.exit_codes import DATA, CommandError
from tests.conftest import REPLAY

TIME = "2026-11-24T00:00:00Z"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a state root with one failed run, and one completed run in the archive."""
    for name, folder in (("failed-demo", "b"), ("completed", f".archive/b/{TIME}")):
        shutil.copytree(REPLAY / name, tmp_path / folder)
        (tmp_path / folder / "request.json").write_text(json.dumps({"run_id": f"id-of-{name}"}))
    return tmp_path


def call(journal: str, root: Path) -> int:
    return replay.run(argparse.Namespace(journal=journal, json=False, state_root=str(root)))


@pytest.mark.parametrize(
    ("journal", "phase"),
    [
        ("b", "FAILED"),
        (f"b@{TIME}", "COMPLETED"),
        ("id-of-completed", "COMPLETED"),
        ("{root}/b", "FAILED"),
        ("{root}/b/journal.jsonl", "FAILED"),
    ],
)
def test_a_journal_is_found_by_its_path_or_its_run(
    journal: str, phase: str, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)

    assert call(journal.format(root=root), root) == 0
    assert f": {phase}\n" in capsys.readouterr().out


@pytest.mark.parametrize("journal", ["c", "no-journal.jsonl", "/no/journal.jsonl"])
def test_a_journal_that_does_not_exist_is_named(journal: str, root: Path) -> None:
    with pytest.raises(CommandError, match="does not exist or contains no events") as refused:
        call(journal, root)

    assert refused.value.code == DATA
