"""Tickets of starts: their order, and the death of a start that holds one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from atvm_pipeline.shell.exit_codes import IN_USE, CommandError
from atvm_pipeline.shell.start import tickets
from atvm_pipeline.shell.start.resources import Resources
from atvm_pipeline.shell.start.tickets import TICKETS, draw_ticket, queue_lock, waiting_starts
from tests.support.project import PROJECT
from tests.support.waiting import wait_for


def resources(build: str) -> Resources:
    return Resources(build_name=build, log=f"/logs/{build}", hosts=("redhat9.6",))


HOLDER = """
import sys
from pathlib import Path
from atvm_pipeline.shell.start.resources import Resources
from atvm_pipeline.shell.start.tickets import draw_ticket
with draw_ticket(Path(sys.argv[1]), Resources(build_name="held", log="/l"), waiting=True):
    print("drawn", flush=True)
    sys.stdin.read()
"""


def test_a_later_ticket_sees_the_earlier_ones_in_their_order(tmp_path: Path) -> None:
    with draw_ticket(tmp_path, resources("a")), draw_ticket(tmp_path, resources("b"), waiting=True) as second:
        with draw_ticket(tmp_path, resources("c")) as third, queue_lock(tmp_path):
            names = [ticket.resources.build_name for ticket in third.earlier()]
        with queue_lock(tmp_path):
            before = [ticket.resources.build_name for ticket in second.earlier()]

    assert names == ["a", "b"]
    assert before == ["a"]
    assert list((tmp_path / TICKETS).glob("*.json")) == []


def test_only_starts_that_wait_are_listed_as_waiting_until_it_is_their_turn(tmp_path: Path) -> None:
    with draw_ticket(tmp_path, resources("a")), draw_ticket(tmp_path, resources("b"), waiting=True) as second:
        waiting = [ticket.resources.build_name for ticket in waiting_starts(tmp_path)]
        with queue_lock(tmp_path):
            second.serve()
        served = waiting_starts(tmp_path)

    assert waiting == ["b"]
    assert served == []
    assert waiting_starts(tmp_path / "nowhere") == []


def test_the_ticket_of_a_killed_start_counts_no_more_and_is_deleted_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"drawn\n"
        with draw_ticket(tmp_path, resources("b")) as mine, queue_lock(tmp_path):
            while_it_lives = [ticket.resources.build_name for ticket in mine.earlier()]
        os.kill(holder.pid, signal.SIGKILL)
    left = list((tmp_path / TICKETS).glob("*.json"))
    with draw_ticket(tmp_path, resources("b")) as mine, queue_lock(tmp_path):
        after = mine.earlier()

    assert while_it_lives == ["held"]
    assert len(left) == 1
    assert after == []
    assert not left[0].exists()


def test_a_ticket_that_cannot_be_read_is_skipped(tmp_path: Path) -> None:
    with draw_ticket(tmp_path, resources("a")):
        path = next((tmp_path / TICKETS).glob("*.json"))
        path.write_text("{")
        with draw_ticket(tmp_path, resources("b")) as mine, queue_lock(tmp_path):
            assert mine.earlier() == []


def test_a_queue_lock_that_is_never_released_refuses_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "QUEUE_LOCK_WAIT_S", 0.05)
    with (
        queue_lock(tmp_path),
        pytest.raises(CommandError, match="try again") as refused,
        draw_ticket(tmp_path, resources("a")),
    ):
        pytest.fail("the ticket must not be drawn")

    assert refused.value.code == IN_USE


def test_many_starts_at_once_get_different_numbers(tmp_path: Path) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    wait_for(lambda: len(waiting_starts(tmp_path)) == len(starts), "all tickets")
    for start in starts:
        start.communicate()

    assert waiting_starts(tmp_path) == []
    assert [start.returncode for start in starts] == [0] * 4
