"""Hostile input, the short form: every seed, every input that once broke the program, and a short guided run.

The long form is `python -m tests.fuzz TARGET --minutes M`.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest

from atvm_pipeline.core.codec import decode_event
from atvm_pipeline.core.errors import DataError
from tests.fuzz import minimising, registry, running, seeding

SEED = 20261125
FOUND = [(name, path) for name in registry.NAMES for path in registry.found(name)]


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_seed_holds(name: str) -> None:
    target = registry.load(name)
    seeds = list(target.seeds())

    assert len(seeds) > 3
    for seed in seeds:
        target.target(seed)


@pytest.mark.parametrize(("name", "path"), FOUND, ids=[f"{name}-{path.name}" for name, path in FOUND])
def test_what_once_broke_the_program_holds(name: str, path: Path) -> None:
    registry.load(name).target(path.read_bytes())


@pytest.mark.timeout(600)  # it takes seconds; a busy machine may need more
@pytest.mark.parametrize("name", registry.NAMES)
def test_a_short_guided_run_finds_nothing(name: str, tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed: it has no wheel for every Python")
    runs = registry.load(name).SHORT_RUNS

    outcome = running.session(name, tmp_path, runs=runs, seed=SEED)

    assert outcome.failures == []
    assert outcome.findings == []
    assert outcome.executions >= runs
    assert outcome.edges > 50  # the package was instrumented
    assert not (tmp_path / running.SCRATCH).exists()


def test_a_finding_is_made_small_and_keeps_its_place() -> None:
    def target(data: bytes) -> None:
        if b"<" in data and b"@" in data:
            raise ValueError

    small = minimising.smallest(target, b"x" * 300 + b"@" + b"y" * 200 + b"<" + b"z" * 100)

    assert small == b"@<"
    assert minimising.place_of(target, small) == minimising.place_of(target, b"<@")
    assert minimising.place_of(target, b"@") is None


def test_a_finding_ends_a_session_with_its_input_and_its_words(tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed")
    word = registry.load(registry.PROOF).WORDS[0]

    outcome = running.session(registry.PROOF, tmp_path, runs=1_000_000, seed=SEED)

    assert [word in path.read_bytes() for path in outcome.findings] == [True]
    assert "ValueError: it came" in outcome.failures[0]
    assert word == minimising.smallest(registry.load(registry.PROOF).target, outcome.findings[0].read_bytes())


def test_a_mutated_journal_is_made_of_lines_that_can_be_read() -> None:
    """The JSON reader would refuse randomly changed bytes, so the code after it would not be tested."""
    journal = seeding.journals()[0]
    mutants = [seeding.mutate_lines(journal, 10**6, seed, lambda data, _: data) for seed in range(50)]

    assert len(set(mutants)) > 30
    read = [line for mutant in mutants for line in mutant.splitlines() if _is_event(line)]
    assert len(read) > 0.8 * sum(mutant.count(b"\n") for mutant in mutants)


def _is_event(line: bytes) -> bool:
    try:
        decode_event(line)
    except DataError:
        return False
    return True
