"""End-to-end installer tests: releases with their own environments in a temporary root, offline, upgraded during a run."""

import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atvm_pipeline.shell.system.files import locked
from tests.support.controller import Controller
from tests.support.installations import (
    INSTALLER,
    WRAPPERS,
    call,
    copy_of_the_checkout,
    done,
    environ,
    install,
    make_ground,
)
from tests.support.project import BUILD, PROJECT
from tests.support.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.timeout(300)
"""The first test creates environments and collects wheels."""


def listing(root: Path) -> list[str]:
    return sorted(
        f"{path.relative_to(root)} {path.lstat().st_mode:o} {path.lstat().st_mtime_ns}"
        for path in root.rglob("*")
        if "__pycache__" not in path.parts
    )


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ground(tmp_path_factory)


@pytest.fixture
def root(ground: Path, tmp_path: Path) -> Path:
    """Return a separate controller: release 2.0 is current, and 1.0 is the previous one."""
    copy = tmp_path / "controller"
    return Path(shutil.copytree(ground / "root", copy, symlinks=True, copy_function=copied_or_linked))


def copied_or_linked(source: str, target: str) -> None:
    """Copy a file. An installed package is linked instead: nothing writes to it, and it has thousands of files."""
    if "/site-packages/" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def package(root: Path) -> Path:
    return root / "opt/atvm-watcher-service"


def releases(root: Path) -> list[str]:
    return sorted(path.name for path in (package(root) / "releases").iterdir())


def target(root: Path, link: str) -> str:
    return os.readlink(package(root) / link).removeprefix("releases/")


def test_it_states_what_it_did_in_a_few_lines(ground: Path) -> None:
    first = (ground / "first-said").read_text().splitlines()[1:]
    second = (ground / "second-said").read_text().splitlines()[1:]

    assert [line.split(":")[0] for line in first] == [
        *("release", "links", "commands", "current", "units", "environment", "state", "next"),
    ]
    assert [line.split(":")[0] for line in second] == ["release", "current", "next"]
    assert re.fullmatch(r"current: 2\.0-[0-9a-f]{10} \(was 1\.0-[0-9a-f]{10}\)", second[1])


def test_a_link_per_wrapper_is_at_the_root_and_leads_into_the_current_release(root: Path) -> None:
    entries = {path.name for path in package(root).iterdir()}

    assert entries == {*WRAPPERS, "bin", "current", "previous", "releases"}
    assert target(root, "current").startswith("2.0-")
    assert target(root, "previous").startswith("1.0-")
    assert all((package(root) / name).resolve().parent.name == "bin" for name in WRAPPERS)


def test_the_commands_are_on_the_path_by_links_to_the_current_release(root: Path) -> None:
    commands = root / "usr/local/bin"
    names = {path.name for path in commands.iterdir()}
    version = done(call("/bin/sh", "-c", f"PATH={commands}:$PATH atvm-pipeline --version"))

    assert names == {"atvm-pipeline", *(name for name in WRAPPERS if name.endswith(".sh"))}
    assert {path.resolve().parent for path in commands.iterdir()} == {
        package(root).resolve() / "releases" / target(root, "current") / "bin"
    }
    assert version == f"atvm-pipeline 2.0 (release {target(root, 'current')})\n"


def test_a_command_of_another_program_is_neither_replaced_nor_removed(ground: Path, root: Path) -> None:
    taken = root / "usr/local/bin/start-atvm-run.sh"
    taken.unlink()
    taken.write_text("of another program")

    said = done(install(ground / "2.0", root, "--wheelhouse", ground / "wheels"))
    removed = done(install(ground / "2.0", root, "--uninstall"))

    assert (
        f"kept: {taken} is not from this installer; type {package(root)}/bin/start-atvm-run.sh instead"
        in said
    )
    assert "commands: removed atvm-pipeline, " in removed
    assert [path.name for path in taken.parent.iterdir()] == ["start-atvm-run.sh"]
    assert taken.read_text() == "of another program"


def test_a_missing_command_is_found_by_doctor_and_made_again(ground: Path, root: Path) -> None:
    link = root / "usr/local/bin/atvm-pipeline"
    link.unlink()

    finding = doctor(PROJECT, root)["commands"]
    said = done(install(ground / "2.0", root, "--wheelhouse", ground / "wheels"))

    assert not finding["ok"]
    assert finding["text"] == f"missing links in {link.parent}: atvm-pipeline"
    assert f"commands: atvm-pipeline in {link.parent}\n" in said
    assert link.is_symlink()


def test_every_entry_runs_the_current_release(root: Path) -> None:
    version = done(call(package(root) / "bin" / "atvm-pipeline", "--version"))
    helped = done(call(package(root) / "start-atvm-run.sh", "--help"))
    watched = done(call(package(root) / "atvm_run_watcher.py", "--help"))

    assert version == f"atvm-pipeline 2.0 (release {target(root, 'current')})\n"
    assert helped.startswith("usage: start-atvm-run.sh")
    assert watched.startswith("usage: atvm_run_watcher.py BUILD")


def test_units_environment_file_and_state_root_are_laid_with_their_modes(root: Path) -> None:
    units = {path.name: path.read_bytes() for path in (root / "etc/systemd/system").iterdir()}

    assert units == {path.name: path.read_bytes() for path in (PROJECT / "units").glob("*.service")}
    assert stat.S_IMODE((root / "etc/atvm-run-watcher.env").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "var/lib/atvm-run-watcher").stat().st_mode) == 0o700


def test_a_second_installation_of_the_same_content_changes_nothing(ground: Path, root: Path) -> None:
    before = listing(root)

    said = done(install(ground / "2.0", root, "--wheelhouse", ground / "wheels"))

    assert said == f"nothing to do: {target(root, 'current')} is installed in {package(root)}\n"
    assert listing(root) == before


def test_a_dry_run_writes_nothing_and_prints_the_same(ground: Path, tmp_path: Path) -> None:
    said = done(install(ground / "1.0", tmp_path, "--wheelhouse", ground / "wheels", "--dry-run"))
    first = (ground / "first-said").read_text().splitlines()[1:-1]

    assert list(tmp_path.iterdir()) == []
    assert said.replace(str(tmp_path), str(ground / "root")).splitlines() == [
        f"dry run: {line}" for line in first
    ]


def test_an_environment_file_that_is_there_is_never_touched(ground: Path, root: Path) -> None:
    file = root / "etc/atvm-run-watcher.env"
    file.write_text("MATTERMOST_ATVM_WEBHOOK=https://chat.example/hooks/secret\n")
    file.chmod(0o640)
    before = (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_mode)

    said = done(install(ground / "1.0", root, "--wheelhouse", ground / "wheels"))

    assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_mode) == before
    assert "secret" not in said


def test_files_in_the_way_are_moved_aside_and_named(ground: Path, root: Path) -> None:
    wrapper = package(root) / "start-atvm-run.sh"
    wrapper.unlink()
    wrapper.write_text("an earlier hand-made one\n")
    unit = root / "etc/systemd/system/atvm-runner@.service"
    unit.write_text("[Unit]\nDescription=changed by hand\n")

    said = done(install(ground / "2.0", root, "--wheelhouse", ground / "wheels"))

    kept = {path.name: path.read_text() for path in (package(root) / "replaced").rglob("*") if path.is_file()}
    assert kept == {
        "start-atvm-run.sh": "an earlier hand-made one\n",
        "atvm-runner@.service": "[Unit]\nDescription=changed by hand\n",
    }
    assert said.count("kept: ") == 2
    assert wrapper.is_symlink()
    assert unit.read_bytes() == (PROJECT / "units/atvm-runner@.service").read_bytes()


def test_a_rollback_goes_back_with_units_and_all_and_again_forward(ground: Path, root: Path) -> None:
    one, two = target(root, "previous"), target(root, "current")

    done(install(ground / "2.0", root, "--rollback"))
    back = (target(root, "current"), target(root, "previous"))
    version = done(call(package(root) / "bin/atvm-pipeline", "--version"))
    # This runs from the installed release itself: no checkout is needed.
    done(call(package(root) / INSTALLER, "--root", root, "--rollback"))

    assert back == (one, two)
    assert version == f"atvm-pipeline 1.0 (release {one})\n"
    assert (target(root, "current"), target(root, "previous")) == (two, one)


def test_a_release_whose_modules_have_other_names_can_be_rolled_back_to(ground: Path, root: Path) -> None:
    one = target(root, "previous")
    delivery = package(root) / "releases" / one / "atvm_pipeline/shell/delivery"
    (delivery / "http.py").rename(delivery / "transport.py")

    done(install(ground / "2.0", root, "--rollback"))

    assert target(root, "current") == one


def test_an_installation_that_was_cut_short_leaves_the_current_release_as_it_was(
    ground: Path, root: Path
) -> None:
    """Killed while creating the environment: the remains are not a release, and the next installation deletes them."""
    before = (target(root, "current"), target(root, "previous"))
    half = copy_of_the_checkout(root.parent / "3.0", "3.0")
    process = subprocess.Popen(
        [
            half / "bin" / INSTALLER,
            "--python",
            sys.executable,
            "--root",
            root,
            "--wheelhouse",
            ground / "wheels",
        ],
        env=environ(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: list((package(root) / "releases").glob("3.0-*/.venv")), "the environment to be started")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = releases(root)
    version = done(call(package(root) / "bin/atvm-pipeline", "--version"))
    done(install(ground / "2.0", root, "--wheelhouse", ground / "wheels"))

    assert len(left) == 3
    assert version == f"atvm-pipeline 2.0 (release {target(root, 'current')})\n"
    assert (target(root, "current"), target(root, "previous")) == before
    assert len(releases(root)) == 2


def old_release(root: Path, name: str, age: int) -> Path:
    """Create a release that was installed before all others according to its record."""
    folder = package(root) / "releases" / name
    folder.mkdir()
    record = json.loads((package(root) / "current" / "release.json").read_text())
    record.update(installed_at=f"2020-01-{28 - age:02d}T00:00:00Z", content=name)
    (folder / "release.json").write_text(json.dumps(record))
    return folder


def test_the_last_three_releases_are_kept_and_one_in_use_is_never_pruned(ground: Path, root: Path) -> None:
    old = [old_release(root, f"0.{age}-old", age) for age in range(1, 6)]
    state = root / "var/lib/atvm-run-watcher"
    (state / ".locks").mkdir(parents=True)
    (state / BUILD).mkdir()
    (state / BUILD / "request.json").write_text(json.dumps({"release": str(old[2].resolve())}))
    process = subprocess.Popen(["bash", "-c", f"exec -a {old[4]}/.venv/bin/python sleep 300"])
    with (state / ".locks" / f"{BUILD}.watcher").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wait_for(lambda: str(old[4]) in Path(f"/proc/{process.pid}/cmdline").read_text(), "the process")
        said = done(install(ground / "2.0", root, "--wheelhouse", ground / "wheels"))
    process.kill()
    process.wait()

    newest = {target(root, "current"), target(root, "previous"), "0.1-old"}
    assert set(releases(root)) == newest | {"0.3-old", "0.5-old"}
    assert f"kept: 0.3-old is in use by run {BUILD}\n" in said
    assert f"kept: 0.5-old is in use by process {process.pid}\n" in said
    assert "pruned: 0.2-old\n" in said


def test_a_run_finishes_on_the_release_that_it_started_with_restarts_included(
    ground: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(ground / "root", tmp_path / "controller", symlinks=True))
    done(install(ground / "2.0", root, "--rollback"))
    one = package(root).resolve() / "releases" / target(root, "current")
    with Controller(tmp_path / "host") as host:

        def watcher() -> int:
            pid = int(host.record("watcher.json")["pid"])
            return pid if Path(f"/proc/{pid}").exists() else 0

        started = call(
            package(root) / "start-atvm-run.sh",
            *("--build-name", BUILD, "--workdir", host.workdir, "--supervisor", "local"),
            *("--runner-command", "sleep 300"),
            **{
                name: value
                for name, value in host.environ.items()
                if name.startswith(("ATVM_", "MATTERMOST_"))
            },
        )
        assert started.returncode == 0, started.stderr
        first = watcher()
        done(install(ground / "2.0", root, "--wheelhouse", ground / "wheels"))
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{first}").exists(), "the end of the watcher")
        # The watcher's unit then starts the current release's launcher.
        second = subprocess.Popen(
            [package(root) / "bin" / "atvm-pipeline", "watch", BUILD],
            env=host.environ,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: watcher() == second.pid, "the second watcher")
        commands = Path(f"/proc/{second.pid}/cmdline").read_text().split("\0")
        host.call("cancel-atvm-runner.sh", "--build-name", BUILD)
        second.wait(DEADLINE_S)

        assert host.record("request.json")["release"] == str(one)
        assert target(root, "current").startswith("2.0-")
        assert commands[0] == f"{one}/.venv/bin/python"
        assert host.state()["phase"] == "TERMINATED"


def test_removing_all_is_refused_while_a_run_lives(ground: Path, root: Path) -> None:
    locks = root / "var/lib/atvm-run-watcher/.locks"
    locks.mkdir()
    before = listing(root)
    with (locks / f"{BUILD}.runner").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = install(ground / "2.0", root, "--uninstall")
    (locks / f"{BUILD}.runner").unlink()

    assert refused.returncode == 75
    assert re.fullmatch(rf"{INSTALLER}: still running: run {BUILD}; .*\n", refused.stderr)
    assert [line for line in listing(root) if ".locks" not in line] == [
        line for line in before if ".locks" not in line
    ]


def test_removing_all_is_refused_while_messages_of_an_archived_run_are_delivered(
    ground: Path, root: Path
) -> None:
    lock = root / "var/lib/atvm-run-watcher/.archive" / BUILD / "2026-11-24T00:00:00Z" / "watcher.lock"
    lock.parent.mkdir(parents=True)
    with locked(lock):
        refused = install(ground / "2.0", root, "--uninstall")

    assert refused.returncode == 75
    assert f"still running: delivery of {BUILD}@2026-11-24T00:00:00Z; wait for the end" in refused.stderr
    assert "systemctl stop 'atvm-run-deliver@*'" in refused.stderr


def test_uninstalling_leaves_state_and_a_filled_environment_file_and_nothing_else(
    ground: Path, root: Path
) -> None:
    (root / "etc/atvm-run-watcher.env").write_text(
        "MATTERMOST_ATVM_WEBHOOK=https://chat.example/hooks/secret\n"
    )
    (root / "var/lib/atvm-run-watcher/b").mkdir()
    (root / "var/lib/atvm-run-watcher/b/state.json").write_text("{}")

    said = done(call(package(root) / INSTALLER, "--root", root, "--uninstall"))

    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
    assert left == ["etc/atvm-run-watcher.env", "var/lib/atvm-run-watcher/b/state.json"]
    assert not package(root).exists()
    assert "kept: " in said
    assert "secret" not in said


def test_purging_the_state_takes_only_what_is_a_runs(ground: Path, root: Path) -> None:
    state = root / "var/lib/atvm-run-watcher"
    for name in ("b", ".locks", ".archive/b/2020"):
        (state / name).mkdir(parents=True)
    (state / "b/request.json").write_text("{}")
    (state / "notes.txt").write_text("mine")

    done(install(ground / "2.0", root, "--uninstall", "--purge-state"))

    assert [path.name for path in state.iterdir()] == ["notes.txt"]
    assert not (root / "etc/atvm-run-watcher.env").exists()  # an unchanged template is removed
    assert done(install(ground / "2.0", root, "--uninstall")).splitlines()[0].startswith("nothing to do")


REFUSED: dict[str, tuple[Callable[[Path, Path], list[object]], int, str]] = {
    "a wheel directory without the wheels": (lambda _g, t: ["--wheelhouse", t], 69, "has no wheel of bracex"),
    "a wheel directory that does not exist": (
        lambda _g, t: ["--wheelhouse", t / "no"],
        69,
        "cannot read the wheel directory",
    ),
    "no release to go back to": (lambda _g, _t: ["--rollback"], 65, "there is no previous release"),
    "two things at once": (lambda _g, _t: ["--rollback", "--uninstall"], 64, "not allowed with"),
    "an unknown flag": (lambda _g, _t: ["--force"], 64, "--force"),
    "a purge without a removal": (lambda _g, _t: ["--purge-state"], 64, "needs --uninstall"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(
    ground: Path, tmp_path: Path, case: str
) -> None:
    words, code, text = REFUSED[case]
    refused = install(ground / "1.0", tmp_path / "root", *words(ground, tmp_path))

    assert (refused.returncode, refused.stdout) == (code, "")
    assert text in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "root").exists()


def test_a_file_in_the_place_of_a_directory_refuses_before_anything_is_written(
    ground: Path, tmp_path: Path
) -> None:
    (tmp_path / "opt").write_text("")

    refused = install(ground / "1.0", tmp_path, "--wheelhouse", ground / "wheels")

    assert refused.returncode == 73
    assert [path.name for path in tmp_path.iterdir()] == ["opt"]


IMPORT_ALL = """
import importlib, pathlib, sys
project = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(project))
for path in (project / "atvm_pipeline" / "install").glob("[!_]*.py"):
    importlib.import_module(f"atvm_pipeline.install.{path.stem}")
print(*sorted(name for name in sys.modules if name.split(".")[0] not in sys.stdlib_module_names))
"""


def test_the_installer_needs_nothing_but_a_bare_python() -> None:
    """`-S` excludes site-packages, so that an import of an installed package fails."""
    loaded = done(call(Path(sys.executable), "-I", "-S", "-B", "-c", IMPORT_ALL, PROJECT)).split()

    ours = [name for name in loaded if name.startswith("atvm_pipeline.")]
    assert set(loaded) - set(ours) <= {"__main__", "atvm_pipeline"}
    assert [
        name for name in ours if not name.startswith(("atvm_pipeline.install", "atvm_pipeline.shell.system"))
    ] == ["atvm_pipeline.core", "atvm_pipeline.core.text", "atvm_pipeline.shell"]


TOOLS = ("bash", "env", "dirname", "readlink", "sed", "tr", "head")
DISTRIBUTIONS = {
    'ID=debian\nVERSION_ID="12"\n': "apt-get install python3 python3-venv",
    'ID=ubuntu\nVERSION_ID="22.04"\nID_LIKE=debian\n': "apt-get install python3.11 python3.11-venv",
    'ID="rocky"\nVERSION_ID="9.4"\nID_LIKE="rhel centos fedora"\n': "dnf install python3.11",
    'ID="opensuse-leap"\nVERSION_ID="15.6"\nID_LIKE="suse opensuse"\n': "zypper install python311",
    "": "install the package python3.11 (or newer)",
}


@pytest.mark.parametrize("text", DISTRIBUTIONS)
def test_without_a_python_one_line_names_this_distributions_package(tmp_path: Path, text: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "os-release").write_text(text)

    refused = call(PROJECT / "bin" / INSTALLER, PATH=str(tools), OS_RELEASE_FILE=str(tmp_path / "os-release"))

    assert refused.returncode == 69
    assert f": {DISTRIBUTIONS[text]}, or name one with --python PATH\n" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_path_that_is_not_a_python_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = call(PROJECT / "bin" / INSTALLER, "--python", "/bin/true", "--root", tmp_path)
    missing = call(PROJECT / "bin" / INSTALLER, f"--python={tmp_path}/none", "--root", tmp_path)

    assert (refused.returncode, missing.returncode) == (69, 69)
    assert missing.stderr.count("\n") == 1


def doctor(checkout: Path, root: Path, *words: object, **more: str) -> dict[str, dict[str, object]]:
    told = call(
        checkout / "bin" / "atvm-pipeline",
        *("doctor", "--json", "--root", root, "--state-root", root / "var/lib/atvm-run-watcher", *words),
        ATVM_PYTHON=sys.executable,
        PYTHONPATH=str(checkout),
        **more,
    )
    assert told.returncode in (0, 1), told.stderr
    return {finding["check"]: finding for finding in json.loads(told.stdout)["findings"]}


def test_doctor_is_content_with_a_fresh_installation(ground: Path, root: Path) -> None:
    found = doctor(package(root), root)

    assert [name for name in ("installation", "release", "links", "units") if not found[name]["ok"]] == []


def test_doctor_states_that_the_installation_must_be_updated(root: Path, tmp_path: Path) -> None:
    newer = copy_of_the_checkout(tmp_path / "newer", "3.0")
    found = doctor(newer, root)

    assert found["version"]["ok"] is False
    assert found["version"]["fix"] == f"{newer}/bin/{INSTALLER}"
    assert "must be updated" in str(found["version"]["why"])


def test_doctor_of_an_older_checkout_advises_no_downgrade(ground: Path, root: Path) -> None:
    found = doctor(ground / "1.0", root)["version"]

    assert found["ok"] is True
    assert f"the checkout {ground / '1.0'} is older" in str(found["text"])
    assert INSTALLER not in str(found)


def test_doctor_finds_what_was_changed_by_hand(root: Path) -> None:
    (package(root) / "current/atvm_pipeline/__main__.py").write_text("")
    (package(root) / "cancel-atvm-runner.sh").unlink()
    (root / "etc/systemd/system/atvm-runner@.service").write_text("[Unit]\n")
    (root / "root/atvm-watcher-service").mkdir(parents=True)
    (root / "etc/atvm-run-watcher.env").chmod(0o644)
    (root / "var/lib/atvm-run-watcher").chmod(0o755)

    found = doctor(PROJECT, root)

    wrong = {name for name, finding in found.items() if not finding["ok"]}
    assert wrong >= {"release", "links", "units", "old installation", "environment file", "state root"}
    assert all(found[name]["why"] and found[name]["fix"] for name in wrong)


def test_doctor_posts_a_marked_test_message_on_demand(root: Path, tmp_path: Path) -> None:
    with Controller(tmp_path / "host") as host:
        settings = {name: value for name, value in host.environ.items() if name.startswith("MATTERMOST_")}
        found = doctor(PROJECT, root, "--post-test", **settings, ATVM_WATCHER_ALERT_CHANNEL="alerts")
        texts = host.texts()

    assert (found["test message"]["ok"], found["test alert"]["ok"]) == (True, True)
    assert [text.split("**")[1] for text in texts] == ["Test message", "Test alert"]
    assert settings["MATTERMOST_ATVM_WEBHOOK"].rsplit("/", 1)[-1] not in json.dumps(found)


def test_doctor_finds_a_cypress_that_is_not_watched(root: Path) -> None:
    name = "e2e-redhat9.6-stray"
    parent = subprocess.Popen(
        ["bash", "-c", "(exec -a /opt/Cypress/Cypress sleep 300) & wait", "run", "--build_name", name],
        start_new_session=True,
    )
    try:
        finding = wait_for(lambda: _stray(root, name), "the stray process to be found")
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()

    assert finding["fix"] == f"start-atvm-run-watcher.sh --attach --build-name {name}"


def _stray(root: Path, name: str) -> dict[str, object] | None:
    told = call(
        PROJECT / "bin" / "atvm-pipeline",
        *("doctor", "--json", "--root", root, "--state-root", root / "var/lib/atvm-run-watcher"),
        ATVM_PYTHON=sys.executable,
    )
    findings = json.loads(told.stdout)["findings"]
    return next((one for one in findings if one["check"] == "cypress" and name in one["text"]), None)
