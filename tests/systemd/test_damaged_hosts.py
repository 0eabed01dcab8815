"""The alerts after the disk, the unit files or the state root of a host are damaged; each test boots its own host."""

from tests.systemd.controller_host import RUNNER_UNIT, STATE, WATCHER, ControllerHost
from tests.systemd.stopwatch import ALERTS, Stopwatch, alerted


def test_a_full_disk_is_reported_at_once_and_nothing_is_lost(
    own_host: ControllerHost, clock: Stopwatch
) -> None:
    host, build = own_host, "disk-full-e2e-redhat9.6-fc"
    host.run("mkdir", "-p", STATE)
    host.run("mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", STATE)
    host.start(
        build,
        runner=host.held(build, "echo more"),
        ATVM_RUNNER_LOG="/srv/disk.log",
    )
    host.run("bash", "-c", f"cat /dev/zero >{STATE}/.filler", check=False)
    clock.died()
    host.run("bash", "-c", "echo '(Run Starting)' >>/srv/disk.log")
    clock.told(alerted(host, build, "cannot"), "disk full: alert", 30)
    status = host.unit(WATCHER.format(build))["StatusText"]
    host.run("rm", f"{STATE}/.filler")
    host.let_go(build)
    state = host.await_end(build)

    assert "no space left" in status
    assert "no space left" in host.posts(ALERTS, build)[0]
    assert state["phase"] == "FAILED"
    assert len(host.posts(build=build)) == 1


def test_unit_files_that_are_removed_in_between_do_no_harm_to_a_run(
    own_host: ControllerHost, clock: Stopwatch
) -> None:
    host, build = own_host, "units-removed-e2e-redhat9.6-fc"
    host.start(build, runner=host.held(build, "true"))
    host.run("bash", "-c", "rm /etc/systemd/system/atvm-*.service && systemctl daemon-reload")
    host.let_go(build)
    clock.died()
    clock.told(lambda: host.posts(build=build), "unit files removed: the run's own message", 20)
    refused = host.pipeline(
        "run",
        "--build-name",
        "other-fc",
        "--runner-command",
        "true",
        "--supervisor",
        "systemd",
        "--workdir",
        "/srv",
    )

    assert host.state(build)["subruns"][0]["post"]["outcome"] == "sent"
    assert refused.returncode == 69
    assert "install-atvm-watcher-service.sh" in refused.stderr


def test_a_state_root_that_is_removed_is_reported(own_host: ControllerHost, clock: Stopwatch) -> None:
    host, build = own_host, "state-removed-fc"
    host.start(build, runner="while :; do date; sleep 0.5; done", ATVM_RUNNER_LOG="/srv/removed.log")
    host.run("rm", "-r", f"{STATE}/{build}")
    clock.died()
    host.run("bash", "-c", "echo '(Run Starting)' >>/srv/removed.log")
    clock.told(alerted(host, build, "cannot write to"), "state root removed: alert", 30)

    assert host.unit(RUNNER_UNIT.format(build))["ActiveState"] == "active"
