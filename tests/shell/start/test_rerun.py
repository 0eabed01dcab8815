"""Starting again from a stored request: the same values, and only the failed hosts with --failed."""

from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.core.events import Metadata, Settings
from atvm_pipeline.shell.exit_codes import DATA, NO, USAGE, CommandError
from atvm_pipeline.shell.start.rerun import check_any_failed, failed_hosts, rerun_options, with_hosts
from atvm_pipeline.shell.start.resources import new_request
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.state_dir.records import Request, read_record
from tests.support.start_options import save_request, start_options

BUILD = "e2e-redhat9.6-ubuntu24.04-w2k25-fc"
HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25")


def stored(root: Path, **fields: Any) -> Request:
    """Save a request and read it as `rerun` does."""
    request = read_record(save_request(root, BUILD, **fields).request, Request)
    assert request is not None
    return request


def again(root: Path, **fields: Any) -> StartOptions:
    """Return the options of a new start from a request with these fields."""
    environ = start_options(root, BUILD).environ
    return rerun_options(start_options(root, BUILD).paths, stored(root, **fields), environ)


def row(host: str, result: str = "PASS", detail: str = "completed", passing: int = 1) -> dict[str, Any]:
    return {"host": host, "result": result, "detail": detail, "passing": passing}


def state(*subruns: list[dict[str, Any]], phase: str = "FAILED") -> dict[str, Any]:
    return {
        "phase": phase,
        "reason": {"text": "1 of 2 specs failed."},
        "subruns": [{"hosts": list(hosts)} for hosts in subruns],
    }


def refusal(options: StartOptions, hosts: tuple[str, ...] = ("w2k25",)) -> CommandError:
    with pytest.raises(CommandError) as refused:
        with_hosts(options, hosts)
    assert "\n" not in str(refused.value)
    return refused.value


# --- the same values ---


def test_a_new_request_has_the_values_of_the_old_one_and_another_id(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "runner_command": "run --build_name $B '{hosts}'",
        "template_command": "template",
        "categorized": True,
        "hosts": ("w2k25",),
        "notes": ("a note",),
        "metadata": Metadata(template="cmc-e2e", config_file="gold.ts"),
        "settings": Settings(quiet_limit_s=7.0),
        "scenario": "mine",
        "alert_channel": "alerts",
        "log_path": str(tmp_path / "own.log"),
        "artifacts_dir": str(tmp_path / "reports"),
        "inventory_path": str(tmp_path / "inventory.md"),
        "orphan_limit_s": 5.0,
        "environment": {"PATH": "/old/bin", "CYPRESS_X": "1", "ATVM_RUN_HOSTS": "old"},
    }
    old = stored(tmp_path, **fields)
    new = new_request(again(tmp_path, **fields))

    assert new.run_id != old.run_id
    assert new.environment == {"PATH": "/old/bin", "CYPRESS_X": "1", "ATVM_RUN_HOSTS": "w2k25"}
    for name in fields.keys() - {"environment"}:
        assert getattr(new, name) == getattr(old, name), name
    assert new.config_path == str(tmp_path / "work" / "gold.ts")


def test_the_default_log_is_that_of_the_new_run(tmp_path: Path) -> None:
    options = again(tmp_path)

    assert options.environ["ATVM_RUNNER_LOG"] == ""
    assert options.log_path == options.paths.runner_log


def test_a_runner_that_was_started_by_other_means_cannot_be_started_again(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="command is not stored") as refused:
        again(tmp_path, runner_command=None)

    assert refused.value.code == DATA


def test_a_working_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="/no/such/dir does not exist"):
        again(tmp_path, workdir="/no/such/dir")


# --- {hosts} and ATVM_RUN_HOSTS ---


def test_the_hosts_replace_their_place_in_both_commands_and_are_the_requested_hosts(tmp_path: Path) -> None:
    options = again(tmp_path, template_command="t --hosts {hosts}", runner_command="r '{hosts}' {hosts}")
    chosen = with_hosts(options, ("redhat9.6", "w2k25"))
    request = new_request(chosen)

    assert chosen.template_command == "t --hosts redhat9.6,w2k25"
    assert chosen.runner_command == "r 'redhat9.6,w2k25' redhat9.6,w2k25"
    assert request.hosts == ("redhat9.6", "w2k25")
    assert request.environment["ATVM_RUN_HOSTS"] == "redhat9.6,w2k25"
    assert request.template_before_hosts == "t --hosts {hosts}"
    assert request.runner_before_hosts == "r '{hosts}' {hosts}"


def test_a_second_time_the_commands_of_the_first_start_are_used(tmp_path: Path) -> None:
    fields = {
        "template_command": "t --hosts redhat9.6,w2k25",
        "template_before_hosts": "t --hosts {hosts}",
        "runner_command": "r",
        "hosts": ("redhat9.6", "w2k25"),
    }
    second = with_hosts(again(tmp_path, **fields), ("w2k25",))
    same = again(tmp_path, **fields)

    assert second.template_command == "t --hosts w2k25"
    assert new_request(second).template_before_hosts == "t --hosts {hosts}"
    assert (same.template_command, same.hosts) == ("t --hosts redhat9.6,w2k25", ("redhat9.6", "w2k25"))


def test_without_failed_the_place_of_the_hosts_stays_as_it_is(tmp_path: Path) -> None:
    options = again(tmp_path, runner_command="r {hosts}")

    assert options.runner_command == "r {hosts}"
    assert new_request(options).runner_before_hosts is None


@pytest.mark.parametrize(
    "commands",
    [
        {"runner_command": 'r "$ATVM_RUN_HOSTS"'},
        {"runner_command": "r", "template_command": "t ${ATVM_RUN_HOSTS:+--hosts $ATVM_RUN_HOSTS}"},
        {"runner_command": "python3 own.py  # reads ATVM_RUN_HOSTS"},
    ],
)
def test_a_command_that_names_the_variable_uses_the_hosts(commands: dict[str, str], tmp_path: Path) -> None:
    chosen = with_hosts(again(tmp_path, **commands), ("w2k25",))

    assert chosen.runner_command == commands["runner_command"]
    assert chosen.before_hosts.runner is None


def test_a_request_that_does_not_use_the_hosts_is_refused_with_the_remedy(tmp_path: Path) -> None:
    refused = refusal(again(tmp_path, runner_command="r --hosts all", template_command="t"))

    assert refused.code == USAGE
    for words in ("{hosts}", "$ATVM_RUN_HOSTS", "--template-command", f"rerun {BUILD}"):
        assert words in str(refused)


@pytest.mark.parametrize("name", ["-x", "a b", "a;b", "$(id)", "", "é", "a\nb", "a/b", "x" * 129])
def test_a_name_that_a_shell_could_read_otherwise_is_refused(name: str, tmp_path: Path) -> None:
    refused = refusal(again(tmp_path, runner_command="r {hosts}"), ("w2k25", name))

    assert refused.code == DATA
    assert "cannot pass host" in str(refused)


def test_more_hosts_than_can_be_named_are_refused(tmp_path: Path) -> None:
    refused = refusal(
        again(tmp_path, runner_command="r {hosts}"), tuple(f"host{number}" for number in range(201))
    )

    assert "201 hosts" in str(refused)


# --- failed hosts ---


@pytest.mark.parametrize(
    ("subruns", "failed"),
    [
        ([], HOSTS),
        ([[row("redhat9.6")], [row("ubuntu24.04", "FAIL", "failed")], [row("W2K25")]], ("ubuntu24.04",)),
        ([[row("redhat9.6"), row("ubuntu24.04", "RUN", "not_run", 0)]], ("ubuntu24.04", "w2k25")),
        ([[row("redhat9.6", "RUN", "no_report"), row("ubuntu24.04"), row("w2k25")]], ("redhat9.6",)),
        ([[row("redhat9.6", "FAIL", "crashed"), row("ubuntu24.04")], [row("w2k25")]], ("redhat9.6",)),
        ([[row("redhat9.6"), *map(row, HOSTS[1:])], [row("redhat9.6", "FAIL", "failed")]], ("redhat9.6",)),
        ([[row("redhat9.6", "RUN", "pending", 0), *map(row, HOSTS[1:])]], ("redhat9.6",)),
        ([[row("redhat9.6", "RUN", "pending", 3), *map(row, HOSTS[1:])]], ()),
        ([[*map(row, HOSTS), row("sles15.5", "FAIL", "failed")]], ("sles15.5",)),
        ([[row("redhat9.6", "FAIL", "failed"), row("other", "FAIL", "failed")]], HOSTS),
    ],
)
def test_every_host_without_a_certain_pass_has_failed(
    subruns: list[list[dict[str, Any]]], failed: tuple[str, ...]
) -> None:
    assert failed_hosts(state(*subruns), HOSTS) == failed


def test_without_requested_hosts_those_of_the_results_count() -> None:
    results = state([row("a"), row("b", "FAIL", "failed"), row("c", "RUN", "skipped")])

    assert failed_hosts(results, ()) == ("b", "c")


def test_a_completed_run_has_no_failed_host() -> None:
    assert failed_hosts(state([], phase="COMPLETED"), HOSTS) == ()


def test_nothing_to_start_again_is_one_line_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        check_any_failed(again(tmp_path), state([]), ())

    assert refused.value.code == NO
    assert str(refused.value).startswith(f"no host of {BUILD} failed (FAILED: 1 of 2 specs failed.)")
    assert str(refused.value).endswith(f"rerun {BUILD}")
