"""Values, logs and reports that were made to do damage: each is read within limits, or refused in one line."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.config.env_file import read_env_file
from atvm_pipeline.shell.system.files import Unreadable, read_small
from tests.support import cypress_output as prints
from tests.support.calls import completed
from tests.support.controller import Controller
from tests.support.planted_files import laid
from tests.support.project import PROJECT

pytestmark = pytest.mark.host

# --- the environment ---


def test_values_of_the_environment_reach_the_runner_unchanged_and_no_shell(host: Controller) -> None:
    values = {
        "CYPRESS_LINES": "a\nb\n\nMATTERMOST_X=1\n",
        "CYPRESS_SHELL": f"$(touch {host.folder}/owned) `touch {host.folder}/owned` ; ' \" \\ %i %% ${{HOME}}",
        "CYPRESS_LONG": "x" * 100_000,
        "NODE_TERMINAL": "\x1b[31m\u202e@all",
    }
    program = host.workdir / "show.py"
    program.write_text("import json, os; json.dump(dict(os.environ), open('seen.json', 'w'))")
    started = host.start(build="b", runner="python3 show.py", template=None, categorize=False, environ=values)
    assert started.returncode == 0, started.stderr
    host.wait("b")
    seen = json.loads((host.workdir / "seen.json").read_text())

    assert {name: seen[name] for name in values} == values
    assert not any(name.startswith("MATTERMOST_") for name in seen)
    assert not (host.folder / "owned").exists()


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_what_is_no_environment_file_is_not_read_and_not_waited_for(kind: str, tmp_path: Path) -> None:
    laid(tmp_path / "env", kind, tmp_path)

    assert read_env_file(tmp_path / "env") == {}


def test_a_byte_order_mark_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"\xef\xbb\xbfA=1\n")

    with pytest.raises(ConfigError, match="line 1"):
        read_env_file(tmp_path / "env")


# --- logs and reports ---


def bomb() -> str:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><testsuites>&e11;</testsuites>'


REPORTS: dict[str, Callable[[Path], object]] = {
    "bomb": lambda path: path.write_text(bomb()),
    "external-entity": lambda path: path.write_text(
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuites><testsuite name="&e;"/></testsuites>'
    ),
    "deep": lambda path: path.write_text("<testsuite>" * 500_000),
    "one-tag": lambda path: path.write_text(f'<testsuites name="{"x" * 5_000_000}"/>'),
    "link-out": lambda path: path.symlink_to("/etc/passwd"),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "sparse": lambda path: (path.touch(), os.truncate(path, 10 * 1024**3)),
}


def test_hostile_reports_are_refused_one_by_one_and_the_log_decides(host: Controller) -> None:
    log = host.folder / "a.log"
    log.write_bytes(prints.encoded(prints.whole_run("redhat9.6.cy.ts")))
    folder = host.folder / "reports"
    folder.mkdir()
    for name, make in REPORTS.items():
        make(folder / f"{name}.xml")
    (folder / "redhat9.6.xml").write_text("<testsuites><testsuite")
    answer = host.call(
        "atvm-pipeline",
        "inspect",
        str(log),
        "--artifacts",
        str(folder),
        "--exit-code",
        "0",
        "--json",
        "--lines",
    )

    assert answer.returncode == 0, answer.stderr
    state = json.loads(answer.stdout)
    assert state["phase"] == "COMPLETED"
    assert "root:" not in answer.stdout


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_what_is_no_log_is_refused_and_not_waited_for(kind: str, host: Controller) -> None:
    laid(host.folder / "a.log", kind, host.folder)
    answer = host.call("atvm-pipeline", "inspect", str(host.folder / "a.log"))

    assert answer.returncode == 65
    assert len(answer.stderr.splitlines()) == 1


def test_a_log_of_nothing_but_nuls_is_read_in_bounded_memory_and_reports_nothing(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("wb") as file:
        file.truncate(256 * 1024 * 1024)
    words = [
        "bash",
        "-c",
        'ulimit -v 600000; exec "$@"',
        "bash",
        sys.executable,
        "-m",
        "atvm_pipeline",
        "inspect",
        str(log),
        "--json",
    ]
    answer = completed(words, cwd=PROJECT)

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["phase"] == "UNKNOWN"


def test_a_file_that_is_too_large_or_a_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10 * 1024**3)

    assert read_small(tmp_path / "zero") is None
    assert read_small(tmp_path / "large") is None
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Unreadable):
        read_small(tmp_path / "loop")


# --- a dialect ---


@pytest.mark.parametrize("command", ["start", "inspect"])
def test_a_dialect_whose_pattern_never_ends_is_refused_before_anything_starts(
    command: str, host: Controller
) -> None:
    dialect = host.folder / "d.toml"
    dialect.write_text("label = '^=== (?P<label>(a+)+)$'\n")
    (host.folder / "a.log").write_text(f"=== {'a' * 60}!\n")
    environ = {"ATVM_WATCHER_DIALECT": str(dialect)}
    if command == "start":
        answer = host.start(template="touch ran", environ=environ)
    else:
        answer = host.call("atvm-pipeline", "inspect", str(host.folder / "a.log"), environ=environ)

    assert answer.returncode == 78
    assert "label takes longer than" in answer.stderr
    assert not (host.workdir / "ran").exists()
    assert host.builds() == []
