"""The alerts after a component dies: each row of the table in docs/reliability.md, on a real systemd, with its times."""

from collections.abc import Iterator

import pytest

from tests.support.project import BUILD
from tests.support.waiting import wait_for
from tests.systemd.controller_host import PACKAGE, RUNNER_UNIT, SECRET, STATE, WATCHER, ControllerHost
from tests.systemd.stopwatch import ALERTS, Stopwatch, alerted

FOREVER = "sleep 300"
WATCHDOG_S = 15


@pytest.fixture
def forget(host: ControllerHost) -> Iterator[list[str]]:
    """Builds to end after the test, regardless of its result."""
    builds: list[str] = []
    yield builds
    for build in builds:
        host.pipeline("cancel", "--runner", build)
        host.run("systemctl", "reset-failed", check=False)


def drop_in(host: ControllerHost, unit: str, text: str) -> None:
    """Change a setting of one instance before it starts."""
    host.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
    host.run("systemctl", "daemon-reload")


# --- the runner ---


def test_a_killed_runner_is_terminated_by_its_signal(host: ControllerHost, clock: Stopwatch) -> None:
    build = "killed-e2e-redhat9.6-fc"
    host.start(build, runner=FOREVER)
    host.run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=main", RUNNER_UNIT.format(build))
    clock.died()
    clock.told(alerted(host, build, "TERMINATED"), "runner killed: alert", 15)
    state = host.await_end(build)
    record = host.record("runner-exit.json", build)

    assert (state["phase"], state["reason"]["code"]) == ("TERMINATED", "runner-signalled")
    assert (record["signal"], record["service_result"]) == ("SIGKILL", "signal")
    assert host.posts(build=build) == []


def test_a_runner_that_is_asked_to_stop_is_distinguished_from_one_that_is_killed(
    host: ControllerHost, clock: Stopwatch
) -> None:
    """It handles SIGTERM and exits with 0: only `stop.json` shows the stop."""
    build = "stopped-e2e-redhat9.6-fc"
    host.start(build, runner="trap 'exit 0' TERM; while :; do sleep 0.1; done")
    host.run(f"{PACKAGE}/bin/cancel-atvm-runner.sh", "--build-name", build)
    clock.died()
    clock.told(alerted(host, build, "TERMINATED"), "runner stopped: alert", 15)
    state = host.await_end(build)

    assert (state["phase"], state["reason"]["code"]) == ("TERMINATED", "runner-stopped")
    assert host.record("runner-exit.json", build)["exit_code"] == 0
    assert host.record("stop.json", build)["who"] == "root"


def test_systemctl_stop_is_a_requested_stop_too(host: ControllerHost) -> None:
    build = "unit-stopped-e2e-redhat9.6-fc"
    host.start(build, runner="trap 'exit 0' TERM; while :; do sleep 0.1; done")
    host.run("systemctl", "stop", RUNNER_UNIT.format(build))
    state = host.await_end(build)

    assert (state["phase"], state["reason"]["code"]) == ("TERMINATED", "runner-stopped")
    assert "SIGTERM" in host.record("stop.json", build)["who"]


def test_an_out_of_memory_kill_is_distinguished_from_the_exit_record(
    host: ControllerHost, clock: Stopwatch
) -> None:
    """Not every test host allows a memory limit: systemd's result is put into the environment of ExecStopPost=."""
    build = "oom-e2e-redhat9.6-fc"
    stopped = f"{PACKAGE}/bin/run-atvm-runner.sh --stopped {build}"
    word = "SERVICE_RESULT=oom-kill EXIT_CODE=killed EXIT_STATUS=KILL"
    drop_in(
        host,
        RUNNER_UNIT.format(build),
        f"[Service]\nExecStopPost=\nExecStopPost=/usr/bin/env {word} {stopped}\n",
    )
    host.start(build, runner=FOREVER)
    host.run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=main", RUNNER_UNIT.format(build))
    clock.died()
    clock.told(alerted(host, build, "TERMINATED"), "runner out of memory: alert", 15)
    state = host.await_end(build)

    assert (state["phase"], state["reason"]["code"]) == ("TERMINATED", "out-of-memory")


def test_a_child_that_outlives_the_command_is_waited_for(host: ControllerHost, clock: Stopwatch) -> None:
    build = "orphan-e2e-redhat9.6-fc"
    orphan = host.held(build, "touch /srv/orphan-ended")
    host.start(build, runner=f"({orphan}) & exit 0")
    runner = host.record("runner.json", build)["command_pid"]
    wait_for(lambda: host.run("test", "-e", f"/proc/{runner}", check=False).returncode, "the command's end")
    wait_for(lambda: host.state(build)["phase"] == "RUNNING", "a run that continues")
    record = host.record("runner-exit.json", build)
    host.let_go(build)
    state = host.await_end(build)

    assert record == {}
    assert host.run("test", "-e", "/srv/orphan-ended", check=False).returncode == 0
    assert host.record("runner-exit.json", build)["exit_code"] == 0
    assert state["phase"] == "FAILED"
    assert len(host.posts(build=build)) == 1


def test_a_wrapper_that_is_killed_with_a_tree_leaves_a_record_before_any_process_decides(
    host: ControllerHost,
) -> None:
    """systemd ends the remaining processes of the control group, then `ExecStopPost=` writes. A slow one is waited for."""
    build = "slow-end-e2e-redhat9.6-fc"
    stopped = f"{PACKAGE}/bin/run-atvm-runner.sh --stopped {build}"
    drop_in(
        host,
        RUNNER_UNIT.format(build),
        f"[Service]\nExecStopPost=\nExecStopPost=/usr/bin/sleep 6\nExecStopPost={stopped}\n",
    )
    host.start(build, runner="sleep 300 & sleep 301")
    host.run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=main", RUNNER_UNIT.format(build))
    state = host.await_end(build)
    left = host.run("pgrep", "-f", "sleep 30[01]", check=False).stdout

    assert (state["phase"], state["reason"]["code"]) == ("TERMINATED", "runner-signalled")
    assert "runner-vanished" not in host.read(f"{STATE}/{build}/journal.jsonl")
    assert left == ""


# --- the watcher ---


def test_a_killed_watcher_is_started_again_and_continues(host: ControllerHost, clock: Stopwatch) -> None:
    host.hold("ubuntu24.04")
    host.start(BUILD)
    # Sent and recorded: a kill in between would rightly leave a marked repeat.
    wait_for(
        lambda: '"sent"' in host.read(f"{STATE}/{BUILD}/state.json"), "the first group's message is recorded"
    )
    first = host.watcher_pid()
    host.run("kill", "-KILL", str(first))
    clock.died()
    clock.told(
        lambda: (
            host.watcher_pid() not in (0, first) and host.unit(WATCHER.format(BUILD))["SubState"] == "running"
        ),
        "watcher killed: watching again",
        10,
    )
    host.let_go("ubuntu24.04")
    state = host.await_end()
    texts = host.posts(build=BUILD)

    assert state["phase"] == "COMPLETED"
    assert '"resumed":true' in host.read(f"{STATE}/{BUILD}/journal.jsonl")
    unmarked = [text for text in texts if "duplicate" not in text]
    assert len(unmarked) <= 3 <= len(texts)


def test_a_watcher_that_stands_still_is_replaced_by_its_watchdog(
    host: ControllerHost, clock: Stopwatch, forget: list[str]
) -> None:
    """The unit's own limit is two minutes; here it is five times as long as the loop waits for a hint."""
    build = "standing-still-fc"
    forget.append(build)
    drop_in(host, WATCHER.format(build), f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
    host.start(build, runner=FOREVER)
    first = host.watcher_pid(build)
    # A healthy watcher pings although nothing happens.
    pings: set[str] = set()

    def has_pinged() -> bool:
        pings.add(host.unit(WATCHER.format(build))["WatchdogTimestampMonotonic"])
        return len(pings) > 2

    wait_for(has_pinged, "a ping after another")
    assert host.watcher_pid(build) == first
    host.run("kill", "-STOP", str(first))
    clock.died()
    clock.told(
        lambda: (
            host.watcher_pid(build) not in (0, first)
            and host.unit(WATCHER.format(build))["SubState"] == "running"
        ),
        f"watcher stopped dead, limit {WATCHDOG_S} s: watching again",
        WATCHDOG_S + 17,
    )

    assert host.state(build)["phase"] == "RUNNING"
    assert "watchdog" in host.log(WATCHER.format(build)).lower()


def test_a_crash_loop_ends_in_failed_and_is_reported(
    host: ControllerHost, clock: Stopwatch, forget: list[str]
) -> None:
    build = "crash-loop-fc"
    forget.append(build)
    host.start(build, runner=FOREVER)
    unit = WATCHER.format(build)
    clock.died()

    def killed_for_good() -> bool:
        pid = host.watcher_pid(build)
        if pid:
            host.run("kill", "-KILL", str(pid), check=False)
        return host.unit(unit)["ActiveState"] == "failed"

    clock.told(killed_for_good, "watcher crash loop: unit failed", 40)
    clock.told(alerted(host, build, "the watcher died"), "watcher crash loop: alert", 50)
    (text,) = host.posts(ALERTS, build)
    live = host.pipeline("status", build, "--json").stdout

    assert "the runner is still running, unwatched" in text
    assert "--attach --build-name" in text
    assert '"watcher": false' in live or '"watcher":false' in live
    assert unit in host.failed()
    assert host.unit(RUNNER_UNIT.format(build))["ActiveState"] == "active"
    # The instructions in the alert solve the problem.
    host.run(f"{PACKAGE}/bin/start-atvm-run-watcher.sh", "--attach", "--build-name", build, cwd="/root")
    assert host.unit(unit)["ActiveState"] == "active"


# --- the environment ---


def test_a_webhook_that_was_down_for_the_complete_run_gets_its_messages_later(
    host: ControllerHost, clock: Stopwatch
) -> None:
    build = "webhook-down-e2e-redhat9.6-fc"
    host.stop_receiving()
    host.start(build, runner="sleep 1")
    wait_for(lambda: host.state(build).get("phase") == "FAILED", "the verdict")
    waiting = host.unit(WATCHER.format(build))
    host.receive()
    clock.died()
    clock.told(lambda: host.posts(build=build), "webhook back after a short time: message", 20)
    state = host.await_end(build)

    assert waiting["ActiveState"] == "active"
    assert "not delivered yet" in waiting["StatusText"]
    assert state["subruns"][0]["post"]["outcome"] == "sent"
    assert [text for text in host.posts(build=build) if "duplicate" in text] == []


def test_messages_that_are_rejected_are_named_by_the_watcher_and_by_its_failure_unit(
    host: ControllerHost, clock: Stopwatch, forget: list[str]
) -> None:
    build = "refused-e2e-redhat9.6-fc"
    forget.append(build)
    host.start(build, runner="sleep 1")
    wait_for(lambda: host.state(build).get("phase") == "FAILED", "the verdict")
    clock.died()
    clock.told(
        lambda: WATCHER.format(build) in host.failed(), "messages rejected: unit of the watcher failed", 20
    )
    failure = f"atvm-run-watcher-failed@{build}.service"
    wait_for(lambda: host.unit(failure)["ActiveState"] == "inactive", "the end of the failure unit")
    told = host.run("journalctl", "--no-pager", "--output=cat", "-u", failure).stdout
    logged = host.run("journalctl", "--no-pager", "--output=cat", "-u", WATCHER.format(build)).stdout

    assert (
        f"{build} has ended (FAILED); 1 message was rejected (the server refuses the message: the webhook may not write "
        "to that channel). Check webhook and channel with: "
    ) in told
    assert f"atvm-pipeline resend {build}" in told
    lines = logged.splitlines()
    (rejected,) = [line for line in lines if line.startswith("message of ")]
    assert " rejected (status 403): the server refuses the message" in rejected
    assert f"atvm-pipeline resend {build}" in rejected
    assert [
        line.split(":")[0] for line in lines if line.startswith(("watching ", "run ended", "finished"))
    ] == [
        f"watching {build} (run {host.state(build)['run_id']})",
        "run ended",
        "finished",
    ]
    assert [text for text in host.posts(ALERTS, build) if "rejected" in text]


def test_no_alert_and_no_log_holds_the_secret(host: ControllerHost) -> None:
    """Last in this module: after all these deaths."""
    log = host.run("journalctl", "--no-pager", "--output=export").stdout

    assert SECRET not in log
    assert [text for text in host.posts(ALERTS) if SECRET in text] == []
