"""A dialect pattern with exponential backtracking is refused before a run starts."""

import threading

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.config.backtracking import AGAIN_LIMIT_S, check_patterns
from tests.support.waiting import DEADLINE_S


@pytest.mark.parametrize(
    "pattern",
    [
        r"^=== (?P<label>(a+)+)$",
        r"^=== (?P<label>(?:\w+\s?)*)$",
        r"(?P<label>(x+x+)+y)",
        r"(?P<label>(a|aa)+)$",
        r"(?P<label>([a-z]+)*[^b]+)=end",
        r"group (?P<label>(?:[^,]+,?)+);",
        r"(?P<label>.*.*.*.*=)",
    ],
)
def test_a_pattern_that_backtracks_without_end_is_refused_by_its_key(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"^d\.toml: label takes longer than 1 s") as refused:
        check_patterns(Dialect(label=pattern), "d.toml")

    assert "\n" not in str(refused.value)


def test_what_is_not_requested_must_come_to_an_end_too() -> None:
    check_patterns(Dialect(not_requested=r"lab\d+|pure\d+\.\d+"), "d.toml")
    check_patterns(Dialect(not_requested=""), "d.toml")

    with pytest.raises(ConfigError, match=r"^d\.toml: not_requested takes longer than 1 s"):
        check_patterns(Dialect(not_requested=r"(x+x+)+y"), "d.toml")


@pytest.mark.parametrize(
    "pattern",
    [
        Dialect().label,
        r"^=== group (?P<label>\S+)$",
        r"^=== (?P<label>(?:a++)+)$",
        r"(?P<label>(?>a+)+)$",
        r"(?i)running (?P<label>[\w.-]+(?:-[\w.]+)*) on (?:host|vm)\d{1,3}",
        r"(?<!x)--label[=\s]+(?P<label>[^\s'\"]+)(?!y)",
    ],
)
def test_an_ordinary_pattern_passes(pattern: str) -> None:
    check_patterns(
        Dialect(label=pattern, host=r"(?:vm|node)\d+(?:\.\d+)*", progress="restor(?:e|ing)"), "d.toml"
    )


def test_a_pattern_that_just_passed_at_the_start_is_not_refused_by_the_watcher() -> None:
    """The same pattern can take twice as long at another time."""
    slow = Dialect(label=r".*\bci-build-id\b.*?(?P<label>[A-Za-z0-9._-]+).*$")
    with pytest.raises(ConfigError, match="label takes longer than 0 s"):
        check_patterns(slow, "d.toml", 0.02)

    check_patterns(slow, "d.toml", AGAIN_LIMIT_S)


def test_the_defaults_pass_without_being_tried_again() -> None:
    check_patterns(Dialect(), "d.toml")


def test_outside_the_main_thread_nothing_is_tried() -> None:
    """Signals only reach the main thread. The start, the watcher and `inspect` all read a dialect there."""
    thread = threading.Thread(target=check_patterns, args=(Dialect(label="(?P<label>(a+)+)$"), "d.toml"))
    thread.start()
    thread.join(DEADLINE_S)

    assert not thread.is_alive()
