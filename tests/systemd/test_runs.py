"""Complete runs on a real systemd: the one-shot example, the runner's environment, commands that arrive unchanged."""

import shlex
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from tests.support.controller import CONFIG
from tests.support.project import BUILD
from tests.support.waiting import wait_for
from tests.systemd.controller_host import (
    AUTOMATION,
    PACKAGE,
    RUNNER_UNIT,
    STATE,
    WATCHER,
    ControllerHost,
    one_shot,
)

DESCRIPTION = ("--template", "cmc-e2e", "--config-family", "gold", "--config-file", CONFIG)
DESCRIPTION += ("--migration-style", "ATVM end-to-end migration validation")
DESCRIPTION += ("--integration-plugin", "pure with fc", "--categorize")


def test_the_one_shot_example_runs_in_order_is_reported_and_leaves_nothing_behind(
    host: ControllerHost,
) -> None:
    host.hold("redhat9.6")
    began = host.start(BUILD, *DESCRIPTION, **one_shot())
    watcher, runner = host.unit(WATCHER.format(BUILD)), host.unit(RUNNER_UNIT.format(BUILD))
    host.let_go("redhat9.6")
    state = host.await_end()

    assert began.stdout.strip() == f"{STATE}/{BUILD}"
    assert (watcher["ActiveState"], runner["ActiveState"]) == ("active", "active")
    entered = [int(unit["ActiveEnterTimestampMonotonic"]) for unit in (watcher, runner)]
    assert entered == sorted(entered)
    assert (state["phase"], state["reason"]["code"]) == ("COMPLETED", "all-passed")
    assert [subrun["post"]["outcome"] for subrun in state["subruns"]] == ["sent"] * 3
    assert len(host.posts(build=BUILD)) == 3
    assert host.record("request.json")["supervisor"] == "systemd"
    assert host.record("runner-exit.json")["service_result"] == "success"
    assert host.pipeline("wait", BUILD).returncode == 0
    assert (
        f"atvm-run-watcher@{BUILD}.service: Deactivated" in host.pipeline("logs", BUILD, "--watcher").stdout
    )
    assert "(Run Finished)" in host.pipeline("logs", BUILD).stdout
    assert host.failed() == []


def test_systemctl_status_states_what_the_watcher_sees(host: ControllerHost) -> None:
    build = "status-fc"
    host.start(build, runner="sleep 300")
    wait_for(
        lambda: host.unit(WATCHER.format(build))["StatusText"].startswith("RUNNING: no spec ran yet"),
        "the status",
    )
    host.pipeline("cancel", "--runner", build, check=True)


def test_a_second_start_is_refused_while_the_runner_lives_and_changes_nothing(host: ControllerHost) -> None:
    build = "twice-fc"
    host.start(build, runner="sleep 300")
    first = host.record("request.json", build)
    refused = host.start(build, runner="sleep 300", check=False)
    still = host.record("request.json", build)
    active = host.unit(RUNNER_UNIT.format(build))["ActiveState"]
    host.pipeline("cancel", "--runner", build, check=True)

    assert refused.returncode == 75
    assert (still["run_id"], active) == (first["run_id"], "active")


def test_a_runner_whose_state_directory_was_removed_is_found_by_its_unit_and_stopped(
    host: ControllerHost,
) -> None:
    build = "removed-fc"
    host.start(build, runner="sleep 300")
    host.run("rm", "-r", f"{STATE}/{build}")
    refused = host.start(build, runner="sleep 300", check=False)
    stopped = host.run(f"{PACKAGE}/bin/cancel-atvm-runner.sh", "--build-name", build)
    wait_for(lambda: host.unit(RUNNER_UNIT.format(build))["ActiveState"] != "deactivating", "the unit's end")
    active = host.unit(RUNNER_UNIT.format(build))["ActiveState"]
    again = host.start(build, runner="sleep 300")
    host.pipeline("cancel", "--runner", build, check=True)

    assert refused.returncode == 75
    assert (
        f"unit {RUNNER_UNIT.format(build)}), but its state directory {STATE}/{build} was removed"
        in refused.stderr
    )
    assert f"cancel-atvm-runner.sh --build-name {build}" in refused.stderr
    assert "runner stopped (process " in stopped.stderr
    assert active in ("inactive", "failed")
    assert again.stdout.strip() == f"{STATE}/{build}"


def test_a_stale_watcher_is_stopped_before_a_new_run_of_its_name(host: ControllerHost) -> None:
    """The first run's message waits for a receiver that does not exist; its watcher waits with it."""
    build = "stale-fc"
    host.stop_receiving()
    host.start(build, runner="python3 -c 'print(1)'")
    first = host.watcher_pid(build)
    again = host.start(build, runner="sleep 300")
    second = host.watcher_pid(build)
    host.pipeline("cancel", "--runner", build, check=True)
    host.receive()

    assert first not in (0, second)
    assert "delivered" in again.stderr or "judged" in again.stderr


def test_the_runner_has_the_starters_environment_and_no_secret(host: ControllerHost) -> None:
    build = "environment-fc"
    host.start(
        build,
        runner="env >/srv/environment; pwd >/srv/directory",
        PATH="/opt/node/bin:/usr/bin:/bin",
        NODE_OPTIONS="--max-old-space-size=4096",
        CYPRESS_CACHE_FOLDER="/root/.cache/Cypress",
        EXTRA="passed on",
        HIDDEN="not passed on",
        ATVM_RUNNER_PASS="EXTRA",
    )
    host.await_end(build)
    got = dict(line.partition("=")[::2] for line in host.read("/srv/environment").splitlines())

    assert got["PATH"] == "/opt/node/bin:/usr/bin:/bin"
    assert (got["HOME"], got["USER"], got["LANG"]) == ("/root", "root", "C.UTF-8")
    assert (got["NODE_OPTIONS"], got["EXTRA"]) == ("--max-old-space-size=4096", "passed on")
    assert got["CYPRESS_CACHE_FOLDER"] == "/root/.cache/Cypress"
    assert [name for name in got if name.startswith("MATTERMOST") or name == "HIDDEN"] == []
    assert host.unit(RUNNER_UNIT.format(build))["LimitNOFILE"] == "65536"
    assert host.read("/srv/directory").strip() == AUTOMATION


NASTY = "'\"\\$%`!*?[]{}()<>|&;#~=@:, \t\nä✔😀%i%n${HOME}"
ARGUMENTS = st.lists(
    st.one_of(
        st.text(st.sampled_from(NASTY), max_size=12),
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12),
    ),
    min_size=8,
    max_size=20,
)


@settings(
    max_examples=4,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(arguments=ARGUMENTS)
def test_a_command_reaches_the_runner_exactly_as_it_was_given(
    host: ControllerHost, arguments: list[str]
) -> None:
    build = "exact-fc"
    command = shlex.join(["printf", "%s\\0", *arguments]) + " >/srv/arguments"
    host.start(build, runner=command)
    host.await_end(build)

    assert host.record("request.json", build)["runner_command"] == command
    assert host.read("/srv/arguments").split("\0")[:-1] == arguments


def test_the_halves_of_a_start_work_with_units_too(host: ControllerHost) -> None:
    build = "halves-fc"
    host.run(f"{PACKAGE}/bin/start-atvm-run-watcher.sh", "--build-name", build, cwd=AUTOMATION)
    waiting = host.state(build)["phase"]
    host.run(
        f"{PACKAGE}/bin/start-atvm-runner.sh",
        "--build-name",
        build,
        "--runner-command",
        "sleep 300",
        cwd=AUTOMATION,
    )
    active = host.unit(RUNNER_UNIT.format(build))["ActiveState"]
    host.pipeline("cancel", "--runner", build, check=True)

    assert (waiting, active) == ("PENDING", "active")


def test_ten_runs_at_once_in_one_automation_root_are_each_decided_by_their_own(
    own_host: ControllerHost,
) -> None:
    """All ten write the same report files; every second one has a failing test."""
    host = own_host
    scenarios = ("all-green", "failing-test") * 5
    builds = {f"e{number}-redhat9.6-ubuntu24.04-w2k25-fc": name for number, name in enumerate(scenarios)}

    def start(build: str) -> None:
        # No run rewrites the config file here, and the hosts of the stand-in can run several tests at once.
        host.start(
            build,
            "--categorize",
            "--share-config",
            "--share-hosts",
            ATVM_STAND_IN_SCENARIO=builds[build],
            ATVM_STAND_IN_SPEED="0.6",
        )

    host.hold("redhat9.6")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, builds))
    active = [host.unit(WATCHER.format(build))["ActiveState"] for build in builds]
    host.let_go("redhat9.6")
    states = {build: host.await_end(build) for build in builds}

    assert active == ["active"] * 10
    for build, scenario in builds.items():
        phase = "COMPLETED" if scenario == "all-green" else "FAILED"
        subruns = [subrun["phase"] for subrun in states[build]["subruns"]]
        assert subruns == ["COMPLETED", phase, "COMPLETED"]
        assert states[build]["phase"] == phase
        # A message of another run names this one too, if a report may belong to both.
        groups = [
            line
            for text in host.posts(build=build)
            for line in text.splitlines()
            if line.startswith("Group ")
        ]
        assert len([line for line in groups if f"`{build}`" in line]) == 3
    assert host.failed() == []


def test_a_runner_that_is_started_by_hand_is_found_from_within_the_sandbox(host: ControllerHost) -> None:
    build = "by-hand-redhat9.6-ubuntu24.04-w2k25-fc"
    host.run(f"{PACKAGE}/bin/start-atvm-run-watcher.sh", "--build-name", build, cwd=AUTOMATION)
    log = f"{STATE}/{build}/runner.log"
    command = f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name {build} >{log} 2>&1"
    host.run("bash", "-c", command, cwd=AUTOMATION, environ={"ATVM_STAND_IN_SPEED": "5"})
    state = host.await_end(build)

    assert state["phase"] == "COMPLETED"
    assert '"type":"runner-started"' in host.read(f"{STATE}/{build}/journal.jsonl")
