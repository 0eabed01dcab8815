"""The units as systemd sees them: without warnings, sandboxed as far as possible, and without the secret anywhere."""

import re

import pytest

from tests.support.waiting import wait_for
from tests.systemd.controller_host import (
    ENV_FILE,
    RUNNER_UNIT,
    SECRET,
    STATE,
    SWEEP,
    WATCHER,
    ControllerHost,
)

UNITS = (
    "atvm-run-watcher@e2e-redhat9.6-fc.service",
    "atvm-runner@e2e-redhat9.6-fc.service",
    "atvm-run-watcher-failed@e2e-redhat9.6-fc.service",
    SWEEP,
    # systemd-analyze alone has its own meaning of a colon in a name.
    "atvm-run-deliver@e2e-redhat9.6-fc@2026-11-24.service",
)
EXPOSURE_MAX = {UNITS[0]: 1.7, UNITS[2]: 2.0, UNITS[3]: 1.5, UNITS[4]: 1.7}
"""The runner has no sandbox: its command is the user's own program."""


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_reports_nothing_about_a_unit(host: ControllerHost, unit: str) -> None:
    verified = host.run("systemd-analyze", "verify", "--man=no", unit, check=False)

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@pytest.mark.parametrize("unit", EXPOSURE_MAX)
def test_a_unit_of_this_program_is_exposed_no_more_than_its_job_needs(
    host: ControllerHost, unit: str
) -> None:
    answer = host.run("systemd-analyze", "security", "--no-pager", unit).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", answer)

    assert found is not None
    assert float(found[1]) <= EXPOSURE_MAX[unit], answer


def test_the_sweep_alone_is_enabled(host: ControllerHost) -> None:
    listed = host.run("systemctl", "list-unit-files", "--no-legend", "--no-pager", "atvm-*").stdout
    states = {line.split()[0]: line.split()[1] for line in listed.splitlines()}

    assert states.pop(SWEEP) == "enabled"
    assert set(states.values()) == {"static"}


def test_the_sandboxed_watcher_reads_what_root_keeps_to_itself_and_sees_the_runners_tree(
    host: ControllerHost,
) -> None:
    build = "e2e-redhat9.6-fc"
    host.write(
        "/root/private/inventory.md",
        "| host | kernel |\n| --- | --- |\n| redhat9.6 | 5.14.0-private |\n",
        0o600,
    )
    host.run("chmod", "700", "/root/private")
    host.start(
        build,
        ATVM_STAND_IN_SCENARIO="hang-without-cause",
        ATVM_WATCHER_INVENTORY="/root/private/inventory.md",
        ATVM_RUNNER_LOG="/root/private/runner.log",
    )
    journal = f"{STATE}/{build}/journal.jsonl"
    wait_for(lambda: '"role":"browser"' in host.read(journal), "the browser is seen")
    wait_for(lambda: '"log-read"' in host.read(journal), "the log is read")
    mode = host.run("stat", "-c", "%a", "/root/private/inventory.md").stdout.strip()
    events = host.read(journal)
    host.pipeline("cancel", "--runner", build, check=True)

    assert mode == "600"
    assert "5.14.0-private" in events


def test_the_sandboxed_watcher_reads_a_log_in_tmp(host: ControllerHost) -> None:
    build = "tmp-fc"
    host.start(build, runner="echo '(Run Starting)'; sleep 300", ATVM_RUNNER_LOG="/tmp/of-mine.log")
    wait_for(lambda: '"log-read"' in host.read(f"{STATE}/{build}/journal.jsonl"), "the log is read")
    host.pipeline("cancel", "--runner", build, check=True)


def test_the_secret_is_nowhere_but_in_its_file(host: ControllerHost) -> None:
    build = "secret-fc"
    host.start(build, runner="sleep 300")
    units = [
        WATCHER.format(build),
        RUNNER_UNIT.format(build),
        f"atvm-run-watcher-failed@{build}.service",
        SWEEP,
    ]
    shown = host.run("systemctl", "show", *units).stdout
    argv = host.run("bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    runner = host.unit(RUNNER_UNIT.format(build))["MainPID"]
    environ = host.run("bash", "-c", f"cat /proc/{runner}/environ").stdout
    host.pipeline("cancel", "--runner", build, check=True)
    log = host.run("journalctl", "--no-pager", "--output=export").stdout
    held = host.run("grep", "-rl", SECRET, STATE, "/etc", check=False).stdout.split()

    assert [where for where in (shown, argv, environ, log) if SECRET in where] == []
    assert held == ["/etc/atvm-run-watcher.env"]


def test_a_credential_takes_the_place_of_the_secret_in_the_file(own_host: ControllerHost) -> None:
    host, build = own_host, "credential-fc"
    webhook, *others = ENV_FILE.splitlines()
    host.write("/etc/credstore/mattermost-atvm-webhook", webhook.partition("=")[2] + "\n", 0o600)
    host.write("/etc/atvm-run-watcher.env", "\n".join(others) + "\n", 0o600)
    host.start(build, runner=host.held(build, "exit 1"))
    environ = host.run("bash", "-c", f"cat /proc/{host.watcher_pid(build)}/environ").stdout
    host.let_go(build)
    state = host.await_end(build)

    assert SECRET not in environ
    assert state["subruns"][0]["post"]["outcome"] == "sent"
    assert len(host.posts(build=build)) == 1
