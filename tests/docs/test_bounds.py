"""docs/bounds.md lists every limit of the program with its value; tests reach the important limits through the product."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.shell.processes import tree as tree_module
from atvm_pipeline.shell.processes.process_table import identity
from atvm_pipeline.shell.processes.tree import ProcessTree
from atvm_pipeline.shell.sources import report_files
from atvm_pipeline.shell.sources.report_files import ReportScanner
from tests.support.controller import Controller
from tests.support.mattermost_server import slow
from tests.support.project import PROJECT
from tests.support.waiting import wait_for

PACKAGE = PROJECT / "atvm_pipeline"
TEXT = (PROJECT / "docs" / "bounds.md").read_text(encoding="utf-8")
LIMIT = re.compile(
    r"`(?P<module>[a-z_/]+\.py)` `(?P<name>[A-Z][A-Z0-9_]*)` = (?P<number>[0-9.]+)(?: (?P<unit>[A-Za-z]+))?"
)
UNITS = {None: 1, "characters": 1, "bytes": 1, "KiB": 1024, "MiB": 1024**2, "s": 1, "min": 60, "h": 3600}
A_LIMIT = re.compile(r"(?:.*_)?(?:MAX|LIMIT|KEEP|QUEUE|TRIES|BYTES|SHOWN|LOOKS|ROUNDS|LINES|S)(?:_.*)?")
"""Names of constants that are limits; `_S` is a wait in seconds."""


READ = """
import ast, importlib, json, re, sys
from pathlib import Path
package, pattern = Path(sys.argv[1]), re.compile(sys.argv[2])
found = []
for path in sorted(package.rglob("*.py")):
    module = path.relative_to(package)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(target, ast.Name) or not re.fullmatch("[A-Z][A-Z0-9_]*", target.id):
            continue
        if not pattern.fullmatch(target.id):
            continue
        if module.parts[0] == "install":  # runs by itself, outside of the package
            value = eval(ast.unparse(node.value), {})
        else:
            value = getattr(importlib.import_module(".".join((package.name, *module.with_suffix("").parts))), target.id)
        if isinstance(value, int | float):
            found.append((module.as_posix(), target.id, float(value)))
print(json.dumps(found))
"""
"""Prints module, name and value of each module-level number whose name matches `A_LIMIT`."""


@cache
def constants() -> tuple[tuple[str, str, float], ...]:
    """Return module, name and value of each limit, read in a separate process where no test has changed one."""
    call = [sys.executable, "-c", READ, str(PACKAGE), A_LIMIT.pattern]
    done = subprocess.run(call, cwd=PROJECT, check=True, capture_output=True, text=True)
    return tuple((module, name, value) for module, name, value in json.loads(done.stdout))


def documented() -> dict[tuple[str, str], float]:
    return {
        (found["module"], found["name"]): float(found["number"]) * UNITS[found["unit"]]
        for found in LIMIT.finditer(TEXT)
    }


def test_every_limit_of_the_program_is_in_the_table_with_its_value() -> None:
    actual = {(module, name): value for module, name, value in constants()}
    told = documented()

    assert {
        f"{module} {name} = {value:g}"
        for (module, name), value in actual.items()
        if told.get((module, name)) != value
    } == set()


def test_every_row_of_the_table_names_a_limit_of_the_program() -> None:
    assert set(documented()) - {(module, name) for module, name, _ in constants()} == set()


def test_every_row_states_what_happens() -> None:
    rows = [
        line
        for line in TEXT.splitlines()
        if line.startswith("| ") and not line.startswith(("| subject", "| ---"))
    ]

    assert len(rows) > 60
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4, row
        assert cells[0], row


# --- reached through the product ---


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Controller]:
    with Controller(tmp_path) as controller:
        yield controller


def over(host: Controller, build: str, **environ: str) -> str:
    """Run a build to its end and return the messages of its start."""
    started = host.start(build=build, runner="true", template=None, categorize=False, environ=environ)
    assert started.returncode == 0, started.stderr
    host.wait(build)
    return started.stderr


def test_the_state_root_keeps_the_newest_builds_and_a_start_states_which_went(host: Controller) -> None:
    for build in ("one", "two", "three"):
        assert "deleted" not in over(host, build)
    over(host, "one")
    said = over(host, "four", ATVM_WATCHER_KEEP_BUILDS="2")

    assert "(ATVM_WATCHER_KEEP_BUILDS): two" in said
    assert set(host.builds()) == {"one", "three", "four"}
    assert {path.name for path in (host.state_root / ".archive").iterdir()} == {"one"}
    assert not list((host.state_root / ".locks").glob("two.*"))


@pytest.mark.parametrize("value", ["many", "-1", "1e9", "9999999"])
def test_a_number_of_builds_that_is_not_a_number_is_refused_before_anything_runs(
    value: str, host: Controller
) -> None:
    refused = host.start(template="touch ran", environ={"ATVM_WATCHER_KEEP_BUILDS": value})

    assert refused.returncode == 78
    assert "ATVM_WATCHER_KEEP_BUILDS" in refused.stderr
    assert not (host.workdir / "ran").exists()


def test_earlier_runs_of_one_build_are_kept_up_to_their_number(host: Controller) -> None:
    for _ in range(4):
        over(host, "b", ATVM_WATCHER_KEEP="2")

    assert len(list((host.state_root / ".archive" / "b").iterdir())) == 2


def test_a_state_that_is_too_large_is_called_so_and_hides_no_other(host: Controller) -> None:
    over(host, "bad")
    over(host, "good")
    with (host.state_root / "bad" / "state.json").open("r+b") as file:
        file.truncate(257 * 1024 * 1024)
    everything = host.call("atvm-pipeline", "status")

    assert re.search(r"^bad +CORRUPT\n  .* is larger than ", everything.stdout, re.MULTILINE)
    assert re.search(r"^good ", everything.stdout, re.MULTILINE)


def test_a_cancel_is_written_down_once_however_long_a_message_hangs(tmp_path: Path) -> None:
    with Controller(tmp_path, scenario="hang-without-cause") as host:
        host.webhook.script(slow(7.0))
        host.start(
            runner="true",
            template=None,
            categorize=False,
            build="b",
            environ={"ATVM_WATCHER_POST_PHASES": "UNKNOWN"},
        )
        wait_for(lambda: host.webhook.requests, "the message")
        paths = host.state_root / "b"
        marker = {**json.loads((paths / "request.json").read_text()), "who": "x", "why": "y"}
        kept = {
            name: marker[name] for name in ("schema", "build_name", "run_id", "requested_at", "who", "why")
        }
        (paths / "cancel.json").write_text(json.dumps(kept))
        host.wait("b")
        told = [json.loads(line)["type"] for line in (paths / "journal.jsonl").read_text().splitlines()]

    assert told.count("cancel-requested") <= 1


STARTER = """
import subprocess, sys
for line in sys.stdin:
    child = subprocess.Popen([line.strip(), "60"], executable="sleep", stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
"""


def test_a_runner_that_starts_a_process_every_second_does_not_fill_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tree_module, "OTHERS_LOOKS", 10**12)
    # A separate runner: other tests in this process may have left children that end in the meantime.
    call = [sys.executable, "-c", STARTER]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as runner:
        tree = ProcessTree(Dialect(), apart_s=1e-9)
        found = identity(runner.pid)
        assert found is not None
        tree.root(found.pid, found.create_time)
        assert tree.scan() is not None
        for _ in range(5):
            other = start_below(runner, "sleep")
            assert tree.scan() is None
            os.kill(other, signal.SIGKILL)
        cypress = start_below(runner, "cypress")
        # The kernel may report a new process late, and some scans rely on it, so scan until it is reported.
        seen = wait_for(tree.scan, "a scan that reports Cypress")
        os.kill(cypress, signal.SIGKILL)
        runner.kill()

    assert "cypress" in {process.role for process in seen.processes}


def start_below(runner: "subprocess.Popen[str]", name: str) -> int:
    """Let the runner start a process with the name `name` and return its pid."""
    assert runner.stdin is not None
    assert runner.stdout is not None
    runner.stdin.write(f"{name}\n")
    runner.stdin.flush()
    return int(runner.stdout.readline())


def test_reports_beyond_the_limit_are_not_read_and_that_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report_files, "REPORT_FILES_MAX", 3)
    for number in range(5):
        (tmp_path / f"{number}.xml").write_text("<testsuites/>")
    source = ReportScanner(tmp_path, tmp_path, Dialect(), {})
    found = [*source.scan(), *source.scan(final=True)]

    assert len(found) == 3
    assert capsys.readouterr().err.count("the rest is ignored") == 1
