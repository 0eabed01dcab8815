"""The runner's half next to a waiting watcher: the options that differ are named, with both values."""

from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from atvm_pipeline.shell.start.runner_half import start_runner_only
from atvm_pipeline.shell.system.files import locked
from tests.support.start_options import save_request, start_options

BUILD = "nightly"


def refusal(root: Path, stored: dict[str, Any], **fields: Any) -> str:
    """Return the text that refuses a runner's half for a watcher with this request."""
    paths = save_request(root, BUILD, runner_command=None, **stored)
    given = start_options(root, BUILD, only="runner", runner_command="run", **fields)
    with locked(paths.watcher_lock), pytest.raises(CommandError) as refused:
        start_runner_only(given)
    assert refused.value.code == USAGE
    return str(refused.value)


def test_a_categorized_half_names_the_option(tmp_path: Path) -> None:
    text = refusal(tmp_path, {}, categorize=True)

    assert text == (
        "the waiting watcher was started without --categorize, and this call has it: start both halves with the same values"
    )


def test_every_path_that_differs_is_named_with_both_values(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    text = refusal(tmp_path, {"workdir": str(other), "log_path": "/logs/a.log"})

    assert f"with --workdir {other}, and this call has {tmp_path / 'work'}" in text
    assert "with ATVM_RUNNER_LOG /logs/a.log, and this call has " in text
    assert "--categorize" not in text


def test_other_hosts_are_named(tmp_path: Path) -> None:
    text = refusal(tmp_path, {"hosts": ("w2k25",)}, hosts=("redhat9.6",))

    assert text == "the waiting watcher was started with --hosts w2k25: start both halves with the same hosts"
