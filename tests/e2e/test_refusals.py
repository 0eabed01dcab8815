"""Refusals of starts and of read-only commands, on non-UTF-8 bytes, lost files and external runners: one line, nothing
is started.
"""

import os
from pathlib import Path

import pytest

from tests.support.calls import completed
from tests.support.controller import BIN, CONFIG, RUNNER, Controller
from tests.support.project import BUILD
from tests.support.refused_calls import RAW, one_line, raw

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


def test_an_untrusted_variable_that_is_not_utf8_is_left_out_with_one_notice(host: Controller) -> None:
    words = ["--build-name", "b", "--runner-command", "true", "--supervisor", "local"]
    started = raw(
        host, "start-atvm-run.sh", *words, environ={b"LC_FOO": RAW, b"CYPRESS_X": RAW, b"LC_OK": b"yes"}
    )

    assert started.returncode == 0, started.stderr
    assert started.stderr.count(b"because not UTF-8") == 1
    assert b"CYPRESS_X, LC_FOO" in started.stderr
    saved = host.record("request.json", "b")["environment"]
    assert "LC_FOO" not in saved
    assert saved["LC_OK"] == "yes"


# --- which process is a runner ---


@pytest.mark.host
@pytest.mark.parametrize("carrier", [("timeout", "60"), ("timeout", "60", "env", "A=1", "B=2")], ids=len)
def test_a_start_does_not_take_its_own_ancestors_for_a_runner(
    carrier: tuple[str, ...], host: Controller
) -> None:
    words = [
        *carrier,
        str(BIN / "start-atvm-run.sh"),
        *("--build-name", BUILD, "--runner-command", RUNNER, "--supervisor", "local", "--check"),
    ]
    checked = completed(words, cwd=host.workdir, env=host.environ)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.host
def test_a_cancel_does_not_kill_who_called_it(host: Controller) -> None:
    words = ["--build-name", BUILD, "--runner-command", f"{RUNNER} --categorize", "--supervisor", "local"]
    assert host.call("start-atvm-run-watcher.sh", *words).returncode == 0
    cancel = [
        *("timeout", "60", "env", "A=1", "B=2", "C=3"),
        *(str(BIN / "cancel-atvm-runner.sh"), "--build-name", BUILD),
    ]
    cancelled = completed(cancel, cwd=host.workdir, env=host.environ)

    assert cancelled.returncode == 0, cancelled.stderr
    assert "no runner is running" in cancelled.stderr


# --- --check and help of the halves ---


def test_check_starts_nothing_in_either_half(host: Controller) -> None:
    words = ["--build-name", BUILD, "--runner-command", f"{RUNNER} --categorize", "--supervisor", "local"]
    for wrapper in ("start-atvm-run.sh", "start-atvm-run-watcher.sh", "start-atvm-runner.sh"):
        checked = host.call(wrapper, *words, "--categorize", "--check")
        assert checked.returncode == 0, checked.stderr
        assert "all checks passed; nothing was started" in checked.stdout
        assert host.builds() == []


def test_check_with_attach_starts_no_watcher(host: Controller) -> None:
    host.run(template=None, runner="true", build="over", categorize=False)
    before = host.record("watcher.json", "over")
    checked = host.call("start-atvm-run-watcher.sh", "--attach", "--check", "--build-name", "over")

    assert checked.returncode == 0, checked.stderr
    assert host.record("watcher.json", "over") == before


def test_check_does_not_refuse_what_the_template_may_still_fix(tmp_path: Path) -> None:
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


@pytest.mark.host
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


@pytest.mark.host
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
