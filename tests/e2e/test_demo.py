"""The demo, as a new user runs it: to its end, in a separate directory, and without other leftovers."""

import os
from pathlib import Path

import pytest

from atvm_pipeline.cli.commands.demo import BUILD
from tests.support.calls import completed
from tests.support.controller import BIN


def demo(folder: Path, *words: str) -> tuple[str, Path]:
    """Return the demo's output and its directory."""
    call = [BIN / "atvm-pipeline", "demo", "--speed", "50", *words]
    done = completed(call, env={**os.environ, "TMPDIR": str(folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    (own,) = folder.iterdir()
    return done.stdout, own


def test_the_demo_plays_a_run_to_its_end_and_says_where_its_files_are(tmp_path: Path) -> None:
    said, folder = demo(tmp_path)

    assert "run: FAILED: 1 of 3 sub-runs failed" in said
    assert "group 3: message sent" in said
    assert f"rm -r {folder}" in said
    assert (folder / "state" / BUILD / "state.json").is_file()


@pytest.mark.parametrize("scenario", ["all-green", "template-fails"])
def test_the_output_of_its_template_is_in_its_own_folder(scenario: str, tmp_path: Path) -> None:
    """The build has the name of the documented example: a real run of that name has its launch log in /tmp."""
    said, folder = demo(tmp_path, "--scenario", scenario)

    assert (folder / f"{BUILD}.launch.log").stat().st_uid == os.getuid()
    assert f"/tmp/{BUILD}.launch.log" not in said.replace(str(folder), "")
