"""Answer of a start: the page for people, and the object for scripts."""

import io
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.cli.start_page import start_object, start_page
from atvm_pipeline.core.events import Settings
from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts
from atvm_pipeline.core.preflight.report import PreflightCheck
from atvm_pipeline.shell.start.result import StartResult
from atvm_pipeline.shell.start.run_preflight import Preflight
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.system.files import locked
from tests.support.start_options import start_options

BUILD = "e2e-redhat9.6-nvme2-fc"
CHECKS = (
    PreflightCheck(check="disk", outcome="ok", text="9 MiB are free"),
    PreflightCheck(check="spec pattern", outcome="not-checked", text="the config file is not known"),
    PreflightCheck(check="categorize", outcome="notice", text="add it", code="categorize"),
)
WEBHOOK = "https://chat.example.test/hooks/abcdefghijklmnopqrstuvwxyz"


def options_of(root: Path, **fields: Any) -> StartOptions:
    options = start_options(root, BUILD)
    environ = {**options.environ, "MATTERMOST_ATVM_WEBHOOK": WEBHOOK, **fields.pop("more", {})}
    return start_options(root, BUILD, environ=environ, **fields)


def result_of(**fields: Any) -> StartResult:
    requested = RequestedHosts({"redhat9.6": "inventory"}, ("nvme2",))
    given: dict[str, Any] = {
        "started": True,
        "run_id": "0123456789abcdef",
        "preflight": Preflight(requested=requested, planned=None, checks=CHECKS),
    }
    return StartResult(**{**given, **fields})


def lines_of(options: StartOptions, result: StartResult) -> list[str]:
    return start_page(options, result, io.StringIO()).splitlines()


def test_the_page_names_hosts_checks_files_and_the_next_commands(tmp_path: Path) -> None:
    options = options_of(tmp_path, template_command="t", more={"ATVM_WATCHER_LAUNCH_LOG_DIR": "/logs"})
    state = tmp_path / "state" / BUILD
    program = "atvm-pipeline"

    assert lines_of(options, result_of()) == [
        f"{BUILD}: the runner is running (run 0123456789abcdef)",
        "hosts checked: redhat9.6; not checked: nvme2",
        "checks:",
        "  ok           in use            no living run uses this build name, log, config file or host",
        "  ok           disk              9 MiB are free",
        "  not checked  spec pattern      the config file is not known",
        "  notice       categorize        add it",
        "  ok           webhook           well formed, at https://chat.example.test",
        "files:",
        f"  state        {state}",
        f"  log          {state}/runner.log",
        f"  launch log   /logs/{BUILD}.launch.log",
        f"supervisor: local (background processes; their output is in {state}/watcher.log)",
        "next:",
        f"  state        {program} status {BUILD}",
        f"  follow log   {program} logs -f {BUILD}",
        f"  wait         {program} wait {BUILD}",
        f"  cancel       {program} cancel --runner {BUILD}",
    ]


def test_commands_name_a_state_root_that_they_would_not_find(tmp_path: Path) -> None:
    options = options_of(tmp_path, more={"ATVM_WATCHER_STATE_ROOT": "/elsewhere"})

    assert lines_of(options, result_of())[-1].endswith(f"{BUILD} --state-root {tmp_path / 'state'}")


def test_a_check_prints_the_same_checks_and_no_files(tmp_path: Path) -> None:
    lines = lines_of(options_of(tmp_path, check=True), result_of(started=False, run_id=None))

    assert lines[0] == f"{BUILD}: all checks passed; nothing was started (--check)"
    assert "  ok           disk              9 MiB are free" in lines
    assert "files:" not in lines
    assert "next:" not in lines


@pytest.mark.parametrize(
    ("only", "ended", "words"),
    [
        (None, "with exit code 0", "started; the runner has ended with exit code 0 (run "),
        ("watcher", None, "watched; the runner is not started by this command (run "),
        ("runner", None, "the runner is running (run "),
    ],
)
def test_the_first_line_states_the_part_that_was_started(
    only: str | None, ended: str | None, words: str, tmp_path: Path
) -> None:
    lines = lines_of(options_of(tmp_path, only=only), result_of(ended=ended))

    assert lines[0].startswith(f"{BUILD}: {words}")


def test_a_half_names_the_command_for_the_other_half(tmp_path: Path) -> None:
    watcher = lines_of(options_of(tmp_path, only="watcher"), result_of())
    runner = lines_of(options_of(tmp_path, only="runner"), result_of())

    assert any("start-atvm-runner.sh --build-name" in line for line in watcher)
    assert any("start-atvm-run-watcher.sh --attach --build-name" in line for line in runner)
    assert not any("webhook" in line for line in runner)


def test_options_that_share_something_are_named(tmp_path: Path) -> None:
    lines = lines_of(options_of(tmp_path, share_hosts=True, share_config=True), result_of())

    assert any("except as --share-config and --share-hosts permits" in line for line in lines)


def test_a_run_that_posts_nothing_needs_no_webhook(tmp_path: Path) -> None:
    options = start_options(tmp_path, BUILD, settings=Settings(post_phases=()))
    lines = lines_of(options, result_of())

    assert "  not checked  webhook           no message is sent (ATVM_WATCHER_POST_PHASES is empty)" in lines


def test_an_insecure_webhook_is_a_notice(tmp_path: Path) -> None:
    more = {"MATTERMOST_ATVM_WEBHOOK": WEBHOOK.replace("https", "http")}
    lines = lines_of(options_of(tmp_path, more=more), result_of())

    assert "  notice       webhook           http://chat.example.test is not encrypted (http)" in lines
    assert not any("abcdefghij" in line for line in lines)


def test_an_attached_watcher_has_no_checks(tmp_path: Path) -> None:
    lines = lines_of(options_of(tmp_path, only="watcher"), result_of(preflight=None))

    assert "checks:" not in lines
    assert lines[1] == "hosts checked: redhat9.6; not checked: nvme2"


def test_the_object_for_scripts_has_every_part(tmp_path: Path) -> None:
    options = options_of(tmp_path)
    with locked(options.paths.runner_lock):
        found = start_object(options, result_of())

    assert found["build_name"] == BUILD
    assert found["run_id"] == "0123456789abcdef"
    assert (found["started"], found["phase"]) == (True, None)
    assert found["live"] == {"watcher": False, "runner": True}
    assert found["requested_hosts"] == ("redhat9.6",)
    assert found["not_checked"] == ("nvme2",)
    assert found["checks"][1] == {"check": "disk", "outcome": "ok", "text": "9 MiB are free"}
    assert found["paths"] == {
        "state": str(options.paths.folder),
        "log": str(options.paths.runner_log),
    }
    assert found["supervisor"] == "local"
    assert len(found["next"]) == 4
