"""The kernel's count of out-of-memory kills in our control group, in the formats of both versions of control groups."""

import pytest

from atvm_pipeline.shell.runner.oom_kills import oom_kills


@pytest.mark.parametrize(
    ("own", "file", "text", "count"),
    [
        (
            "0::/system.slice/a.service\n",
            "system.slice/a.service/memory.events",
            "low 0\noom 2\noom_kill 1\n",
            1,
        ),
        ("4:memory:/a\n0::/\n", "memory/a/memory.oom_control", "under_oom 0\noom_kill 3\n", 3),
        ("0::/a\n", "a/memory.events", "oom_kill x\n", 0),
        ("0::/a\n", "a/other", "oom_kill 1\n", 0),
        ("nonsense\n", "a/memory.events", "oom_kill 1\n", 0),
    ],
    ids=["version 2", "version 1", "not a number", "not counted", "not a list of groups"],
)
def test_the_kills_of_our_group_are_counted(tmp_path, own, file, text, count):
    (tmp_path / "own").write_text(own)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)

    assert oom_kills(tmp_path / "own", tmp_path) == count


def test_without_a_counter_no_kill_is_reported(tmp_path):
    assert oom_kills(tmp_path / "absent", tmp_path) == 0
