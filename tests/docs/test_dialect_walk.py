"""docs/dialect.md shows the program's output: every command in it is run, and every file in it is compared.

If something differs, run `pytest --rewrite tests/docs/test_dialect_walk.py` and inspect the diff. Only commit the change if it is
desired.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atvm_pipeline.core.dialect import Dialect, read_dialect
from tests.docs.test_docs import block
from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S

WALK = PROJECT / "docs" / "dialect.md"
FILES = PROJECT / "fixtures" / "dialect"
RUNS = re.findall(r"<!-- (run \S+) -->\n```console\n\$ (.+)\n", WALK.read_text())
SHOWN = re.findall(r"<!-- file (\S+) -->", WALK.read_text())
OUTPUT_ONLY = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""An environment without any settings of the user who runs the tests."""


def printed(command: str, folder: Path) -> str:
    """Run `command` and return its output as a user sees it, both streams together."""
    words = shlex.split(command)
    if words[0] == "atvm-pipeline":
        words[:1] = [sys.executable, "-m", "atvm_pipeline"]
    done = subprocess.run(
        words,
        cwd=folder,
        env=OUTPUT_ONLY | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.stdout.decode()


@pytest.mark.parametrize(("name", "command"), RUNS, ids=[name for name, _ in RUNS])
def test_a_command_of_the_walk_prints_what_it_shows(
    name: str, command: str, tmp_path: Path, *, rewrite: bool
) -> None:
    folder = shutil.copytree(FILES, tmp_path / "dialect")
    wanted = f"$ {command}\n{printed(command, folder)}"

    assert block(WALK, name, "console", wanted, rewrite=rewrite) == wanted


@pytest.mark.parametrize("name", SHOWN)
def test_a_file_of_the_walk_is_the_file_in_the_fixtures(name: str, *, rewrite: bool) -> None:
    wanted = (FILES / name).read_text()

    assert block(WALK, f"file {name}", "toml", wanted, rewrite=rewrite) == wanted


def test_the_walk_shows_runs_and_files() -> None:
    assert len(RUNS) == WALK.read_text().count("<!-- run ") == 5
    assert SHOWN == ["private-runner.toml"]


@pytest.mark.parametrize("key", Dialect.__struct_fields__)
def test_the_walk_explains_every_key(key: str) -> None:
    assert f"**`{key}`**" in WALK.read_text()


def test_every_key_that_the_walk_sets_states_something_new() -> None:
    dialect = read_dialect((FILES / "private-runner.toml").read_text(), "private-runner.toml")
    untouched = {key for key in Dialect.__struct_fields__ if getattr(dialect, key) == getattr(Dialect(), key)}

    assert untouched == {"not_requested", "line_prefix", "cypress_process", "browser_process"}
