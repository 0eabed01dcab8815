import signal

import pytest

from atvm_pipeline.core.verdict.exit_code_text import (
    CRASHES,
    SIGNAL_NUMBERS,
    exit_code_text,
    signal_of_exit_code,
    signal_text,
)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (112, "recording server"),
        (126, "not executable"),
        (126, "permission"),
        (127, "command not found"),
        (130, "SIGINT"),
        (130, "Ctrl-C"),
        (137, "SIGKILL"),
        (137, "memory"),
        (139, "crashed"),
        (143, "SIGTERM"),
        (143, "asked to stop"),
    ],
)
def test_an_exit_code_that_has_a_meaning_is_named_with_it(code: int, words: str) -> None:
    text = exit_code_text(code)

    assert text.startswith(f"exit code {code} (")
    assert words in text


@pytest.mark.parametrize("code", [0, 1, 2, 9, 113, 125, 128, 192, 255, -1])
def test_any_other_exit_code_is_only_a_number(code: int) -> None:
    assert exit_code_text(code) == f"exit code {code}"
    assert signal_of_exit_code(code) is None


@pytest.mark.parametrize("name", SIGNAL_NUMBERS)
def test_the_signals_have_the_numbers_of_this_system(name: str) -> None:
    assert signal.Signals[name] == SIGNAL_NUMBERS[name]
    assert signal_of_exit_code(128 + SIGNAL_NUMBERS[name]) == name
    assert signal_text(name).startswith(name)


def test_memory_is_named_for_sigkill_only_and_a_crash_is_called_one() -> None:
    assert [name for name in SIGNAL_NUMBERS if "memory" in signal_text(name)] == ["SIGKILL"]
    assert {name for name in SIGNAL_NUMBERS if "crashed" in signal_text(name)} == CRASHES
    assert signal_text("SIGQUIT") == "SIGQUIT"
    assert signal_text("SIG64") == "SIG64"
