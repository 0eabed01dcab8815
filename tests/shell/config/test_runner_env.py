"""The environment of the commands, and the rules for the environment file."""

import pytest
from hypothesis import given, strategies as st

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.config.env_file import ENV_FILE_BYTES_MAX, read_env_file
from atvm_pipeline.shell.config.runner_env import (
    check_settings,
    left_out,
    runner_environment,
    secrets_from,
    without_secrets,
)


def read(tmp_path, text):
    path = tmp_path / "env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_env_file(path)


def test_the_runner_gets_the_documented_and_the_requested_variables():
    passed = {
        **dict.fromkeys(("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "DISPLAY", "CI"), "x"),
        **dict.fromkeys(
            ("http_proxy", "HTTPS_PROXY", "no_proxy", "CYPRESS_CACHE_FOLDER", "NODE_OPTIONS"), "y"
        ),
        **dict.fromkeys(("ATVM_STAND_IN_SCENARIO", "ASKED_A", "ASKED_B", "ASKED_C"), "z"),
    }
    kept_back = {
        "MATTERMOST_ATVM_WEBHOOK": "secret",
        "MATTERMOST_ATVM_CHANNEL": "secret",
        "ATVM_RUNNER_PASS": "ASKED_A, ASKED_B ASKED_C,MATTERMOST_ATVM_WEBHOOK,ABSENT",
        "SHELL": "n",
        "PATHS": "n",
        "ATVM_WATCHER_STATE_ROOT": "n",
        "LD_PRELOAD": "n",
        "CIRCLE": "n",
    }

    assert runner_environment({**passed, **kept_back}) == passed


def test_what_is_not_utf8_is_left_out_and_named():
    environ = {"LC_A": "\udce9", "LC_\udce9": "x", "LC_B": "ü", "SHELL": "\udce9"}

    assert runner_environment(environ) == {"LC_B": "ü"}
    assert left_out(environ) == ["LC_A", "LC_\udce9"]


def test_a_setting_that_is_not_utf8_is_refused_without_its_value():
    with pytest.raises(ConfigError, match=r"^ATVM_RUNNER_LOG is not UTF-8: ") as refused:
        check_settings({"ATVM_STAND_IN_X": "\udce9", "LC_A": "\udce9", "ATVM_RUNNER_LOG": "s3cret\udce9"})

    assert "s3cret" not in str(refused.value)


def test_only_the_secrets_are_kept_from_our_own_parts():
    environ = {"MATTERMOST_X": "1", "mattermost_y": "2", "PATH": "3"}

    assert without_secrets(environ) == {"PATH": "3"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("# c = d\n; e\n  # f\n\n A=1 \n", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A = b c  \n", {"A": "b c"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A='b \"c\" $d \\n'\n", {"A": 'b "c" $d \\n'}),
        ('A="b \\"c\\" \\$d \\` \\\\ \\n"\n', {"A": 'b "c" $d ` \\ \\n'}),
        ("A='one'\"two\"three four\n", {"A": "onetwothree four"}),
        ("A=it's\n", {"A": "it's"}),
        ("A=one \\\n  two\nB=3\n", {"A": "one   two", "B": "3"}),
        ('A="one\\\ntwo"\nB=3\n', {"A": "onetwo", "B": "3"}),
        ('A="one\ntwo"\n', {"A": "one\ntwo"}),
        ("A=a\\ b\\#\n", {"A": "a b#"}),
        ("A=a#b # c\n", {"A": "a#b # c"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("URL=https://h/hooks/abc?x=1\n", {"URL": "https://h/hooks/abc?x=1"}),
        ("A=ü ✖\n", {"A": "ü ✖"}),
        ("A=b\\", {"A": "b"}),
    ],
)
def test_the_file_is_read_as_systemd_reads_it(tmp_path, text, expected):
    assert read(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\nsecretvalue\n", 2),
        ("A=1\n\nexport B=secretvalue\n", 3),
        ("9A=secretvalue", 1),
        ("A-B=secretvalue", 1),
        ("=secretvalue", 1),
        ("A=1\nB='secretvalue\nC=2\n", 2),
        ('B="secretvalue', 1),
        ("A=1\nB=secretvalue\0x\n", 2),
        (b"A=1\nB=secretvalue\xff\n", 2),
    ],
)
def test_garbage_is_one_line_that_names_the_place_and_never_the_value(tmp_path, text, line):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)

    assert f"{tmp_path}/env, line {line}: " in str(error.value)
    assert "secretvalue" not in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_missing_file_is_empty_and_an_endless_one_is_refused(tmp_path):
    assert read_env_file(tmp_path / "none") == {}
    with pytest.raises(ConfigError, match="larger"):
        read(tmp_path, b"A=" + b"x" * ENV_FILE_BYTES_MAX)


@given(st.text(alphabet="A=b '\"\\\n\r#;\t$`", max_size=60))
def test_every_text_has_variables_or_raises_a_configerror(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "hostile"
    path.write_bytes(text.encode())
    try:
        variables = read_env_file(path)
    except ConfigError:
        return

    assert all(name.isidentifier() for name in variables)


def test_secrets_come_from_the_process_environment_first_and_then_from_the_file(tmp_path):
    path = tmp_path / "env"
    path.write_text("MATTERMOST_ATVM_WEBHOOK=https://file/hooks/x\nMATTERMOST_ATVM_CHANNEL=file\n")

    assert secrets_from({"MATTERMOST_ATVM_CHANNEL": "mine"}, path) == ("https://file/hooks/x", "mine")
    assert secrets_from({"MATTERMOST_ATVM_WEBHOOK": "w", "MATTERMOST_ATVM_CHANNEL": "c"}, path) == ("w", "c")
    assert secrets_from({}, tmp_path / "none") == (None, None)
