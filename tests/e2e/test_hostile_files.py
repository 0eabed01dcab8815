"""Names and files that an attacker has prepared: nothing outside is written, nothing blocks, and one line is printed."""

import contextlib
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from atvm_pipeline.cli.main import COMMANDS, main
from atvm_pipeline.core.errors import DataError
from atvm_pipeline.shell.exit_codes import CommandError
from atvm_pipeline.shell.start.template import run_template
from atvm_pipeline.shell.system.files import is_locked, locked
from tests.support.controller import Controller
from tests.support.planted_files import laid

pytestmark = pytest.mark.host

NAMES = [
    *(
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "-x",
        "--",
        ".x",
        ".archive",
        ".locks",
        "a b",
        "a\nb",
        "a\n",
    ),
    *(
        "x" * 129,
        "é2e",
        "\uff25\uff12\uff25",
        "e2e\u2010fc",
        "a\u202eb",
        "a\x1b[31m",
        "$(id)",
        "`id`",
        "%i",
        "a\\b",
        "~",
        "*",
    ),
]
"""Invalid build names: paths, options, hidden directories, look-alikes, text that a shell or systemd would interpret."""
TAKING = (
    "watch",
    "runner",
    "cancel",
    "status",
    "wait",
    "explain",
    "logs",
    "resend",
    "alert",
    "service-result",
)
ADDRESSED = ("status", "wait", "explain", "logs", "resend", "alert")


def words_for(command: str, name: str, state_root: Path) -> list[str]:
    if command == "run":
        return ["run", f"--build-name={name}", "--runner-command=true", f"--state-root={state_root}"]
    more = [] if command == "service-result" else [f"--state-root={state_root}"]
    return [command, *more, "--", name]


# --- names ---


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_what_is_no_build_name_is_refused_by_every_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATVM_WATCHER_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("ATVM_WATCHER_ENV_FILE", os.devnull)
    for command in ("run", *(word for word in TAKING if word in COMMANDS)):
        # These commands take the directory of a run, too.
        error = DataError if "/" in name and command in ADDRESSED else CommandError
        with pytest.raises(error) as refused, contextlib.redirect_stderr(io.StringIO()):
            main(words_for(command, name, tmp_path / "state"))
        assert getattr(refused.value, "code", 64) == 64, command
        assert str(refused.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrapper",
    ["start-atvm-run.sh", "start-atvm-run-watcher.sh", "start-atvm-runner.sh", "cancel-atvm-run-watcher.sh", "cancel-atvm-runner.sh"],
)  # fmt: skip
def test_the_wrappers_refuse_a_path_as_a_build_name(wrapper: str, host: Controller) -> None:
    more = [] if wrapper.startswith("cancel") else ["--runner-command", "true"]
    for name in ("../../x", "-x", "a\nb"):
        answer = host.call(wrapper, f"--build-name={name}", *more)
        assert answer.returncode == 64
        assert len(answer.stderr.splitlines()) == 1
        assert "Traceback" not in answer.stderr
    assert not host.state_root.exists()


def test_a_request_that_names_another_build_leads_nowhere_else(host: Controller) -> None:
    host.run(build="b", runner="true", template=None, categorize=False)
    request = host.state_root / "b" / "request.json"
    told = json.loads(request.read_text())
    request.write_text(json.dumps({**told, "build_name": "../../elsewhere\x1b[31m"}))
    for words in (("watch", "b"), ("status", "b"), ("explain", "b"), ("cancel", "b"), ("alert", "b")):
        answer = host.call("atvm-pipeline", *words)
        assert "\x1b" not in answer.stdout + answer.stderr

    assert sorted(path.name for path in host.folder.iterdir()) == ["automation-root", "state"]
    assert host.builds() == ["b"]


# --- links, FIFOs and directories in the place of files ---


def test_a_linked_build_directory_is_moved_aside_as_a_link_and_its_target_is_left_alone(
    host: Controller,
) -> None:
    victim = host.folder / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    host.state_root.mkdir(mode=0o700)
    (host.state_root / "b").symlink_to(victim)
    host.run(build="b", runner="true", template=None, categorize=False)

    assert [path.name for path in victim.iterdir()] == ["precious"]
    assert not (host.state_root / "b").is_symlink()


def test_a_linked_state_root_is_the_operators_choice(host: Controller) -> None:
    (host.folder / "elsewhere").mkdir()
    host.state_root.symlink_to(host.folder / "elsewhere")
    state = host.run(build="b", runner="true", template=None, categorize=False)

    assert state["phase"] == "UNKNOWN"
    assert (host.folder / "elsewhere" / "b" / "state.json").is_file()


PLACES = [
    *(
        (name, kind)
        for name in ("state.json", "request.json", "journal.jsonl")
        for kind in ("link", "fifo", "folder")
    ),
    *(
        ("state.json", "device"),
        ("cancel.json", "fifo"),
        ("posts", "link"),
        ("posts", "fifo"),
        ("watcher.log", "folder"),
    ),
]


@pytest.fixture(scope="module")
def ended_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state root of a run that has ended."""
    with Controller(tmp_path_factory.mktemp("ended")) as host:
        host.run(build="b", runner="true", template=None, categorize=False)
        return host.state_root


@pytest.mark.parametrize(("name", "kind"), PLACES)
def test_no_command_waits_for_or_falls_over_what_is_in_a_files_place(
    name: str, kind: str, ended_run: Path, host: Controller
) -> None:
    shutil.copytree(ended_run, host.state_root)
    victim = host.folder / "victim"
    victim.write_text("precious")
    place = host.state_root / "b" / name
    if place.is_dir():
        place.rename(host.folder / "posts")
    laid(place, kind, victim)
    for words in (("status",), ("status", "b"), ("explain", "b"), ("watch", "b"), ("doctor",)):
        answer = host.call("atvm-pipeline", *words)
        assert "bug:" not in answer.stderr, (words, answer.stderr)
        assert "Traceback" not in answer.stderr
    again = host.start(build="b", runner="true", template=None, categorize=False)

    assert again.returncode == 0, again.stderr
    assert victim.read_text() == "precious"
    assert host.wait("b") == 1


def test_a_fifo_in_the_place_of_a_lock_is_not_held(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")

    assert not is_locked(tmp_path / "lock")
    with locked(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock")


def test_a_link_in_the_place_of_a_lock_is_refused_and_its_target_not_made(host: Controller) -> None:
    locks = host.state_root / ".locks"
    locks.mkdir(parents=True, mode=0o700)
    (locks / "b.start").symlink_to(host.folder / "made")
    refused = host.start(build="b", runner="true", template=None, categorize=False)

    assert refused.returncode == 73
    assert len([line for line in refused.stderr.splitlines() if "notice" not in line]) == 1
    assert not (host.folder / "made").exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "hard-link"])
def test_a_file_at_the_launch_logs_path_is_replaced_and_never_written_through(
    kind: str, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    laid(tmp_path / "b.launch.log", kind, victim)
    result = run_template("echo mine", tmp_path, {"PATH": os.environ["PATH"]}, "b", tmp_path)

    assert victim.read_text() == "precious"
    assert result.log_path.read_text() == "mine\n"
    assert result.log_path.stat().st_nlink == 1
