"""Waiting for a condition, with a fake clock."""

import pytest

from atvm_pipeline.shell.system import clock


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that were made; they take no time."""
    made: list[float] = []
    monkeypatch.setattr(clock, "monotonic", lambda: 100.0 + sum(made))
    monkeypatch.setattr(clock, "sleep", made.append)
    return made


def test_the_answer_that_is_true_ends_the_wait(pauses: list[float]) -> None:
    answers = iter(["", "", "here", "later"])

    assert clock.wait_until(lambda: next(answers), 10.0, 0.5) == "here"
    assert pauses == [0.5, 0.5]


def test_it_is_asked_a_last_time_at_the_deadline(pauses: list[float]) -> None:
    asked: list[float] = []

    assert clock.wait_until(lambda: asked.append(sum(pauses)), 1.25, 0.5) is None
    assert pauses == [0.5, 0.5, 0.25]
    assert asked == [0.0, 0.5, 1.0, 1.25]


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_without_time_it_is_asked_once(timeout_s: float, pauses: list[float]) -> None:
    assert clock.wait_until(lambda: 0, timeout_s, 0.5) == 0
    assert pauses == []
