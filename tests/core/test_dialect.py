import contextlib
import re

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.dialect import Dialect, read_dialect
from atvm_pipeline.core.errors import ConfigError, DialectError


def test_an_empty_file_is_the_default_dialect() -> None:
    assert read_dialect("# nothing\n", "d.toml") == Dialect()


def test_a_setting_overrides_its_default_and_no_other() -> None:
    dialect = read_dialect("host = 'vm\\d+'\nprogress = '^STEP'\n", "d.toml")

    assert dialect == Dialect(host=r"vm\d+", progress="^STEP")


def test_what_is_not_requested_is_added_and_written_only_where_it_is_set() -> None:
    own = read_dialect(r"not_requested = 'lab\d+'", "d.toml")

    assert own == Dialect(not_requested=r"lab\d+")
    assert msgspec.json.decode(msgspec.json.encode(own), type=Dialect) == own
    assert b"not_requested" not in msgspec.json.encode(Dialect())
    assert read_dialect("not_requested = ''", "d.toml").not_requested == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n\nlable = 'x'\n", 'dialect.toml:3: "lable" is not a setting; did you mean "label"?'),
        ("not-hosts = 'x'", 'dialect.toml:1: "not-hosts" is not a setting; did you mean "not_hosts"?'),
        (
            "not_requestd = 'x'",
            'dialect.toml:1: "not_requestd" is not a setting; did you mean "not_requested"?',
        ),
        ("not_requested = ['a']", "dialect.toml:1: not_requested must be one string in quotes, not an array"),
        ("\nnot_requested = '['", "dialect.toml:2: not_requested is not a regular expression: "),
        ("zzz = 1", 'dialect.toml:1: "zzz" is not a setting; settings are label, host,'),
        ("[dialect]\nhost = 'x'", 'dialect.toml:1: "dialect" is not a setting; '),
        ("progress = ''\nhost = 3", "dialect.toml:2: host must be a string in quotes"),
        ("host = ['a']", "dialect.toml:1: host must be one string in quotes, not an array"),
        ("host.x = 'a'", "dialect.toml:1: host must be one string in quotes, not a table"),
        ("# host = 'a'\nhost = '('", "dialect.toml:2: host is not a regular expression: missing )"),
        (
            "progress = '''\nhost = \n'''\nhost = 'a{5000000000}'",
            "dialect.toml:4: host is not a regular expression",
        ),
        ("label = 'id (.*)'", "dialect.toml:1: label must have a group (?P<label>…)"),
        ("label = ''", "dialect.toml:1: label must not be empty; leave it out"),
        ("label = '(?P<label>x*)'", "dialect.toml:1: label matches everything"),
        ("browser_process = '.*'", "dialect.toml:1: browser_process matches everything"),
        (
            "artifacts = '../secret'",
            "dialect.toml:1: artifacts must be a directory below the working directory",
        ),
        ("artifacts = '/tmp'", "dialect.toml:1: artifacts must be a directory below the working directory"),
        ("host = 'x'\nhost = 'y'", "dialect.toml:2: this is not TOML: "),
        ('host = "\\d"', "dialect.toml:1: this is not TOML: "),
        ("host = '", "dialect.toml:1: this is not TOML: "),
        ("x = " + "[" * 5000, "dialect.toml:1: "),
        (f"host = '{'x' * 3000}'", "dialect.toml:1: host is longer than 2000 characters"),
        ("#" * 70_000, "dialect.toml:1: the file is larger"),
        (
            '# a key with an escape cannot be found again\n"ho\\u0073t" = 3',
            "dialect.toml:1: host must be a string",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_what_to_do(text: str, told: str) -> None:
    with pytest.raises(DialectError) as caught:
        read_dialect(text, "dialect.toml")

    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ConfigError)


def test_a_dialect_from_a_journal_is_checked_as_well() -> None:
    data = msgspec.json.encode({"host": "("})

    with pytest.raises(msgspec.ValidationError, match="not a regular expression"):
        msgspec.json.decode(data, type=Dialect)


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("cypress run --record --ci-build-id e2e-redhat9.6-fc --parallel", "e2e-redhat9.6-fc"),
        ("['cypress', 'run', '--ci-build-id', 'x-y']", "x-y"),
        ('["--ci-build-id","x","--headless"]', "x"),
        ("--ci-build-id=x --headless", "x"),
        ("--ci-build-ids x", None),
        ("--ci-build-id='a b' --x", "a b"),
        ('--ci-build-id "a b"', "a b"),
        ('--ci-build-id "[nightly] a"', "[nightly] a"),
        ("--ci-build-id flag-vm-1", "flag-vm-1"),
        ("--ci-build-id --parallel", None),
        ("['--ci-build-id', '--parallel']", None),
        ("  --ci-build-id <id>   the unique identifier for a run", None),
        ("--ci-build-id \\", None),
        ("--ci-build-id $LABEL", None),
    ],
)
def test_the_default_label_reads_a_command_line(line: str, label: str | None) -> None:
    match = re.search(Dialect().label, line)

    assert (match[match.lastgroup or 0] if match else None) == label


@pytest.mark.parametrize("front", ["", "[12:00:01] ", "  ", "Error: "])
@pytest.mark.parametrize(
    "sentence",
    [
        "You passed the --ci-build-id flag but did not provide either a --group or --parallel flag.",
        "The --ci-build-id flag you passed was: e2e-redhat9.6-fc",
        "The --ci-build-id you passed was: e2e-redhat9.6-fc",
        "The --ci-build-id flag is used to either group or parallelize multiple runs together.",
        "You passed the --ci-build-id, --group, --tag, or --parallel flag without also passing the --record flag.",
        "Because the ciBuildId could not be auto-detected you must pass the --ci-build-id flag manually.",
        "missing --ci-build-id flag",
        "--ci-build-id options: none",
        "--ci-build-id is required.",
    ],
)
def test_a_sentence_about_the_flag_holds_no_label(front: str, sentence: str) -> None:
    assert re.search(Dialect().label, front + sentence) is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="label = '\"\n[]{}host.#\\", max_size=60))
def test_no_text_raises_anything_but_its_own_error(text: str) -> None:
    with contextlib.suppress(DialectError):
        read_dialect(text, "d")
