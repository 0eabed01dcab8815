"""The Bash wrappers: the arguments that reach the program, and the creation of its environment."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.calls import completed
from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

BIN = PROJECT / "bin"
WRAPPERS = {
    "start-atvm-run.sh": ["run"],
    "start-atvm-run-watcher.sh": ["run", "--only", "watcher"],
    "start-atvm-runner.sh": ["run", "--only", "runner"],
    "cancel-atvm-run-watcher.sh": ["cancel"],
    "cancel-atvm-runner.sh": ["cancel", "--only", "runner"],
    "run-atvm-runner.sh": ["runner"],
    "atvm-pipeline": [],
}
AWKWARD = [
    "a b",
    "it's",
    '"q"',
    "$HOME",
    "`id`",
    "%i %%",
    "back\\slash\\n",
    "two\nlines",
    "größer ✖",
    "",
    "*",
    "--",
    "-n",
]
SCRIPTS = sorted(
    path
    for path in (*BIN.iterdir(), PROJECT / ".ci" / "run")
    if path.read_bytes().startswith((b"#!/usr/bin/env bash", b"# "))
)
FAKE_PYTHON = """\
#!/bin/bash
# Stands in for python3: reports that it is new enough, makes a "virtual environment" of itself, "installs" by a note.
here=${0%/bin/*}
case "$*" in
  "-c "*version_info*) [[ $2 == *pip* ]] || echo "${FAKE_VERSION:-311}"; exit 0 ;;
  "-m venv "*)
    for last; do :; done
    mkdir -p "$last/bin" && cp "$0" "$last/bin/python" && echo venv >>"$FAKE_NOTES"
    exit "${FAKE_VENV:-0}" ;;
  *"-m pip "*)
    [[ ! -e ${FAKE_GATE:-/none} ]] || { echo waiting >>"$FAKE_NOTES"; read -r _ <"$FAKE_GATE"; }
    echo "pip $*" >>"$FAKE_NOTES"
    [[ -z ${FAKE_PIP:-} ]] || { echo 'ERROR: no route to the index' >&2; exit "$FAKE_PIP"; }
    exit 0 ;;
esac
printf '%s\\0' "$@"
"""


def executable(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def call(program, *words, environ=None, cwd=None):
    return completed([program, *words], cwd=cwd, env={**os.environ, **(environ or {})})


@pytest.fixture
def printing(tmp_path):
    """An interpreter that prints its arguments."""
    program = executable(
        tmp_path / "printing", '#!/bin/bash\nprintf "%s\\0" "$@"\nprintf "%s" "$ATVM_PROG" >&2\n'
    )
    return {"ATVM_PYTHON": str(program)}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_reports_nothing(script):
    shellcheck = Path(sys.executable).with_name("shellcheck")
    if not shellcheck.exists():
        pytest.skip("shellcheck is not installed in this environment")

    done = call(shellcheck, "-x", "-s", "bash", script, cwd=PROJECT)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_states_what_it_is_for_and_holds_no_logic(script):
    text = script.read_text()

    assert len(text.splitlines()) <= 100
    assert "eval" not in text
    assert script.name == "_lib.bash" or re.search(r"^#\n# [A-Z].+[.)]\n#\n# Usage: ", text, re.MULTILINE)
    assert os.access(script, os.X_OK) == (script.name != "_lib.bash")


@pytest.mark.parametrize("name", WRAPPERS)
def test_every_argument_passes_unchanged(name, printing):
    done = call(BIN / name, *AWKWARD, environ=printing)

    assert done.returncode == 0
    assert done.stdout.split("\0")[:-1] == ["-P", "-m", "atvm_pipeline", *WRAPPERS[name], *AWKWARD]
    assert done.stderr == ("" if name == "atvm-pipeline" else name)


def test_a_wrapper_works_through_a_link_and_from_any_directory(tmp_path, printing):
    folder = tmp_path / "some where"
    folder.mkdir()
    (folder / "start").symlink_to(BIN / "start-atvm-run.sh")
    (tmp_path / "linked").symlink_to(folder / "start")

    done = call(tmp_path / "linked", "--help", environ={**printing, "CDPATH": "/:/tmp"}, cwd="/")

    assert done.stdout.split("\0")[3:-1] == ["run", "--help"]


def test_the_exit_status_passes_through(tmp_path):
    program = executable(tmp_path / "failing", "#!/bin/bash\nexit 75\n")

    assert call(BIN / "start-atvm-run.sh", environ={"ATVM_PYTHON": str(program)}).returncode == 75


@pytest.mark.parametrize("name", [name for name in WRAPPERS if name != "atvm-pipeline"])
def test_help_is_shown_under_the_wrappers_own_name(name):
    done = call(BIN / name, "--help", environ={"ATVM_PYTHON": sys.executable, "PYTHONPATH": str(PROJECT)})

    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {name} ")
    assert done.stderr == ""


# --- the virtual environment ---


@pytest.fixture
def project(tmp_path):
    """A copy of the files that the launcher needs, with a fake interpreter."""
    copy = tmp_path / "project"
    shutil.copytree(BIN, copy / "bin")
    (copy / "pyproject.toml").write_text("one\n")
    executable(tmp_path / "python3", FAKE_PYTHON)
    return copy


@pytest.fixture
def environ(tmp_path):
    return {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "FAKE_NOTES": str(tmp_path / "notes"),
        "ATVM_PYTHON": "",
    }


def notes(tmp_path):
    path = tmp_path / "notes"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.host
def test_the_environment_is_made_once_and_updated_when_pyproject_changes(project, tmp_path, environ):
    launcher = project / "bin" / "atvm-pipeline"

    first = call(launcher, "status", environ=environ)
    call(launcher, "status", environ=environ)

    assert first.stdout.split("\0")[:-1] == ["-P", "-m", "atvm_pipeline", "status"]
    assert first.stderr == ""
    assert notes(tmp_path) == ["venv", "pip"]
    assert (project / ".venv" / ".gitignore").read_text() == "*\n"

    (project / "pyproject.toml").write_text("two\n")
    call(launcher, "status", environ=environ)

    assert notes(tmp_path) == ["venv", "pip", "pip"]
    assert sorted(path.name for path in project.iterdir()) == [".venv", "bin", "pyproject.toml"]


@pytest.mark.host
def test_two_first_calls_at_once_make_one_environment(project, tmp_path, environ):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    launcher = str(project / "bin" / "atvm-pipeline")
    options = {
        "env": {**os.environ, **environ, "FAKE_GATE": str(gate)},
        "stdout": subprocess.PIPE,
        "text": True,
    }
    with subprocess.Popen([launcher, "a"], **options) as one:
        wait_for(lambda: "waiting" in notes(tmp_path), "the first to install")
        with subprocess.Popen([launcher, "b"], **options) as two:
            gate.write_text("go\n")
            outputs = [process.communicate(timeout=DEADLINE_S)[0] for process in (one, two)]

    assert [output.split("\0")[3] for output in outputs] == ["a", "b"]
    assert notes(tmp_path).count("pip") == 1


@pytest.mark.host
def test_a_half_made_environment_is_never_used(project, tmp_path, environ):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    launcher = str(project / "bin" / "atvm-pipeline")
    env = {**os.environ, **environ}
    with subprocess.Popen(
        [launcher, "a"], env={**env, "FAKE_GATE": str(gate)}, start_new_session=True
    ) as one:
        wait_for(lambda: "waiting" in notes(tmp_path), "the first to install")
        os.killpg(one.pid, signal.SIGKILL)

    done = call(launcher, "b", environ=environ)

    assert done.stdout.split("\0")[3] == "b"
    assert notes(tmp_path) == ["venv", "waiting", "venv", "pip"]


@pytest.mark.parametrize(
    ("more", "told"),
    [({"FAKE_PIP": "1"}, "ERROR: no route to the index"), ({"FAKE_VENV": "1"}, "python3-venv")],
    ids=["no-network", "no-venv-module"],
)
def test_what_is_missing_is_reported_in_one_line_and_tried_again_next_time(project, environ, more, told):
    launcher = project / "bin" / "start-atvm-run.sh"

    failed = call(launcher, environ={**environ, **more})

    assert failed.returncode == 69
    assert failed.stdout == ""
    assert failed.stderr.startswith("start-atvm-run.sh: ")
    assert failed.stderr.count("\n") == 1
    assert told in failed.stderr

    assert call(launcher, environ=environ).returncode == 0


def test_no_python_that_is_new_enough_is_reported_in_one_line(project, tmp_path, environ):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "readlink", "cmp", "flock", "mkdir", "cat"):
        (tools / name).symlink_to(str(shutil.which(name)))
    old = {"PATH": f"{tmp_path}:{tools}", "FAKE_VERSION": "310"}

    done = call(project / "bin" / "atvm-pipeline", environ={**environ, **old})

    assert done.returncode == 69
    assert "Python 3.11 or newer" in done.stderr
    assert done.stderr.count("\n") == 1
