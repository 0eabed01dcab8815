"""The limits of a baseline and of the provenance."""

from datetime import UTC, date, datetime, timedelta

import msgspec

from atvm_pipeline.core.history.baseline import (
    BASELINE_BYTES_MAX,
    EARLIER_RUNS_MAX,
    KNOWN_ISSUES_MAX,
    EarlierRun,
    EarlierSpec,
    History,
    KnownIssue,
    fitted,
)
from atvm_pipeline.core.history.provenance import (
    CONFIG_LINES_MAX,
    PROVENANCE_ENTRIES_MAX,
    PROVENANCE_TEXT_CHARS_MAX,
    Provenance,
    fitted_lines,
    fitted_provenance,
)

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def spec(number: int, size: int = 0) -> EarlierSpec:
    at = NOW - timedelta(days=number)
    return EarlierSpec(
        spec=f"s{number}.cy.ts", run_id="r0", at=at, passed="x" * size, durations_s=(1.0,) * 50
    )


def size(history: History) -> int:
    return len(msgspec.json.encode(history))


def test_a_history_within_the_limits_is_kept() -> None:
    history = History(scenario="a/b/c", runs=3, specs=(msgspec.structs.replace(spec(1), durations_s=()),))

    assert fitted(history) == history


def test_courses_durations_and_issues_beyond_the_limits_are_left_out() -> None:
    courses = tuple(EarlierRun(run_id=f"r{n}", total_s=1.0) for n in range(EARLIER_RUNS_MAX + 3))
    issues = tuple(KnownIssue(ref=f"MIG-{n}", until=date(2026, 12, 31)) for n in range(KNOWN_ISSUES_MAX + 4))
    found = fitted(History(scenario="s", specs=(spec(1),), courses=courses, issues=issues, left_out=1))

    assert found.courses == courses[:EARLIER_RUNS_MAX]
    assert len(found.issues) == KNOWN_ISSUES_MAX
    assert len(found.specs[0].durations_s) == EARLIER_RUNS_MAX
    assert found.left_out == 8


def test_courses_go_first_then_the_specs_whose_result_is_the_oldest_then_issues() -> None:
    course = EarlierRun(run_id="r1", total_s=1.0, spans=tuple((0, 1.0, 2.0) for _ in range(10_000)))
    specs = tuple(spec(n, BASELINE_BYTES_MAX // 6) for n in (3, 1, 2, 4))
    found = fitted(History(scenario="s", specs=specs, courses=(course,) * EARLIER_RUNS_MAX))

    assert size(found) <= BASELINE_BYTES_MAX
    assert len(found.courses) == 2
    assert {one.spec for one in found.specs} == {one.spec for one in specs}

    many = tuple(spec(n, BASELINE_BYTES_MAX // 6) for n in (3, 1, 2, 4, 8, 7, 6, 5))
    found = fitted(History(scenario="s", specs=many, courses=(course,)))
    assert [one.spec for one in found.specs] == ["s1.cy.ts", "s2.cy.ts", "s3.cy.ts", "s4.cy.ts"]
    assert found.courses == ()
    assert found.left_out == 5

    huge = tuple(KnownIssue(ref="x" * 3000, until=date(2026, 12, 31)) for _ in range(KNOWN_ISSUES_MAX))
    found = fitted(History(scenario="s", issues=huge))
    assert size(found) <= BASELINE_BYTES_MAX
    assert len(found.issues) == KNOWN_ISSUES_MAX // 4


def test_provenance_is_cut_to_its_limits() -> None:
    long = "v" * 1000
    found = fitted_provenance(
        Provenance(
            git_commit="abc",
            lock_files={f"{n:04}.lock": long for n in range(PROVENANCE_ENTRIES_MAX + 5)},
            kernels={"redhat9.6": None, "w2k25": "10\x1b"},
            problems=(long,) * 200,
        )
    )

    assert len(found.lock_files) == len(found.problems) == PROVENANCE_ENTRIES_MAX
    assert {len(text) for text in (*found.lock_files.values(), *found.problems)} == {
        PROVENANCE_TEXT_CHARS_MAX
    }
    assert found.kernels == {"redhat9.6": None, "w2k25": "10"}
    assert found.git_commit == "abc"


def test_lines_of_the_config_keep_their_indentation_and_no_control_character() -> None:
    found = fitted_lines(["  a: 1 \n", "b\x1b" + "x" * 500] + ["c"] * CONFIG_LINES_MAX)

    assert found[0] == "  a: 1"
    assert found[1].startswith("b x")
    assert len(found[1]) == PROVENANCE_TEXT_CHARS_MAX
    assert len(found) == CONFIG_LINES_MAX
