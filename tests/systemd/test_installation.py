"""Install, upgrade under a watched run, roll back and remove, on a booted host; each step is checked by its results."""

import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.support.installations import INSTALLER, make_ground
from tests.support.project import ONE_HOST_BUILD as BUILD
from tests.support.waiting import DEADLINE_S, wait_for
from tests.systemd.host import Host

WATCHER = f"atvm-run-watcher@{BUILD}.service"
PACKAGE = "/opt/atvm-watcher-service"
UNITS = "/etc/systemd/system"
DROP_IN = f"{UNITS}/atvm-run-watcher@.service.d/boot.conf"


@pytest.fixture
def bare(bootable: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with only two checkouts and a directory of wheels."""
    ground = make_ground(tmp_path_factory)
    host = Host(tmp_path_factory.mktemp("bare") / "machine")
    try:
        for name in ("1.0", "2.0", "wheels"):
            shutil.copytree(ground / name, host.disk / "srv" / name)
        # A sandboxed service gets a fresh /proc, which shows the real kernel's boot, not this host's.
        drop_in = host.disk / DROP_IN.lstrip("/")
        drop_in.parent.mkdir()
        drop_in.write_text("[Service]\nBindReadOnlyPaths=/proc/sys/kernel/random/boot_id\n")
        host.boot()
        yield host
    finally:
        host.end()


def install(host: Host, version: str, *words: str) -> str:
    call = (f"/srv/{version}/bin/{INSTALLER}", "--python", sys.executable, *words)
    return host.run(*call, timeout_s=DEADLINE_S).stdout


def ours(host: Host) -> list[str]:
    """Return the files on the host that an installation may have created, without the content of a release."""
    found = host.run(
        *("find", "/opt", UNITS, "/etc/atvm-run-watcher.env", "/var/lib/atvm-run-watcher", "-maxdepth", "3"),
        *("-name", "*atvm*", "-o", "-name", "current", "-o", "-name", "releases"),
        check=False,
    ).stdout
    return sorted(found.split())


def current(host: Host) -> str:
    return host.run("readlink", f"{PACKAGE}/current").stdout.strip().removeprefix("releases/")


def command_of(host: Host) -> str:
    """Return the program of the watcher's main process; empty while there is no such process."""
    pid = host.unit(WATCHER)["MainPID"]
    return host.run("cat", f"/proc/{pid}/cmdline", check=False).stdout.split("\0")[0]


def test_install_upgrade_roll_back_and_remove_on_a_real_systemd(bare: Host) -> None:
    said = install(bare, "1.0", "--wheelhouse", "/srv/wheels")
    assert "systemd: units reloaded" in said
    assert bare.run("systemctl", "is-enabled", "atvm-run-sweep.service").stdout == "enabled\n"
    assert bare.unit(WATCHER)["LoadState"] == "loaded"
    first = current(bare)

    # A run is upgraded under its watcher, which is then killed: the unit restarts it on the release with which it started.
    bare.write("/etc/atvm-run-watcher.env", "ATVM_WATCHER_POST_PHASES=\n", 0o600)
    start = (f"{PACKAGE}/start-atvm-run.sh", "--build-name", BUILD, "--runner-command", "sleep 300")
    bare.run(*start)
    assert command_of(bare) == f"{PACKAGE}/releases/{first}/.venv/bin/python"
    assert bare.unit(WATCHER)["ActiveState"] == "active"
    install(bare, "2.0", "--wheelhouse", "/srv/wheels")
    assert current(bare).startswith("2.0-")
    before = bare.unit(WATCHER)["MainPID"]
    bare.run("systemctl", "kill", "--signal=KILL", WATCHER)
    wait_for(lambda: bare.unit(WATCHER)["MainPID"] not in ("0", before), "the watcher is started again")
    wait_for(lambda: "/releases/" in command_of(bare), "it runs from a release")
    wait_for(lambda: bare.unit(WATCHER)["ActiveState"] == "active", "it watches")
    assert command_of(bare) == f"{PACKAGE}/releases/{first}/.venv/bin/python"

    # Nothing is removed under a run.
    refused = bare.run(f"{PACKAGE}/{INSTALLER}", "--uninstall", check=False)
    assert (refused.returncode, f"run {BUILD}" in refused.stderr) == (75, True)
    bare.run(f"{PACKAGE}/cancel-atvm-runner.sh", "--build-name", BUILD)
    wait_for(lambda: bare.unit(WATCHER)["ActiveState"] == "inactive", "the run has ended")
    assert '"phase": "TERMINATED"' in bare.read(f"/var/lib/atvm-run-watcher/{BUILD}/state.json").replace(
        ':"', ': "'
    )

    # Roll back, with only the installed files, and forward again.
    bare.run(f"{PACKAGE}/{INSTALLER}", "--rollback")
    assert current(bare) == first
    told = bare.run(f"{PACKAGE}/bin/atvm-pipeline", "doctor", check=False).stdout
    assert [
        line
        for line in told.splitlines()
        if line.startswith("BAD") and "webhook" not in line and "clock" not in line and "version" not in line
    ] == []
    bare.run(f"{PACKAGE}/{INSTALLER}", "--rollback")
    assert current(bare).startswith("2.0-")

    said = bare.run(f"{PACKAGE}/{INSTALLER}", "--uninstall").stdout
    assert said.count("kept: ") == 2
    assert ours(bare) == [
        "/etc/atvm-run-watcher.env",
        "/etc/systemd/system/atvm-run-watcher@.service.d",
        "/var/lib/atvm-run-watcher",
    ]
    assert bare.unit("atvm-runner@x.service")["LoadState"] == "not-found"
    assert bare.run("systemctl", "is-enabled", "atvm-run-sweep.service", check=False).returncode != 0
    assert bare.failed() == []
