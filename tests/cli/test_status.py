"""`status`: the table of all runs, and the page of one run, from recorded states."""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from atvm_pipeline.cli import run_state
from atvm_pipeline.cli.commands import status
from atvm_pipeline.cli.run_state import known_run
from atvm_pipeline.cli.run_table import Row, natural, table
from atvm_pipeline.cli.terminal import cells
from atvm_pipeline.cli.times import local_clock, local_time
from atvm_pipeline.shell.exit_codes import DATA, USAGE, CommandError
from atvm_pipeline.shell.state_dir import disk_state
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import make_folder
from tests.support.shown_runs import ShownRuns

BOTH = ("watcher", "runner")
LONG = "e2e-redhat9.6-ubuntu24.04-w2k25-centos7.9-oracle9.4-debian12-iscsi"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[ShownRuns]:
    with ShownRuns(tmp_path / "state") as made:
        yield made


@pytest.fixture
def shown(
    runs: ShownRuns, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Return a function that calls `status` and returns its output; `columns`: those of the terminal, None for a pipe."""

    def call(*words: str, columns: int | None = None) -> str:
        monkeypatch.setattr(status, "page_width", lambda: columns)
        parser = argparse.ArgumentParser()
        status.add_options(parser)
        assert status.run(parser.parse_args([*words, "--state-root", str(runs.root)])) == 0
        return capsys.readouterr().out

    return call


def twelve(runs: ShownRuns) -> None:
    """Add twelve current runs and one archived run."""
    runs.add("e2e-redhat9.6-fc", "failed-demo", events=15, took_s=3720, ended_s_ago=12, live=BOTH)
    runs.add(LONG, "failed-demo", events=27, took_s=86400 * 1.5, ended_s_ago=3, live=BOTH)
    runs.add("ten2", "completed", events=4, took_s=20, ended_s_ago=1, live=BOTH)
    runs.add("ten10", "hung", events=10, took_s=7200, ended_s_ago=1500, live=("runner",))
    runs.add("ten1", "completed", took_s=5000, ended_s_ago=90000)
    runs.add(
        "waits",
        "failed-demo",
        ended_s_ago=600,
        delivery=("not-arrived", "connection refused"),
        live=("watcher",),
    )
    runs.add("rejected", "failed-whole", ended_s_ago=60000, delivery=("rejected", "status 403"))
    runs.add("hung", "hung", took_s=4000, ended_s_ago=4000, live=("runner",))
    for name in ("terminated", "failed-no-specs", "cancelled", "unknown"):
        runs.add(name, name, took_s=400, ended_s_ago=180000)
    runs.add(
        "ten1", "failed-crash", ended_s_ago=290000, archived="2026-11-24T10:00:00Z", run_id="deadbeefcafe0001"
    )


def names(output: str) -> list[str]:
    """Return the first words of the lines that are runs."""
    return [line.split()[0] for line in output.splitlines()[1:] if not line.startswith(" ")]


# --- the table ---


def test_living_runs_come_first_each_group_in_natural_order(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    twelve(runs)

    assert names(shown()) == [
        *("e2e-redhat9.6-fc", LONG, "hung", "ten2", "ten10", "waits"),
        *("cancelled", "failed-no-specs", "rejected", "ten1", "terminated", "unknown"),
    ]


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 160])
def test_no_line_of_the_table_is_wider_than_the_terminal(
    columns: int, runs: ShownRuns, shown: Callable[..., str]
) -> None:
    twelve(runs)
    lines = shown("--all", columns=columns).splitlines()

    assert [line for line in lines if cells(line) > columns] == []
    assert any("…" in line for line in lines) or columns == 160


def test_a_wide_terminal_shows_the_names_in_full_and_a_pipe_cuts_nothing(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    twelve(runs)

    assert LONG in shown(columns=160)
    assert "…" not in shown()
    assert "e2e-re…" in shown(columns=80)


def test_the_columns_of_a_running_run(runs: ShownRuns, shown: Callable[..., str]) -> None:
    runs.add("b", "failed-demo", events=27, took_s=3720, ended_s_ago=12, live=BOTH)
    heading, row, failing = shown().splitlines()

    assert heading.split("  ")[0] == "BUILD"
    assert re.split(r" {2,}", row) == ["b", "RUNNING", "1 h 02 min", "5 of 6", "check-xml-files", "12 s ago"]
    assert failing == "  failing: 1 spec failed: ubuntu24.04.cy.ts"


def test_a_column_without_values_is_left_out(runs: ShownRuns, shown: Callable[..., str]) -> None:
    runs.add("ended", "completed")

    assert "RUNNING" not in shown()


def test_below_a_run_is_what_asks_the_operator_to_act(runs: ShownRuns, shown: Callable[..., str]) -> None:
    twelve(runs)
    output = shown()

    for name, line in (
        ("ten10", "NOT WATCHED, no watcher is running"),
        ("waits", "3 messages are not delivered yet: connection refused, next attempt now"),
        ("rejected", "attention: The message of sub-run 1 was rejected by the webhook and not delivered."),
        ("hung", "No progress for 6 s."),
    ):
        below = output.partition(f"\n{name} ")[2]
        assert line in below.partition("\n\n")[0], name


def test_a_run_without_a_problem_takes_one_line(runs: ShownRuns, shown: Callable[..., str]) -> None:
    runs.add("ended", "completed")
    runs.add("running", "completed", events=12, live=BOTH)

    assert len(shown().splitlines()) == 3


@pytest.mark.parametrize(
    ("option", "selected"),
    [
        (["--running"], ["e2e-redhat9.6-fc", LONG, "hung", "ten2", "ten10", "waits"]),
        (
            ["--failed"],
            [LONG, "hung", "waits", "failed-no-specs", "rejected", "terminated", "unknown"],
        ),
        (["--running", "--failed"], [LONG, "hung", "waits"]),
        (["--since", "18h", "--failed"], [LONG, "hung", "waits", "rejected"]),
    ],
)
def test_options_select_runs(
    option: list[str], selected: list[str], runs: ShownRuns, shown: Callable[..., str]
) -> None:
    twelve(runs)

    assert names(shown(*option)) == selected
    assert [one["build_name"] for one in json.loads(shown(*option, "--json"))] == selected


def test_archived_runs_are_shown_with_all_under_their_address(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    twelve(runs)
    address = "ten1@2026-11-24T10:00:00Z"

    assert address in names(shown("--all"))
    assert [one.get("address") for one in json.loads(shown("--all", "--json"))].count(address) == 1
    assert address not in shown()


def test_an_archived_run_whose_messages_wait_is_always_shown(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    waits = ("not-arrived", "connection refused")
    runs.add("b", "failed-crash", archived="2026-11-24T10:00:00Z", delivery=waits)
    runs.add("b", "failed-crash", archived="2026-11-25T10:00:00Z")
    output = shown()

    assert names(output) == ["b@2026-11-24T10:00:00Z"]
    assert "3 messages are not delivered yet: connection refused, and no sender is running" in output
    assert json.loads(shown("--json")) == []


def test_a_corrupt_state_and_a_request_without_one_are_rows(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    runs.add("new", "completed").state.unlink()
    runs.add("bad", "completed").state.write_text("{\x1b")
    output = shown()

    assert names(output) == ["bad", "new"]
    assert re.search(r"^bad +CORRUPT\n  \S+ is not the state of a run", output, re.MULTILINE)
    assert "\x1b" not in output
    assert re.search(
        r"^new +PENDING\n  requested; its watcher has not written a state yet$", output, re.MULTILINE
    )
    assert [one["phase"] for one in json.loads(shown("--json"))] == [None, None]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (
            "runner",
            "a runner of build gone is alive (process {pid}), but its state directory {directory} was removed; stop it",
        ),
        (
            "watch",
            "a watcher of build gone is alive (process {pid}), but its state directory {directory} was removed; stop it",
        ),
    ],
)
@pytest.mark.parametrize("has_locks", [False, True])
def test_a_living_run_whose_directory_was_removed_is_a_row(
    command: str, text: str, has_locks: bool, runs: ShownRuns, shown: Callable[..., str]
) -> None:
    if has_locks:
        make_folder(runs.root / ".locks")
        runs.hold(Paths(runs.root, "gone").watcher_lock)
    words = ["-m", "atvm_pipeline", command, "gone", "--state-root", str(runs.root)]
    call = [sys.executable, "-c", "print(flush=True); input()", *words]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # from now on, it has its own command line
        output = shown()
        with pytest.raises(CommandError) as refused:
            known_run(Paths(runs.root, "gone"))
        process.communicate(b"\n")
    expected = text.format(pid=process.pid, directory=runs.root / "gone")

    assert re.search(r"^gone +NO STATE$", output, re.MULTILINE)
    assert f"\n  {expected}" in output
    assert str(refused.value).startswith(expected)
    assert "cancel-atvm-run" in str(refused.value)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "no runs in {root}\n"),
        (("--failed",), "no runs in {root} match; see all with: atvm-pipeline status --all\n"),
    ],
)
def test_an_empty_answer_names_the_state_root(
    words: tuple[str, ...], text: str, runs: ShownRuns, shown: Callable[..., str]
) -> None:
    assert shown(*words) == text.format(root=runs.root)


def test_a_selection_is_refused_together_with_a_build(shown: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="--running selects from all runs") as refused:
        shown("b", "--running")

    assert refused.value.code == USAGE


def test_names_sort_by_their_numbers() -> None:
    given = ["ten10", "ten2", "Ten1", "a-1.10", "a-1.9", "ten", "10", "9"]

    assert sorted(given, key=natural) == ["9", "10", "Ten1", "a-1.9", "a-1.10", "ten", "ten2", "ten10"]


def test_a_table_that_is_too_narrow_loses_its_last_columns() -> None:
    row = Row(("b" * 60, "TERMINATED", "12 h 05 min", "12 of 40", "spec" * 9, "12 h 05 min ago"), ())
    lines = table([row], 40)

    assert max(map(cells, lines)) <= 40
    assert "TERMINATED" in lines[1]
    assert "LAST ACTIVITY" not in lines[0]


def test_wide_characters_of_a_spec_are_counted_as_two_columns(runs: ShownRuns) -> None:
    row = Row(("b", "RUNNING", "1 s", "0 of 1", "移行テスト" * 8, "1 s ago"), (("warning", "移" * 99),))

    assert max(map(cells, table([row], 80))) <= 80


# --- the page of one run ---


def entries(output: str) -> dict[str, list[str]]:
    """Return the labelled lines of a page."""
    found: dict[str, list[str]] = {}
    for label, text in re.findall(r"^  (\w[\w ]*): +(.*)$", output, re.MULTILINE):
        found.setdefault(label, []).append(text)
    return found


def test_the_page_of_a_running_run(runs: ShownRuns, shown: Callable[..., str]) -> None:
    paths = runs.add("b", "failed-demo", events=27, took_s=3720, ended_s_ago=12, live=BOTH)
    paths.runner_log.write_bytes(
        b"first\n  \x1b[32m\xe2\x9c\x93\x1b[0m resyncs\x07 (4211ms)\n  \xe2\x94\x94\xe2\x94\x80\n\n"
    )
    output = shown("b")
    page = entries(output)
    started = runs.now - timedelta(seconds=3732)

    assert output.startswith("b: RUNNING, failing\n")
    assert page["why"] == ["1 spec failed: ubuntu24.04.cy.ts"]
    assert page["started"] == [f"{local_time(started)}, 1 h 02 min ago"]
    assert page["last activity"] == ["12 s ago; last line of the log: ✓ resyncs (4211ms)"]
    assert re.fullmatch(r"check-xml-files.ts since \d\d:\d\d:\d\d \(\d+ s\), group 3", page["running"][0])
    assert page["specs"] == ["6 planned: 4 passed, 1 failed, 1 running"]
    assert page["hosts checked"] == ["redhat9.6, ubuntu24.04, w2k25"]
    assert page["flaky"] == ["starts the migration session (redhat9.6.cy.ts)"]
    assert page["processes"] == ["watcher: running, runner: running"]
    assert page["log"] == [f"atvm-pipeline logs b --state-root {runs.root}"]
    assert "explain" not in page


def test_the_page_of_an_ended_run(runs: ShownRuns, shown: Callable[..., str]) -> None:
    runs.add("b", "failed-demo", took_s=3600, ended_s_ago=60, exit_code=1)
    output = shown("b")
    page = entries(output)

    assert output.startswith("b: FAILED\n")
    assert page["why"][0].endswith("(tests-failed)")
    assert re.fullmatch(r"\S+ \S+ [+-]\d{4} after \d+ min, \d+ min ago", page["ended"][0])
    assert page["processes"] == ["watcher: finished, runner: finished (exit code 1)"]
    assert page["explain"] == [f"atvm-pipeline explain b --state-root {runs.root}"]
    assert "running" not in page


def test_a_run_without_any_spec_has_no_empty_counts(runs: ShownRuns, shown: Callable[..., str]) -> None:
    runs.add("b", "unknown")
    output = shown("b")

    assert "planned" not in output
    assert "no spec ran" in output


def test_a_spec_that_an_older_state_does_not_mark_is_running_if_it_has_no_report(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    paths = runs.add("b", "failed-demo", events=27, live=BOTH)
    state = json.loads(paths.state.read_text())
    spec = state["subruns"][2]["specs"][1]
    state["last_activity_at"] = spec["started_at"] = None
    spec["running"] = False
    paths.state.write_text(json.dumps(state))
    page = entries(shown("b"))

    assert page["running"] == ["check-xml-files.ts, group 3"]
    assert page["last activity"] == ["0 s ago"]


def test_a_message_that_waits_is_shown_with_its_cause_and_its_next_attempt(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    waits = ("not-arrived", "connection refused")
    paths = runs.add("b", "failed-whole", events=24, delivery=waits, live=("watcher",))
    state = json.loads(paths.state.read_text())
    soon = runs.now + timedelta(seconds=90)
    state["subruns"][0]["post"]["next_attempt_at"] = soon.isoformat()
    paths.state.write_text(json.dumps(state))

    assert entries(shown("b"))["messages"] == [
        f"1 message is not delivered yet: connection refused, next attempt {local_clock(soon, runs.now)}"
    ]


def test_a_lost_message_is_shown_with_the_command_that_sends_it_again(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    runs.add("b", "failed-demo", delivery=("rejected", "status 403"))
    page = entries(shown("b"))

    assert page["messages"][0] == "message rejected (sub-run 1): status 403"
    assert page["send again"] == [
        f"atvm-pipeline resend b {number} --state-root {runs.root}" for number in (1, 2, 3)
    ]


def test_a_dead_watcher_is_shown_with_the_command_that_attaches_one(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    runs.add("b", "failed-demo", events=15, live=("runner",))
    page = entries(shown("b"))

    assert page["problem"] == ["NOT WATCHED, no watcher is running"]
    assert page["fix"] == [f"start-atvm-run-watcher.sh --attach --build-name b --state-root {runs.root}"]
    assert page["processes"] == ["watcher: not running, runner: running"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_page_is_wrapped_at_the_width_of_the_terminal_except_for_commands(
    columns: int, runs: ShownRuns, shown: Callable[..., str]
) -> None:
    twelve(runs)
    for name in ("waits", "rejected", "ten10", LONG, "failed-no-specs"):
        lines = shown(name, columns=columns).splitlines()
        long = [line for line in lines if cells(line) > columns]

        assert [
            line
            for line in long
            if not re.match(
                r"  (?:fix|send again|explain|log|state): |.*"
                + LONG
                + r"|    \d  \w+ +\S+$|\s+recorded: \S+$",
                line,
            )
        ] == []


@pytest.mark.parametrize("address", ["b@2026-11-24T10:00:00Z", "b@2026", "deadbeefcafe0001"])
def test_an_archived_run_is_shown_by_its_address(
    address: str, runs: ShownRuns, shown: Callable[..., str]
) -> None:
    runs.add("b", "completed", live=("runner",))
    runs.add("b", "failed-crash", archived="2026-11-24T10:00:00Z", run_id="deadbeefcafe0001")
    output = shown(address)

    assert output.startswith("b@2026-11-24T10:00:00Z: FAILED (archived)\n")
    assert entries(output)["processes"] == ["watcher: finished, runner: finished (exit code unknown)"]
    assert json.loads(shown(address, "--json"))["live"] == {"watcher": False, "runner": False}


def test_an_unknown_build_is_refused_with_the_command_that_lists_the_others(
    shown: Callable[..., str],
) -> None:
    with pytest.raises(
        CommandError, match=r"build b not found in .*: atvm-pipeline status --state-root"
    ) as refused:
        shown("b")

    assert refused.value.code == DATA


# --- processes ---


def test_a_runner_that_holds_no_lock_is_alive_if_its_process_is(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    """A runner that was started by hand: the watcher knows its process from the process table."""
    paths = runs.add("b", "failed-demo", events=15, live=("watcher",), runner_command=None)
    change_facts(paths, runner={"pid": os.getpid(), "create_time": own_start(), "boot_id": clock.boot_id()})

    assert json.loads(shown("b", "--json"))["live"] == {"watcher": True, "runner": True}
    assert "watcher: running, runner: running" in shown("b")


@pytest.mark.parametrize(
    "runner",
    [
        {"pid": os.getpid(), "create_time": 1.0},
        {"pid": os.getpid(), "create_time": "x"},
        {"pid": -1, "create_time": 1.0},
        {"pid": True},
        [],
        None,
    ],
    ids=["another start", "no number", "no pid", "bool", "list", "null"],
)
def test_another_process_with_its_number_is_not_the_runner(
    runner: object, runs: ShownRuns, shown: Callable[..., str]
) -> None:
    paths = runs.add("b", "failed-demo", events=15, live=("watcher",))
    change_facts(paths, runner=runner, processes=[])

    assert json.loads(shown("b", "--json"))["live"] == {"watcher": True, "runner": False}


def test_a_runner_of_an_earlier_boot_is_not_alive(runs: ShownRuns, shown: Callable[..., str]) -> None:
    paths = runs.add("b", "failed-demo", events=15)
    change_facts(paths, runner={"pid": os.getpid(), "create_time": own_start(), "boot_id": "another"})

    assert json.loads(shown("b", "--json"))["live"]["runner"] is False


def test_a_cypress_process_that_outlives_its_runner_counts(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    paths = runs.add("b", "failed-demo", events=15, live=("watcher",))
    own = {"pid": os.getpid(), "create_time": own_start(), "role": "cypress"}
    gone = {"pid": 2**22 + 1, "create_time": 1.0, "boot_id": ""}
    change_facts(paths, runner=gone, processes=[{**own, "role": "other"}, "x"])
    assert json.loads(shown("b", "--json"))["live"]["runner"] is False
    change_facts(paths, runner=gone, processes=[own])

    assert json.loads(shown("b", "--json"))["live"]["runner"] is True


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"exit_code": 0}, "finished (exit code 0)"),
        ({"signal": "SIGKILL"}, "ended by SIGKILL"),
        ({"error": "command not found"}, "not started (command not found)"),
        ({"exit_code": 0, "run_id": "another"}, "finished (exit code unknown)"),
    ],
)
def test_the_end_of_the_runner_comes_from_its_exit_record(
    record: dict[str, Any], words: str, runs: ShownRuns, shown: Callable[..., str]
) -> None:
    paths = runs.add("b", "completed")
    run_id = json.loads(paths.state.read_text())["run_id"]
    paths.runner_exit.write_text(json.dumps({"run_id": run_id, **record}))

    assert f"watcher: finished, runner: {words}" in shown("b")


def test_a_run_whose_runner_was_never_started_reports_it(runs: ShownRuns, shown: Callable[..., str]) -> None:
    runs.add("b", "unknown-never-started")

    assert "watcher: finished, runner: not started" in shown("b")


# --- a disk that takes nothing ---


def full(_root: object) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, 1000, 60, 0, 1000, 500, 500, 0, 255))


def test_a_full_disk_is_shown_although_the_watcher_cannot_store_it(
    runs: ShownRuns, shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.add("b", "failed-demo", events=15, live=BOTH)
    monkeypatch.setattr(disk_state.os, "statvfs", full)
    keeps = "keeps its results in memory until there is room"

    assert entries(shown("b"))["problem"] == [f"the disk of {runs.root} is full; the watcher {keeps}"]
    assert (
        shown().splitlines()[0]
        == f"the disk of {runs.root} is full: watchers keep their results in memory until there is room"
    )


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (
            (4096, 4096, 1000, 60, 60, 1000, 500, 500, os.ST_RDONLY, 255),
            "the file system of {root} is read-only",
        ),
        ((4096, 4096, 1000, 100, 100, 1000, 0, 0, 0, 255), "the disk of {root} has no free inode"),
        ((4096, 4096, 1000, 100, 100, 0, 0, 0, 0, 255), None),
    ],
    ids=["read-only", "no inode", "no inodes at all"],
)
def test_other_reasons_why_nothing_can_be_stored(
    numbers: tuple[int, ...], text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_state.os, "statvfs", lambda _root: os.statvfs_result(numbers))

    assert disk_state.disk_problem(tmp_path) == (text.format(root=tmp_path) if text is not None else None)


def test_a_state_root_that_does_not_exist_has_no_disk_problem(tmp_path: Path) -> None:
    assert disk_state.disk_problem(tmp_path / "none") is None


def test_a_watched_state_that_is_older_than_its_log_cannot_be_written(
    runs: ShownRuns, shown: Callable[..., str]
) -> None:
    paths = runs.add("b", "failed-demo", events=15, live=BOTH)
    paths.runner_log.write_text("x\n")
    os.utime(paths.state, (runs.now.timestamp() - 600,) * 2)
    text = "the state below is 10 min old, although the log has grown since: the watcher cannot write it"

    assert entries(shown("b"))["problem"] == [text]
    os.utime(paths.runner_log, (runs.now.timestamp() - 590,) * 2)
    assert "problem" not in entries(shown("b"))
    paths.runner_log.unlink()
    assert "problem" not in entries(shown("b"))


def test_a_request_that_a_full_disk_left_without_a_state_names_the_disk(
    runs: ShownRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = runs.add("b", "completed")
    paths.state.unlink()
    monkeypatch.setattr(run_state, "disk_problem", lambda root: f"the disk of {root} is full")

    with pytest.raises(
        CommandError, match=r"has not written a state yet; the disk of \S+ is full; free space there"
    ):
        known_run(paths)


def own_start() -> float:
    from atvm_pipeline.shell.processes.process_table import self_identity

    return self_identity()[1]


def change_facts(paths: Paths, **facts: object) -> None:
    """Change facts in a saved state."""
    state = json.loads(paths.state.read_text())
    state["facts"].update(facts)
    paths.state.write_text(json.dumps(state))
