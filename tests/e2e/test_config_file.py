"""The config file of a start: a missing file refuses the start, a `specPattern` that is not certain does not."""

import subprocess
from pathlib import Path

import pytest

from tests.support.controller import CONFIG, RUNNER, TEMPLATE, Controller
from tests.support.project import BUILD
from tests.support.refused_calls import one_line

FEW = "{ e2e: { specPattern: ['cypress/e2e/cmc-e2e/check-xml-files.ts'] } }"
WORDS = ("--build-name", BUILD, "--supervisor", "local")


def start(
    host: Controller, *more: str, runner: str = "true", wrapper: str = "start-atvm-run.sh"
) -> "subprocess.CompletedProcess[str]":
    return host.call(wrapper, *WORDS, "--runner-command", runner, *more)


def assert_refused(host: Controller, answer: "subprocess.CompletedProcess[str]", *words: str) -> None:
    last = answer.stderr.splitlines()[-1]
    assert answer.returncode == 11, answer.stderr
    for word in ("preflight:", "--config-file", "--no-preflight", "nothing was started", *words):
        assert word in last
    assert not (host.state_root / BUILD).exists()


@pytest.mark.parametrize(
    "wrapper", ["start-atvm-run.sh", "start-atvm-run-watcher.sh", "start-atvm-runner.sh"]
)
@pytest.mark.parametrize("check", [(), ("--check",)])
def test_a_config_file_that_is_missing_refuses_every_start(
    check: tuple[str, ...], wrapper: str, host: Controller
) -> None:
    refused = start(host, "--config-file", "nosuch.ts", *check, wrapper=wrapper)

    one_line(refused, 11, str(host.workdir / "nosuch.ts"), "does not exist")
    assert_refused(host, refused)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("deep/er/nosuch.ts", "does not exist"),
        (f"{CONFIG}/nosuch.ts", "does not exist"),
        ("dangling.ts", "does not exist"),
        ("/nosuch.ts", "does not exist"),
        ("cypress", "is a directory"),
        ("x" * 300, "cannot be used (file name too long)"),
    ],
)
def test_whatever_is_no_file_refuses_and_is_named(name: str, words: str, host: Controller) -> None:
    (host.workdir / "dangling.ts").symlink_to("nowhere.ts")

    assert_refused(host, start(host, "--config-file", name), words)


def test_the_path_is_relative_to_the_working_directory_and_not_to_the_caller(host: Controller) -> None:
    elsewhere = host.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "here.ts").write_text("export default {}")
    words = [*WORDS, "--runner-command", "true", "--workdir", str(host.workdir), "--check"]
    refused = host.call("start-atvm-run.sh", *words, "--config-file", "here.ts", cwd=elsewhere)
    passed = host.call(
        "start-atvm-run.sh", *words, "--config-file", str(elsewhere / "here.ts"), cwd=elsewhere
    )

    assert_refused(host, refused, str(host.workdir / "here.ts"))
    assert passed.returncode == 0, passed.stderr


def test_a_template_that_writes_the_file_is_in_time_and_one_that_does_not_is_refused(
    host: Controller,
) -> None:
    words = ["--config-file", "new.ts", "--template-command"]
    checked = start(host, *words, f"cp {CONFIG} new.ts", "--check")
    refused = start(host, *words, "true")
    assert_refused(host, refused, "new.ts")
    started = start(host, *words, f"cp {CONFIG} new.ts")
    host.wait()

    assert checked.returncode == 0, checked.stderr
    assert "notice: before the template has run, the config file" in checked.stderr
    assert started.returncode == 0, started.stderr


def test_no_preflight_continues_with_a_warning(host: Controller) -> None:
    started = start(host, "--config-file", "nosuch.ts", "--no-preflight")
    host.wait()

    assert started.returncode == 0, started.stderr
    assert "warning: preflight: the config file" in started.stderr


@pytest.mark.parametrize("runner", ["cd sub && true", "bash -c 'cd sub && true'", "env -C sub true"])
def test_a_runner_that_may_run_elsewhere_is_reported_and_not_refused(runner: str, host: Controller) -> None:
    (host.workdir / "sub").mkdir()
    started = start(host, "--config-file", "nosuch.ts", runner=runner)
    host.wait()

    assert started.returncode == 0, started.stderr
    assert started.stderr.count("notice: the config file") == 1


def test_a_config_file_that_only_a_command_names_refuses_nothing(host: Controller) -> None:
    checked = start(host, "--check", runner="true --config_file nosuch.ts")

    assert (checked.returncode, "nosuch" in checked.stderr) == (0, False)


def test_the_watchers_half_with_a_template_to_come_states_that_the_file_is_missing(host: Controller) -> None:
    words = [*WORDS, "--config-file", "new.ts", "--template-command", "cp a new.ts"]
    watcher = host.call("start-atvm-run-watcher.sh", *words)
    runner = start(host, wrapper="start-atvm-runner.sh")

    assert watcher.returncode == 0, watcher.stderr
    assert "notice: before the template has run, the config file" in watcher.stderr
    one_line(runner, 11, "new.ts", "does not exist")


def test_the_runners_half_checks_the_file_that_the_waiting_watcher_was_started_with(host: Controller) -> None:
    (host.workdir / "soon-gone.ts").write_text("export default {}")
    watcher = host.call("start-atvm-run-watcher.sh", *WORDS, "--config-file", "soon-gone.ts")
    assert watcher.returncode == 0, watcher.stderr
    (host.workdir / "soon-gone.ts").unlink()
    refused = start(host, wrapper="start-atvm-runner.sh")

    one_line(refused, 11, "soon-gone.ts", "does not exist")
    assert not (host.state_root / BUILD / "runner.json").exists()


@pytest.mark.parametrize(
    "config",
    [
        f"export default process.env.GOLD ? {{ video: false }} : {FEW}",
        f"export default merge({FEW}, require('./more'))",
        "let specs = ['x.cy.ts']\nspecs = require('./specs')\nexport default { e2e: { specPattern: specs } }",
        "export default () => { switch (process.env.SET) { case 'a': return "
        + FEW
        + "; default: return b } }",
        FEW.replace("['", "gold && ['"),
        FEW.replace(" } }", ", setupNodeEvents(on, config) { return plugin(on, config) } } }"),
    ],
)
def test_a_pattern_that_is_not_certain_refuses_nothing(config: str, host: Controller) -> None:
    (host.workdir / CONFIG).write_text(f"export default {FEW}")
    certain = start(host, "--config-file", CONFIG, "--check")
    (host.workdir / CONFIG).write_text(config)
    passed = start(host, "--config-file", CONFIG, "--check")

    assert certain.returncode == 11
    assert "specPattern matches no spec of redhat9.6" in certain.stderr
    assert passed.returncode == 0, passed.stderr


@pytest.mark.parametrize(
    ("runner", "environ"),
    [
        ("npx cypress run --spec a.cy.ts", {}),
        ("npx cypress run --config specPattern=a.cy.ts", {}),
        ("true", {"CYPRESS_SPEC_PATTERN": "a.cy.ts"}),
    ],
)
def test_a_pattern_that_the_runner_may_override_refuses_nothing(
    runner: str, environ: dict[str, str], host: Controller
) -> None:
    (host.workdir / CONFIG).write_text(f"export default {FEW}")
    words = [*WORDS, "--runner-command", runner, "--config-file", CONFIG, "--check"]

    assert host.call("start-atvm-run.sh", *words, environ=environ).returncode == 0


def test_specs_are_looked_for_from_the_working_directory_too(host: Controller) -> None:
    (host.workdir / "configs").mkdir()
    (host.workdir / CONFIG).rename(host.workdir / "configs" / CONFIG)
    words = ["--config-file", f"configs/{CONFIG}", "--check"]

    assert start(host, *words).returncode == 0


def test_the_seeds_example_is_still_refused_where_its_pattern_is_stale_for_certain(tmp_path: Path) -> None:
    with Controller(tmp_path, scenario="stale-spec-pattern") as host:
        refused = host.start(runner=RUNNER + " --categorize", template=TEMPLATE)

    assert refused.returncode == 11
    assert "specPattern" in refused.stderr


@pytest.mark.parametrize(
    "runner",
    [
        f"cd . && cypress run --config-file {CONFIG}",
        f"ssh runner1 cypress run --config-file {CONFIG}",
        f"cypress run --config-file {CONFIG} --project e2e",
        f"cypress run --config-file {CONFIG} && cypress run --config-file other.ts",
    ],
)
def test_specs_are_not_certain_where_the_runner_may_run_elsewhere_or_names_two_configs(
    runner: str, host: Controller
) -> None:
    (host.workdir / CONFIG).write_text(f"export default {FEW}")
    certain = start(host, "--config-file", CONFIG, "--check", runner=f"cypress run --config-file {CONFIG}")
    assert certain.returncode == 11
    passed = start(host, "--config-file", CONFIG, "--check", runner=runner)

    assert passed.returncode == 0, passed.stderr
