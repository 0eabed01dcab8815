"""Starts and read-only commands survive terminal control characters, a corrupt state, and an incomplete environment."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atvm_pipeline.shell.system.files import make_folder
from tests.support.calls import completed
from tests.support.controller import BIN, Controller
from tests.support.project import BUILD
from tests.support.refused_calls import one_line, raw
from tests.support.waiting import wait_for

# --- output to the terminal ---


def test_control_characters_of_an_argument_do_not_reach_the_terminal(host: Controller) -> None:
    answers = [
        host.call("start-atvm-run.sh", "--build-name", BUILD, "--no\x1b[31m\nsuch"),
        host.call("atvm-pipeline", "status", "--state-root", f"{host.folder}/a\x1b[31m\nb"),
        host.call("atvm-pipeline", "inspect", "no\x1b[2J\nlog"),
        host.call("atvm-pipeline", "status", BUILD, "--state-root", f"{host.folder}/a\x1b[31m\nb"),
        host.start(template="printf '\\033[31mred\\nline\\n'; exit 1"),
    ]

    for answer in answers:
        assert "\x1b" not in answer.stdout + answer.stderr
    assert [len(answer.stderr.splitlines()) for answer in answers[:4]] == [1, 0, 1, 1]


def test_json_holds_no_character_that_a_terminal_obeys(host: Controller) -> None:
    words = ["--build-name", "b", "--runner-command", "true", "--supervisor", "local"]
    host.call("start-atvm-run.sh", *words)
    host.wait("b")
    path = host.state_root / "b" / "state.json"
    state = json.loads(path.read_text())
    state["reason"]["text"] = "a\x9b31m\u202eb"
    path.write_text(json.dumps(state, ensure_ascii=False))
    answer = host.call("atvm-pipeline", "status", "b", "--json")

    assert json.loads(answer.stdout)["reason"]["text"] == state["reason"]["text"]
    assert not set(answer.stdout) & {"\x9b", "\u202e"}
    assert "\x9b" not in host.call("atvm-pipeline", "status").stdout


# --- files in the state root ---


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state root of two runs that have ended."""
    with Controller(tmp_path_factory.mktemp("two")) as host:
        for build in ("bad", "good"):
            words = ["--build-name", build, "--runner-command", "true", "--supervisor", "local"]
            assert host.call("start-atvm-run.sh", *words).returncode == 0
            host.wait(build)
        return host.state_root


@pytest.fixture
def two(two_runs: Path, host: Controller) -> Controller:
    """A host with one intact run and one whose state the test damages."""
    shutil.copytree(two_runs, host.state_root)
    return host


BROKEN: dict[str, Callable[[dict[str, object]], object]] = {
    "no-object": lambda _state: [1],
    "no-reason": lambda state: {**state, "reason": "x"},
    "no-ledger": lambda state: {**state, "ledger": {}},
    "sub-runs": lambda state: {**state, "subruns": [{"phase": "RUNNING"}]},
    "evidence": lambda state: {**state, "reason": {"code": "x", "text": "y", "evidence": [3]}},
    "post": lambda state: {**state, "post": {"outcome": []}},
}


@pytest.mark.parametrize("how", [*BROKEN, "not-json", "deep", "unreadable"])
def test_one_corrupt_state_does_not_hide_the_others(how: str, two: Controller) -> None:
    path = two.state_root / "bad" / "state.json"
    if how == "unreadable":
        # Root can read everything except a link that points to itself.
        path.unlink()
        path.symlink_to(path.name)
    elif how in BROKEN:
        path.write_text(json.dumps(BROKEN[how](json.loads(path.read_text()))))
    else:
        path.write_text("\x1b[31m{" if how == "not-json" else "[" * 200_000)
    everything = two.call("atvm-pipeline", "status")
    as_json = json.loads(two.call("atvm-pipeline", "status", "--json").stdout)
    doctor = two.call("atvm-pipeline", "doctor")

    assert everything.returncode == 0, everything.stderr
    heading, corrupt, why, good, *_ = everything.stdout.splitlines()
    assert heading.split()[:2] == ["BUILD", "PHASE"]
    assert corrupt.split() == ["bad", "CORRUPT"]
    assert why.startswith(f"  {path}" if how != "unreadable" else "  cannot read")
    assert good.split()[0] == "good"
    assert [entry["build_name"] for entry in as_json] == ["bad", "good"]
    assert doctor.returncode == 1
    assert "bad is CORRUPT" in doctor.stdout
    for command in ("status", "explain", "wait"):
        one_line(two.call("atvm-pipeline", command, "bad"), 65, "bad")


def test_a_request_that_is_nested_without_end_is_no_request(host: Controller) -> None:
    folder = host.state_root / "deep"
    make_folder(folder)
    (folder / "request.json").write_text('{"metadata":' + "[" * 200_000)

    one_line(host.call("atvm-pipeline", "cancel", "deep"), 65, "deep")


# --- an unusual environment ---


@pytest.mark.host
def test_no_home_directory_is_a_clear_refusal(host: Controller) -> None:
    code = "import sys, pwd; pwd.getpwuid = lambda uid: {}[uid]; import atvm_pipeline.cli.main as m; sys.exit(m.script())"
    environ = {
        name: value
        for name, value in host.environ.items()
        if name not in ("HOME", "XDG_STATE_HOME", "ATVM_WATCHER_STATE_ROOT")
    }
    code = "import os; os.geteuid = lambda: 4711\n" + code
    answer = completed([sys.executable, "-c", code, "status"], env={**environ, "PYTHONPATH": str(BIN.parent)})

    one_line(answer, 78, "ATVM_WATCHER_STATE_ROOT")


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00", "soon"])
def test_a_time_beyond_the_calendar_is_refused(since: str, host: Controller) -> None:
    (host.workdir / "a.log").write_text("x\n")

    one_line(host.call("atvm-pipeline", "inspect", "a.log", "--since", since), 64, "--since")


def test_an_ascii_terminal_gets_what_it_can_show(two: Controller) -> None:
    path = two.state_root / "bad" / "state.json"
    state = json.loads(path.read_text())
    state["reason"]["text"] = "größer ✖"
    path.write_text(json.dumps(state))
    ascii_ = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    page = two.call("atvm-pipeline", "status", "bad", environ=ascii_)
    as_json = raw(two, "atvm-pipeline", "status", "bad", "--json", environ={b"PYTHONIOENCODING": b"ascii"})

    assert page.returncode == 0, page.stderr
    assert json.loads(as_json.stdout)["reason"]["text"] == "größer ✖"


@pytest.mark.host
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-", "| true", "2>&1 >/dev/null | true"])
def test_a_start_continues_where_its_answer_is_not_read(closed: str, host: Controller) -> None:
    script = f'"$0" --build-name b --runner-command "echo up" --supervisor local {closed}'
    completed(["bash", "-c", script, BIN / "start-atvm-run.sh"], cwd=host.workdir, env=host.environ)
    wait_for((host.state_root / "b" / "runner-exit.json").exists, "the runner's end")
    host.wait("b")

    assert (host.state_root / "b" / "runner.log").read_text() == "up\n"


def test_a_bug_is_one_line_without_what_it_was_about(host: Controller) -> None:
    code = (
        "import sys; import atvm_pipeline.cli.main as m\n"
        "def broken(argv): raise LookupError('s3cret')\n"
        "m.main = broken; sys.exit(m.script())"
    )
    call = [sys.executable, "-c", code]
    environ = {**host.environ, "PYTHONPATH": str(BIN.parent)}
    plain = completed(call, env=environ)
    asked = completed(call, env={**environ, "ATVM_DEBUG": "1"})

    one_line(plain, 70, "bug: LookupError")
    assert "s3cret" not in plain.stderr
    assert "Traceback" in asked.stderr
