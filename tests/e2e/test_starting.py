"""Starts next to living runs, starts of the failed hosts, and a removed state directory, as an operator sees them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from atvm_pipeline.shell.state_dir.records import Paths
from atvm_pipeline.shell.system.files import is_locked
from tests.support.controller import BIN, CONFIG, RUNNER, TEMPLATE, Controller
from tests.support.project import BUILD
from tests.support.refused_calls import one_line
from tests.support.waiting import DEADLINE_S, wait_for

TEMPLATE_WITH_HOSTS = f"{TEMPLATE} ${{ATVM_RUN_HOSTS:+--hosts $ATVM_RUN_HOSTS}}"


def test_of_starts_at_once_with_a_common_host_one_runs_and_one_waits_for_it(host: Controller) -> None:
    hold = host.folder / "hold"
    hold.touch()
    command = f"while [ -e {hold} ]; do sleep 0.1; done"
    words = ["--runner-command", command, "--supervisor", "local"]
    builds = ["one-redhat9.6-fc", "two-redhat9.6-fc", "three-w2k25-redhat9.6-fc"]
    started = [
        subprocess.Popen(
            [BIN / "start-atvm-run.sh", "--build-name", build, *words],
            cwd=host.workdir,
            env=host.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for build in builds
    ]
    answers = [(one.communicate(timeout=DEADLINE_S), one.returncode) for one in started]
    (running,) = (build for build, (_, code) in zip(builds, answers, strict=True) if code == 0)
    refused = [text for (_, text), code in answers if code == 75]
    checked = host.call("start-atvm-run.sh", "--build-name", "four-redhat9.6-fc", *words, "--check")
    waiting = subprocess.Popen(
        [BIN / "start-atvm-run.sh", "--build-name", "five-redhat9.6-fc", *words, "--wait", "--json"],
        cwd=host.workdir,
        env=host.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    line = waiting.stderr.readline()
    hold.unlink()
    out, _ = waiting.communicate(timeout=DEADLINE_S)
    answer = json.loads(out)

    assert len(refused) == 2
    for text in refused:
        assert "host redhat9.6 is " in text
        assert f"build {running}" in text
        assert "--share-hosts" in text
    one_line(checked, 75, f"host redhat9.6 is in use by the running build {running}")
    assert line.startswith(f"waiting for the running build {running}, which uses host redhat9.6; until ")
    assert (answer["build_name"], answer["started"]) == ("five-redhat9.6-fc", True)
    assert answer["requested_hosts"] == ["redhat9.6"]
    assert answer["paths"]["state"] == str(host.state_root / "five-redhat9.6-fc")
    assert {check["check"] for check in answer["checks"]} >= {"in use", "spec pattern", "webhook"}


def test_failed_hosts_alone_run_again_and_alone_are_requested(tmp_path: Path) -> None:
    with Controller(tmp_path, scenario="failing-test") as host:
        first = host.run(template=TEMPLATE_WITH_HOSTS)
        refused = host.call("atvm-pipeline", "rerun", BUILD, "--failed", "--check")
        again = host.call("atvm-pipeline", "rerun", BUILD, "--failed")
        assert again.returncode == 0, again.stderr
        host.wait()
        second, request = host.state(), host.record("request.json")
        (archived,) = (host.state_root / ".archive" / BUILD).iterdir()
        all_again = host.call("atvm-pipeline", "rerun", f"{BUILD}@{archived.name}", "--check")

    failed = [
        row["host"] for subrun in first["subruns"] for row in subrun["hosts"] if row["result"] != "PASS"
    ]
    assert 0 < len(failed) < 3
    assert refused.returncode == 0, refused.stderr
    assert f"failed hosts of {BUILD}: {', '.join(failed)}" in again.stderr
    assert (request["hosts"], request["environment"]["ATVM_RUN_HOSTS"]) == (failed, ",".join(failed))
    assert second["run_id"] != first["run_id"]
    assert second["requested_hosts"] == failed
    assert [row["host"] for subrun in second["subruns"] for row in subrun["hosts"]] == failed
    assert second["scenario"] == first["scenario"]
    assert all_again.returncode == 0, all_again.stderr
    assert "hosts checked: redhat9.6, ubuntu24.04, w2k25\n" in all_again.stdout


def test_a_run_whose_state_directory_was_removed_is_watched_again_or_stopped(host: Controller) -> None:
    host.hold("redhat9.6")
    assert host.start().returncode == 0
    shutil.rmtree(host.state_root / BUILD)
    again = host.start()
    rerun = host.call("atvm-pipeline", "rerun", BUILD)
    attached = host.call(
        "start-atvm-run-watcher.sh", "--attach", "--build-name", BUILD, "--supervisor", "local"
    )
    assert attached.returncode == 0, attached.stderr
    wait_for(lambda: host.state()["phase"] == "RUNNING", "the runner to be seen again")
    shutil.rmtree(host.state_root / BUILD)
    stopped = host.call("cancel-atvm-runner.sh", "--build-name", BUILD)
    cancelled = host.call("cancel-atvm-run-watcher.sh", "--build-name", BUILD)
    paths = Paths(host.state_root, BUILD)
    left = host.start(runner=f"true {RUNNER.partition(' ')[2]}", categorize=False)

    one_line(again, 75, "was removed", f"cancel-atvm-runner.sh --build-name {BUILD}", "--attach")
    one_line(rerun, 65, f"build {BUILD} not found")
    assert stopped.returncode == 0, stopped.stderr
    assert f"{BUILD}: runner stopped (process " in stopped.stderr
    assert cancelled.returncode == 0, cancelled.stderr
    assert "watcher stopped (process " in cancelled.stderr
    assert left.returncode == 0, left.stderr
    assert not is_locked(paths.runner_lock)
    assert os.listdir(host.state_root / ".locks" / "starts") == ["queue.lock"]
    assert CONFIG in left.stderr
