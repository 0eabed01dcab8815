"""Joining an existing run: one that this program started, or one that was started by hand."""

import subprocess

import pytest

from tests.support.controller import RUNNER, TEMPLATE, Controller
from tests.support.project import BUILD
from tests.support.refused_calls import foreign_runner, one_line
from tests.support.waiting import wait_for

pytestmark = pytest.mark.host


def join(host: Controller, build: str, *more: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return host.call("start-atvm-run-watcher.sh", "--attach", "--build-name", build, *more, environ=environ)


def test_joining_a_run_that_has_ended_reports_it(host: Controller) -> None:
    host.run(template=None, runner="true", build="over", categorize=False)
    joined = join(host, "over", "--template", "other", "--categorize", ATVM_WATCHER_POST_PHASES="")

    assert joined.returncode == 0, joined.stderr
    assert "over has ended: " in joined.stderr
    assert (
        "notice: --categorize, --template: not used, because --attach joins the run as it was started\n"
        in joined.stderr
    )


def test_joining_needs_no_webhook_for_a_run_that_posts_nothing(host: Controller) -> None:
    host.run(
        template=None, runner="true", build="over", categorize=False, environ={"ATVM_WATCHER_POST_PHASES": ""}
    )
    joined = join(host, "over", MATTERMOST_ATVM_WEBHOOK="")

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


def test_a_runner_of_this_program_is_not_followed_by_a_second_watcher(host: Controller) -> None:
    words = ["--build-name", "b", "--runner-command", "sleep 300", "--supervisor", "local"]
    assert host.call("start-atvm-run.sh", *words).returncode == 0

    one_line(host.call("start-atvm-run-watcher.sh", "--build-name", "b"), 75, "a runner of build b is alive")
