"""What a start, and a look, refuse or survive: hostile bytes, lost files, other people's runners.  One line, nothing begun."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atvm_pipeline.shell.files import make_folder
from tests.controller import BIN, BUILD, CONFIG, RUNNER, TEMPLATE, Controller, wait_for

RAW = b"caf\xe9"
"""No UTF-8."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Controller]:
    with Controller(tmp_path) as controller:
        yield controller


def raw(host: Controller, *words: bytes | str, environ: dict[bytes, bytes] | None = None, **options: object):
    """A wrapper called with bytes."""
    return subprocess.run(
        [os.fsencode(BIN / os.fsdecode(words[0])), *words[1:]],
        env={**{os.fsencode(k): os.fsencode(v) for k, v in host.environ.items()}, **(environ or {})},
        cwd=host.workdir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        **options,
    )


def one_line(answer: subprocess.CompletedProcess, code: int, *words: str) -> None:
    said = os.fsdecode(answer.stderr) if isinstance(answer.stderr, bytes) else answer.stderr
    assert answer.returncode == code, said
    assert len(said.strip().splitlines()) == 1, said
    assert "Traceback" not in said
    for word in words:
        assert word in said


@contextlib.contextmanager
def foreign_runner(host: Controller, *, build: str = BUILD, script: str = "") -> Iterator[subprocess.Popen]:
    """A runner that somebody started by hand, in the working directory, its output in `by-hand.log`."""
    program = host.workdir / "by-hand.py"
    program.write_text(script or "import time; print('up', flush=True); time.sleep(300)")
    log = host.workdir / "by-hand.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, str(program), "--build_name", build],
            cwd=host.workdir,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_for(lambda: log.stat().st_size > 0, "the runner by hand")
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


# --- bytes that are not UTF-8 ---


@pytest.mark.parametrize(
    ("option", "code"),
    [(b"--scope-description", 64), (b"--template-command", 64), (b"--workdir", 64), (b"--state-root", 64)],
)
def test_an_option_that_is_not_utf8_is_refused_before_the_template(
    option: bytes, code: int, host: Controller
) -> None:
    mark = host.workdir / "template-ran"
    template = [] if option == b"--template-command" else ["--template-command", f"touch {mark}"]
    refused = raw(
        host, "start-atvm-run.sh", "--build-name", BUILD, "--runner-command", "true", *template, option, RAW
    )

    one_line(refused, code, option.decode(), "UTF-8")
    assert not mark.exists()
    assert host.builds() == []


@pytest.mark.parametrize(
    "name", [b"ATVM_WATCHER_SCOPE_DESCRIPTION", b"ATVM_RUNNER_LOG", b"MATTERMOST_ATVM_CHANNEL"]
)
def test_a_setting_that_is_not_utf8_is_refused_by_its_name(name: bytes, host: Controller) -> None:
    refused = raw(
        host, "start-atvm-run.sh", "--build-name", BUILD, "--runner-command", "true", environ={name: RAW}
    )

    one_line(refused, 78, name.decode(), "UTF-8")
    assert host.builds() == []


def test_a_foreign_variable_that_is_not_utf8_is_left_out_with_one_notice(host: Controller) -> None:
    words = ["--build-name", "b", "--runner-command", "true", "--supervisor", "local"]
    started = raw(
        host, "start-atvm-run.sh", *words, environ={b"LC_FOO": RAW, b"CYPRESS_X": RAW, b"LC_OK": b"yes"}
    )

    assert started.returncode == 0, started.stderr
    assert started.stderr.count(b"notice: not UTF-8") == 1
    assert b"CYPRESS_X, LC_FOO" in started.stderr
    saved = host.record("request.json", "b")["environment"]
    assert "LC_FOO" not in saved
    assert saved["LC_OK"] == "yes"


# --- who is a runner ---


@pytest.mark.parametrize("carrier", [("timeout", "60"), ("timeout", "60", "env", "A=1", "B=2")], ids=len)
def test_a_start_does_not_take_its_own_ancestors_for_a_runner(
    carrier: tuple[str, ...], host: Controller
) -> None:
    words = [
        *carrier,
        str(BIN / "start-atvm-run.sh"),
        *("--build-name", BUILD, "--runner-command", RUNNER, "--supervisor", "local", "--check"),
    ]
    checked = subprocess.run(
        words, cwd=host.workdir, env=host.environ, capture_output=True, text=True, timeout=60, check=False
    )

    assert checked.returncode == 0, checked.stderr


def test_a_cancel_does_not_kill_who_called_it(host: Controller) -> None:
    words = ["--build-name", BUILD, "--runner-command", f"{RUNNER} --categorize", "--supervisor", "local"]
    assert host.call("start-atvm-run-watcher.sh", *words).returncode == 0
    cancelled = subprocess.run(
        [
            "timeout",
            "60",
            "env",
            "A=1",
            "B=2",
            "C=3",
            str(BIN / "cancel-atvm-runner.sh"),
            "--build-name",
            BUILD,
        ],
        cwd=host.workdir,
        env=host.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert cancelled.returncode == 0, cancelled.stderr
    assert "no runner lives" in cancelled.stderr


# --- --check and help of the halves ---


def test_check_starts_nothing_in_either_half(host: Controller) -> None:
    words = ["--build-name", BUILD, "--runner-command", f"{RUNNER} --categorize", "--supervisor", "local"]
    for wrapper in ("start-atvm-run.sh", "start-atvm-run-watcher.sh", "start-atvm-runner.sh"):
        checked = host.call(wrapper, *words, "--categorize", "--check")
        assert checked.returncode == 0, checked.stderr
        assert "nothing speaks against" in checked.stdout
        assert host.builds() == []


def test_check_with_attach_starts_no_watcher(host: Controller) -> None:
    host.run(template=None, runner="true", build="over", categorize=False)
    before = host.record("watcher.json", "over")
    checked = host.call("start-atvm-run-watcher.sh", "--attach", "--check", "--build-name", "over")

    assert checked.returncode == 0, checked.stderr
    assert host.record("watcher.json", "over") == before


def test_check_does_not_refuse_what_the_template_may_still_mend(tmp_path: Path) -> None:
    with Controller(tmp_path, scenario="stale-spec-pattern") as host:
        host.call("start-atvm-run.sh", "--help")
        config = host.workdir / CONFIG
        config.write_text("export default { e2e: { specPattern: 'nowhere/*.cy.ts' } }\n")
        with_template = host.start("--check")
        without = host.start("--check", template=None)

    assert with_template.returncode == 0, with_template.stderr
    assert "notice: before the template has run" in with_template.stderr
    assert without.returncode == 11


@pytest.mark.parametrize(
    ("wrapper", "word"),
    [
        ("start-atvm-run.sh", "template"),
        ("start-atvm-run-watcher.sh", "--attach"),
        ("start-atvm-runner.sh", "waits"),
    ],
)
def test_help_describes_its_own_half(wrapper: str, word: str, host: Controller) -> None:
    text = host.call(wrapper, "--help").stdout

    assert word in text.split("options:")[0].split("\n\n", 1)[1]


# --- files that are named ---


def test_relative_files_of_settings_are_those_of_the_caller(host: Controller, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "d.toml").write_text("label = '^=== (?P<label>\\S+)'\n")
    words = ["--build-name", "b", "--runner-command", "true", "--supervisor", "local"]
    started = host.call(
        "start-atvm-run.sh",
        *words,
        "--workdir",
        str(host.workdir),
        environ={"ATVM_WATCHER_DIALECT": "d.toml"},
        cwd=here,
    )

    assert started.returncode == 0, started.stderr
    assert host.record("request.json", "b")["dialect_path"] == str(here / "d.toml")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_used_are_refused_before_the_template(
    content: str | None, host: Controller
) -> None:
    if content is not None:
        (host.workdir / "ca.pem").write_text(content)
    refused = host.start(template="touch template-ran", environ={"ATVM_WATCHER_CA_FILE": "ca.pem"})

    one_line(refused, 78, "ATVM_WATCHER_CA_FILE")
    assert not (host.workdir / "template-ran").exists()


@pytest.mark.parametrize("kind", ["folder", "fifo", "below-a-file"])
@pytest.mark.parametrize("check", [(), ("--check",)], ids=["start", "check"])
def test_a_log_that_cannot_be_written_is_refused_before_the_template(
    kind: str, check: tuple[str, ...], host: Controller
) -> None:
    log = host.workdir / "the.log"
    if kind == "folder":
        log.mkdir()
    elif kind == "fifo":
        os.mkfifo(log)
    else:
        log.write_text("")
    name = "the.log/deeper" if kind == "below-a-file" else "the.log"
    refused = host.start(*check, template="touch template-ran", environ={"ATVM_RUNNER_LOG": name})

    one_line(refused, 73, "ATVM_RUNNER_LOG")
    assert not (host.workdir / "template-ran").exists()
    assert host.builds() == []


def test_log_and_config_of_a_living_run_are_known_by_their_real_paths(
    host: Controller, tmp_path: Path
) -> None:
    config = f"--config_file {CONFIG}"
    first = host.call(
        "start-atvm-run.sh",
        *("--build-name", "first", "--runner-command", f"sleep 60 # {config}", "--supervisor", "local"),
        environ={"ATVM_RUNNER_LOG": "logs/one.log"},
    )
    assert first.returncode == 0, first.stderr
    words = [
        "--build-name",
        "second",
        "--supervisor",
        "local",
        "--workdir",
        str(host.workdir),
        "--no-preflight",
    ]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    log = host.call(
        "start-atvm-run.sh",
        *words,
        "--runner-command=true",
        environ={"ATVM_RUNNER_LOG": "logs/one.log"},
        cwd=elsewhere,
    )
    config_file = host.call(
        "start-atvm-run.sh", *words, f"--runner-command=true # --config_file=./{CONFIG}", cwd=elsewhere
    )
    shared = host.call(
        "start-atvm-run.sh",
        *words,
        f"--runner-command=true # {config}",
        "--share-config",
        "--check",
        cwd=elsewhere,
    )

    one_line(log, 75, "logs/one.log", "first")
    one_line(config_file, 75, "--share-config", "first")
    assert shared.returncode == 0, shared.stderr


# --- what reaches the terminal ---


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


# --- what lies in the state root ---


@pytest.fixture
def two(host: Controller) -> Controller:
    """A host with a run that is fine and one whose state is to be broken."""
    for build in ("bad", "good"):
        words = ["--build-name", build, "--runner-command", "true", "--supervisor", "local"]
        assert host.call("start-atvm-run.sh", *words).returncode == 0
        host.wait(build)
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
        # Root may read everything but a link that leads to itself.
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
    corrupt, good = everything.stdout.splitlines()
    assert corrupt.startswith("CORRUPT    bad ")
    assert " good " in good
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


# --- a strange surrounding ---


def test_no_home_folder_is_a_clear_refusal(host: Controller) -> None:
    code = "import sys, pwd; pwd.getpwuid = lambda uid: {}[uid]; import atvm_pipeline.cli.main as m; sys.exit(m.script())"
    environ = {
        name: value
        for name, value in host.environ.items()
        if name not in ("HOME", "XDG_STATE_HOME", "ATVM_WATCHER_STATE_ROOT")
    }
    code = "import os; os.geteuid = lambda: 4711\n" + code
    answer = subprocess.run(
        [sys.executable, "-c", code, "status"],
        env={**environ, "PYTHONPATH": str(BIN.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

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


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-", "| true", "2>&1 >/dev/null | true"])
def test_a_start_goes_on_where_nobody_reads_its_answer(closed: str, host: Controller) -> None:
    script = f'"$0" --build-name b --runner-command "echo up" --supervisor local {closed}'
    subprocess.run(
        ["bash", "-c", script, str(BIN / "start-atvm-run.sh")],
        cwd=host.workdir,
        env=host.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
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
    plain = subprocess.run(call, env=environ, capture_output=True, text=True, timeout=60, check=False)
    asked = subprocess.run(
        call, env={**environ, "ATVM_DEBUG": "1"}, capture_output=True, text=True, timeout=60, check=False
    )

    one_line(plain, 70, "bug: LookupError")
    assert "s3cret" not in plain.stderr
    assert "Traceback" in asked.stderr


# --- joining ---


def test_joining_a_run_that_has_ended_says_so(host: Controller) -> None:
    host.run(template=None, runner="true", build="over", categorize=False)
    joined = host.call(
        "start-atvm-run-watcher.sh",
        "--attach",
        "--build-name",
        "over",
        environ={"ATVM_WATCHER_POST_PHASES": ""},
    )

    assert joined.returncode == 0, joined.stderr
    assert "over has ended: " in joined.stderr


def test_joining_needs_no_webhook_for_a_run_that_posts_nothing(host: Controller) -> None:
    host.run(
        template=None, runner="true", build="over", categorize=False, environ={"ATVM_WATCHER_POST_PHASES": ""}
    )
    joined = host.call(
        "start-atvm-run-watcher.sh",
        "--attach",
        "--build-name",
        "over",
        environ={"MATTERMOST_ATVM_WEBHOOK": ""},
    )

    assert joined.returncode == 0, joined.stderr


@pytest.mark.parametrize("attach", [(), ("--attach",)], ids=["start", "attach"])
def test_a_runner_started_by_hand_is_followed(attach: tuple[str, ...], host: Controller) -> None:
    with foreign_runner(host) as process:
        whole = host.start()
        half = host.call("start-atvm-runner.sh", "--build-name", BUILD, "--runner-command", RUNNER)
        watched = host.call(
            "start-atvm-run-watcher.sh",
            *attach,
            "--build-name",
            BUILD,
            "--template-command",
            TEMPLATE,
            "--supervisor",
            "local",
        )
        assert watched.returncode == 0, watched.stderr
        wait_for(lambda: host.state()["phase"] == "RUNNING", "the runner to be seen")
        again = host.call("start-atvm-run-watcher.sh", "--build-name", BUILD, "--supervisor", "local")
        process.kill()
        process.wait()
        host.wait()

    one_line(whole, 75, "start-atvm-run-watcher.sh --build-name")
    one_line(half, 75, "start-atvm-run-watcher.sh --build-name")
    one_line(again, 75, "being watched")
    assert f"process {process.pid}" in watched.stderr
    request = host.record("request.json")
    assert request["runner_command"] is None
    assert request["log_path"] == str(host.workdir / "by-hand.log")
    assert request["log_start"] == 0
    assert host.state()["phase"] in ("TERMINATED", "UNKNOWN", "FAILED")


def test_a_runner_of_ours_is_not_followed_by_a_second_watcher(host: Controller) -> None:
    words = ["--build-name", "b", "--runner-command", "sleep 60", "--supervisor", "local"]
    assert host.call("start-atvm-run.sh", *words).returncode == 0

    one_line(host.call("start-atvm-run-watcher.sh", "--build-name", "b"), 75, "a runner of build b is alive")
