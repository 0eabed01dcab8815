"""The option --scenario and its variable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from atvm_pipeline.cli.options import checked_scenario
from atvm_pipeline.shell.exit_codes import BAD_CONFIG, USAGE, CommandError
from tests.support.project import BUILD, PROJECT

LOG = PROJECT / "fixtures" / "replay" / "completed" / "runner.log"


def test_the_option_has_priority_over_the_variable() -> None:
    environ = {"ATVM_WATCHER_SCENARIO": "from/variable"}

    assert checked_scenario("from/option", environ) == "from/option"
    assert checked_scenario(None, environ) == "from/variable"
    assert checked_scenario(None, {"ATVM_WATCHER_SCENARIO": ""}) is None
    assert checked_scenario(None, {}) is None


@pytest.mark.parametrize("name", ["", " x", "a\x1bb", "a\nb", "x" * 201, "\udce9"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(CommandError) as refusal:
        checked_scenario(name, {})

    assert refusal.value.code == USAGE
    assert str(refusal.value).isprintable()


def test_a_variable_that_cannot_be_shown_is_a_wrong_setting() -> None:
    with pytest.raises(CommandError, match="ATVM_WATCHER_SCENARIO") as refusal:
        checked_scenario(None, {"ATVM_WATCHER_SCENARIO": "a\tb"})

    assert refusal.value.code == BAD_CONFIG


@pytest.mark.parametrize(
    ("options", "scenario"),
    [([], "e2e/-/fc"), (["--scenario", "nightly/fc"], "nightly/fc")],
    ids=["derived", "named"],
)
def test_inspect_shows_the_scenario(options: list[str], scenario: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "atvm_pipeline",
            "inspect",
            str(LOG),
            "--build-name",
            BUILD,
            *options,
            "--json",
        ],
        cwd=PROJECT,
        env={"ATVM_WATCHER_ENV_FILE": "/dev/null"},
        capture_output=True,
        check=True,
    )

    assert json.loads(done.stdout)["scenario"] == scenario
