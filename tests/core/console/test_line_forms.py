"""Logs whose lines were all changed in the same way are read as Cypress printed them."""

import random
from collections.abc import Callable, Sequence

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import Scanner
from atvm_pipeline.core.dialect import Dialect
from tests.core.console.test_scanner import found
from tests.support import cypress_output as prints
from tests.support.judged_log import judged
from tests.support.project import PROJECT

HOST, CHECK = "redhat9.6.cy.ts", "check-xml-files.ts"
GREEN = prints.whole_run(HOST, CHECK)
RED = [
    *prints.starting(HOST, CHECK),
    *prints.running(HOST, 1, 2),
    *("", "  redhat9", "    ✓ moves", "    1) cuts over"),
    *prints.epilogue(1, [("redhat9", "cuts over", "AssertionError: expected 1 to equal 2")]),
    *prints.results(HOST, passing=1, failing=1),
    *prints.whole_spec(CHECK, 2, 2),
    *prints.finished(
        [prints.row(HOST, (2, 1, 1, 0, 0), "✖"), prints.row(CHECK, (1, 1, 0, 0, 0))],
        "1 of 2 failed (50%)",
        (3, 2, 1, 0, 0),
        "✖",
    ),
]


def clock(number: int) -> str:
    """Return a time of day that advances by one second every third line."""
    seconds = 16 * 3600 + 58 * 60 + number // 3
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


SHAPES: dict[str, Callable[[int, str], str]] = {
    "Jenkins timestamper": lambda n, line: f"{clock(n)}  {line}",
    "Jenkins pipeline": lambda n, line: f"[2026-11-27T{clock(n)}.{n % 1000:03}Z] {line}",
    "GitHub Actions": lambda n, line: f"2026-11-27T{clock(n)}.{n:07}Z {line}",
    "GitHub CLI": lambda n, line: f"e2e\tRun tests\t2026-11-27T{clock(n)}.{n:07}Z {line}",
    "GitLab": lambda n, line: f"2026-11-27T{clock(n)}.{n:06}Z 01O {line}",
    "TeamCity": lambda n, line: f"[{clock(n)}] :\t [Step 1/1] {line}",
    "Bamboo": lambda n, line: f"build\t27-Nov-2026 {clock(n)}\t{line}",
    "docker compose": lambda _, line: f"cypress-1  | {line}",
    "docker compose in colour": lambda _, line: f"\x1b[36mcypress-1  | \x1b[0m{line}",
    "pnpm": lambda _, line: f"packages/e2e cypress:run: {line}",
    "concurrently": lambda _, line: f"[0] {line}",
    "cypress-parallel": lambda _, line: f"[thread 2] {line}",
    "a label": lambda _, line: f"[e2e-redhat9.6-fc] {line}",
    "logging.info": lambda _, line: f"INFO:root:{line}",
    "logging with a clock": lambda n, line: f"2026-11-27 {clock(n)},{n % 1000:03} - runner - INFO - {line}",
    "the journal": lambda n, line: f"Nov 27 {clock(n)} controller atvm-runner[4711]: {line}",
    "ts": lambda n, line: f"Nov  7 {clock(n)} {line}",
    "seconds since 1970": lambda n, line: f"{1764262800 + n}.{n:03} {line}",
    "a counter": lambda n, line: f"{n:6}\t{line}",
    "stripped": lambda _, line: line.strip(),
    "stripped and logged": lambda _, line: f"INFO:root:{line.strip()}",
    "stripped and labelled": lambda _, line: f"[e2e-redhat9.6-fc] {line.strip()}",
    "four more blanks": lambda _, line: f"    {line}",
    "bytes": lambda _, line: repr(f"{line}\n".encode()),
    "logged bytes": lambda _, line: f"INFO:root:{line.encode()!r}",
    "repr": lambda _, line: repr(f"{line}\n"),
    "ESC ( B": lambda _, line: f"\x1b(B{line}\x1b(B\x1b[m",
    "OSC": lambda _, line: f"\x1b]0;cypress\x07{line}\x1b]8;;http://x/\x1b\\",
}


def changed(lines: Sequence[str], shape: Callable[[int, str], str], first: int = 0) -> list[str]:
    return [shape(number, line) for number, line in enumerate(lines, first)]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("paint", [str, prints.coloured], ids=["plain", "coloured"])
@pytest.mark.parametrize("categorize", [False, True])
def test_a_log_in_this_form_is_read(
    shape: Callable[[int, str], str], paint: Callable[[str], str], *, categorize: bool
) -> None:
    def ending(lines: Sequence[str]) -> tuple[str, str, int, int]:
        view = judged(changed([paint(line) for line in lines], shape), categorize=categorize)
        return view.phase.value, view.reason["code"], view.ledger.passed, view.ledger.planned

    assert ending(GREEN) == ("COMPLETED", "all-passed", 2, 2)
    assert ending(RED) == ("FAILED", "tests-failed", 1, 2)
    assert ending(GREEN[: GREEN.index("  (Run Finished)")])[0] == "FAILED"
    assert ending([*GREEN, *RED])[:2] == ("FAILED", "tests-failed")


OTHER = prints.whole_run("w2k25.cy.ts", CHECK)


def labelled(label: str, lines: Sequence[str]) -> list[str]:
    return [f"[{label}] {line}" for line in lines]


def woven(one: Sequence[str], other: Sequence[str], seed: int) -> list[str]:
    """Interleave two logs at random, each in its own order."""
    rng = random.Random(seed)  # noqa: S311 - must be repeatable
    mixed: list[str] = []
    left, right = list(one[::-1]), list(other[::-1])
    while left or right:
        mixed.append((left if (rng.random() < 0.5 and left) or not right else right).pop())
    return mixed


@pytest.mark.parametrize("labels", [("a", "b"), ("0", "1"), ("redhat9.6", "redhat8.4"), ("1", "10")], ids=str)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("categorize", [False, True])
def test_runs_under_two_labels_are_read_apart(
    labels: tuple[str, str], seed: int, *, categorize: bool
) -> None:
    def phases(one: Sequence[str], other: Sequence[str]) -> tuple[str, list[str]]:
        lines = woven(labelled(labels[0], one), labelled(labels[1], other), seed)
        view = judged(lines, categorize=categorize)
        return view.phase.value, sorted(subrun.phase for subrun in view.subruns)

    subruns = 2 if categorize else 1
    assert phases(GREEN, OTHER) == ("COMPLETED", ["COMPLETED"] * subruns)
    assert phases(RED, OTHER) == ("FAILED", ["COMPLETED", "FAILED"][-subruns:])
    assert phases(GREEN, OTHER[: OTHER.index("  (Run Finished)")])[0] == "FAILED"


def test_groups_one_after_another_under_labels_of_their_own_are_read() -> None:
    lines = [*labelled("e2e-redhat9.6-fc", GREEN), *labelled("e2e-w2k25-fc", OTHER)]
    view = judged(lines, categorize=True)

    assert [subrun.phase for subrun in view.subruns] == ["COMPLETED", "COMPLETED"]
    assert judged(lines).ledger.planned == 4
    assert judged([*lines, *labelled("e2e-w2k25-fc", RED)], categorize=True).phase == "FAILED"


def test_a_run_that_died_under_one_label_does_not_touch_a_run_under_another() -> None:
    died = labelled("a", GREEN[: GREEN.index("  (Results)")])
    view = judged([*died, *labelled("b", OTHER), *labelled("a", GREEN)], categorize=True)

    assert [subrun.phase for subrun in view.subruns] == ["FAILED", "COMPLETED", "COMPLETED"]


def test_a_plain_run_in_front_of_a_labelled_one_is_read_too() -> None:
    view = judged([*GREEN, *labelled("x", RED), *OTHER], categorize=True)

    assert [subrun.phase for subrun in view.subruns] == ["COMPLETED", "FAILED", "COMPLETED"]


def test_a_form_is_never_learnt_from_a_single_line_or_too_few_rows() -> None:
    title = GREEN.index("  (Run Starting)")
    two_rows = [
        *labelled("x", GREEN[: title + 5]),
        *("noise" for _ in range(200)),
        *labelled("x", GREEN[title + 5 :]),
    ]

    for lines in (labelled("x", GREEN[: title + 1]), two_rows, [f"{'x' * 200} {line}" for line in GREEN]):
        assert not any(isinstance(fact, f.FormLearnt) for fact in found(lines))
    assert not any(isinstance(fact, f.FormLearnt) for fact in found(["the test prints (Run Starting) here"]))


def test_the_words_of_a_title_that_are_no_title_teach_nothing() -> None:
    """The title has no brackets, or is indented by more than the width of a header box."""
    title = GREEN.index("  (Run Starting)")
    for changed_title in ("x: Run Starting", f"{'x' * 2000}  (Run Starting)"):
        lines = [*labelled("x", GREEN[:title]), changed_title, *labelled("x", GREEN[title + 1 :])]

        assert not any(isinstance(fact, f.FormLearnt) for fact in found(lines))


def test_a_line_without_the_prefix_is_not_cypresss() -> None:
    lines = labelled("x", GREEN)
    red = [line for line in RED if "✖" in line or "Failing:      1" in line]
    middle = len(lines) - 4

    assert judged([*lines[:middle], *red, *lines[middle:]]).phase == "COMPLETED"
    assert judged([*lines, *labelled("y", red)]).phase == "COMPLETED"
    assert judged([*lines, *labelled("x", red)]).reason["code"] == "failure-unattributed"


@pytest.mark.parametrize("name", ["a label", "stripped", "four more blanks", "as it is"])
def test_a_run_that_a_test_prints_further_in_teaches_nothing(name: str) -> None:
    at = GREEN.index("    ✓ works (62ms)")
    printed = [*GREEN[: at + 1], *(" " * 6 + line for line in RED), *GREEN[at + 1 :]]
    lines = changed(printed, SHAPES.get(name, lambda _, line: line))

    if name == "stripped":
        # Without indentation the output of a test cannot be distinguished from Cypress's own lines.
        assert judged(lines).phase == "FAILED"
    else:
        assert judged(lines).phase == "COMPLETED"


def test_wrapped_names_and_failures_are_read_without_indentation() -> None:
    name = "e2e/" + "x" * 70 + "/redhat9.6.cy.ts"
    lines = [
        *prints.starting(name),
        *prints.running(name),
        *("", "  a suite", "    1) is wrong"),
        *prints.epilogue(0, [("a suite", "is wrong", "AssertionError: no")]),
        *prints.results(name, passing=0, failing=1),
        *prints.finished(
            [prints.row(name, (1, 0, 1, 0, 0), "✖")], "1 of 1 failed (100%)", (1, 0, 1, 0, 0), "✖"
        ),
        *prints.recorded("http://x/1"),
    ]
    view = judged([line.strip() for line in lines])

    assert [spec.spec for spec in view.subruns[0].specs] == [name]
    assert view.subruns[0].specs[0].failures[0].title == "a suite > is wrong"
    assert view.subruns[0].specs[0].failures[0].error == "AssertionError: no"


UNREAD = ("UNKNOWN", "log-unreadable")


def ended(lines: Sequence[str], *, categorize: bool = False) -> tuple[str, str]:
    view = judged(lines, categorize=categorize)
    return view.phase.value, view.reason["code"]


CHANGING: tuple[Callable[[int], str], ...] = (
    clock,
    lambda n: clock(n * 60)[:5],
    lambda n: f"{n // 3600 % 12 + 1:2}:{n // 60 % 60:02}:{n % 60:02} {'AP'[n // 43200 % 2]}M",
    lambda n: f"{n // 3600:2}:{n // 60 % 60:02}:{n % 60:02}",
    lambda n: f"2026-11-27T{clock(n)}.{n:03}Z",
    str,
    lambda n: f"{n:5}",
    lambda n: f"[{n * 0.37:8.2f}]",
    lambda n: f"{n // 7}s",
    lambda n: f"#8 {n * 0.07:.1f}",
    lambda n: f"{n // 5:x}",
    lambda n: f"[pid {900 + n // 13}]",
    lambda n: f"[Thread-{n % 3}]",
    lambda n: ("info", "warn")[n // 17 % 2],
)
WORDS = ("run", "e2e-redhat9.6", "cypress-1", "INFO", "stdout", "step 3/7", "λ", "[x]", "#", "pid=4711")


def random_shape(rng: random.Random) -> Callable[[int, str], str]:
    """Return a random prefix of labels, clocks, counters and separators; some change after the header."""
    parts = [*CHANGING, *((lambda _, word=word: word) for word in WORDS)]
    chosen = [rng.choice(parts) for _ in range(rng.randint(1, 4))]
    joins = [rng.choice((" ", " | ", ": ", "\t", " - ", "]", " > ")) for _ in chosen]
    strip, quoted = rng.random() < 0.2, rng.random() < 0.1

    def shape(number: int, line: str) -> str:
        lead = "".join(part(number) + join for part, join in zip(chosen, joins, strict=True))
        line = line.strip() if strip else line
        return lead + (repr(line.encode()) if quoted else line)

    return shape


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(25))
def test_a_random_prefix_is_read_or_called_unreadable(part: int) -> None:
    read = 0
    for seed in range(part * 40, part * 40 + 40):
        shape = random_shape(random.Random(seed))  # noqa: S311 - must be repeatable
        first = seed * 37 % 2000
        green, red, cut = (
            ended(changed(lines, shape, first))
            for lines in (GREEN, RED, GREEN[: GREEN.index("  (Run Finished)")])
        )
        read += green == ("COMPLETED", "all-passed")

        assert green in (("COMPLETED", "all-passed"), UNREAD), seed
        assert red in (("FAILED", "tests-failed"), ("FAILED", "failure-unattributed"), UNREAD), seed
        assert cut in (("FAILED", "results-missing"), UNREAD), seed
    assert read >= 15


CHANGED_LATER: dict[str, Callable[[int, str], str]] = {
    "another process": lambda n, line: f"[pid {1000 + n // 11}] {line}",
    "threads in turn": lambda n, line: f"[Thread-{n // 9 % 3}] {line}",
    "hexadecimal": lambda n, line: f"{n // 15 + 0x9C:04x}: {line}",
    "seconds": lambda n, line: f"[{n // 12}s] {line}",
    "a level": lambda n, line: f"{('info', 'warning')[n > 20]}> {line}",
}


@pytest.mark.parametrize("shape", CHANGED_LATER.values(), ids=CHANGED_LATER)
@pytest.mark.parametrize("categorize", [False, True])
@pytest.mark.parametrize("lines", [GREEN, RED], ids=["green", "red"])
def test_a_prefix_that_changes_behind_the_header_makes_the_log_unreadable(
    lines: Sequence[str], shape: Callable[[int, str], str], *, categorize: bool
) -> None:
    code = ended(changed(lines, shape), categorize=categorize)
    # A readable results box with a failure is evidence, regardless of its spec.
    assert code == UNREAD or (lines is RED and code == ("FAILED", "failure-unattributed"))


@pytest.mark.parametrize("name", ["minutes", "half days", "an hour of one digit", "seconds since the start"])
def test_a_clock_is_read_past_each_change_of_its_shape(name: str) -> None:
    shape: Callable[[int, str], str] = {
        "minutes": lambda n, line: f"{9 + n // 20:02}:{n * 3 % 60:02} {line}",
        "half days": lambda n, line: f"{'11:59:59 AM' if n < 20 else '12:00:01 PM'} {line}",
        "an hour of one digit": lambda n, line: f"{' 9:59:59' if n < 20 else '10:00:00'} {line}",
        "seconds since the start": lambda n, line: f"[{n * 0.73:7.2f}] {line}",
    }[name]

    assert ended(changed(GREEN, shape)) == ("COMPLETED", "all-passed")
    assert ended(changed(RED, shape)) == ("FAILED", "tests-failed")


@pytest.mark.parametrize("shape", [SHAPES["Jenkins pipeline"], SHAPES["a label"]], ids=["clock", "label"])
@pytest.mark.parametrize("categorize", [False, True])
def test_a_line_of_a_green_run_that_lost_its_prefix_never_makes_it_fail(
    shape: Callable[[int, str], str], *, categorize: bool
) -> None:
    for torn, line in enumerate(GREEN):
        lines = changed(GREEN, shape)
        lines[torn] = line

        assert ended(lines, categorize=categorize) in (("COMPLETED", "all-passed"), UNREAD), line


@pytest.mark.parametrize("title", ["x" * 200 + "  (Run Starting)", "ci |   (Run Starting) said the test"])
def test_a_title_with_too_much_around_it_teaches_nothing(title: str) -> None:
    rows = [row for row in prints.starting("a.cy.ts") if "Run Starting" not in row]
    facts = found([title, *(f"ci | {row}" for row in rows)])

    assert not [fact for fact in facts if isinstance(fact, f.FormLearnt)]


PREFIX = Scanner(Dialect(line_prefix=r"[a-zé]+/[0-9]+> "))


@pytest.mark.parametrize("paint", [str, prints.coloured])
@pytest.mark.parametrize("lead", ["é/{}> ", "\x1b[36mlab/{}> "])
def test_a_prefix_of_the_dialect_is_taken_off_each_line(lead: str, paint: Callable[[str], str]) -> None:
    def ending(lines: Sequence[str]) -> tuple[str, str]:
        view = judged([lead.format(n * n) + paint(line) for n, line in enumerate(lines)], scanner=PREFIX)
        return view.phase.value, view.reason["code"]

    assert ending(GREEN) == ("COMPLETED", "all-passed")
    assert ending(RED) == ("FAILED", "tests-failed")


def test_a_line_without_the_dialects_prefix_is_not_cypresss() -> None:
    lines = [f"lab/1> {line}" for line in GREEN]
    assert judged([*lines[:5], *RED, *lines[5:]], scanner=PREFIX).phase == "COMPLETED"
    assert judged(GREEN, scanner=PREFIX).reason["code"] == "log-unreadable"


FALSE_GREENS = PROJECT / "fixtures" / "false-greens"
JENKINS = SHAPES["Jenkins pipeline"]


@pytest.mark.parametrize("categorize", [False, True])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_red_run_whose_title_is_lost_never_leaves_a_green_one_alone(
    shape: Callable[[int, str], str], *, categorize: bool
) -> None:
    untitled = [line for line in RED if "Run Starting" not in line]
    for lines in ([*untitled, *GREEN], [*RED[-25:], *GREEN], [*GREEN, *untitled]):
        assert ended(changed(lines, shape), categorize=categorize)[0] != "COMPLETED"


@pytest.mark.parametrize(
    "name",
    [
        "the-wrappers-table-counts-a-failure",
        "a-wrapper-that-left-a-spec-out",
        "a-wrapper-whose-cypress-failed",
    ],
)
def test_a_wrapper_in_front_of_the_header_that_taught_the_form_is_not_left_out(name: str) -> None:
    lines = (FALSE_GREENS / name / "runner.log").read_text().splitlines()

    assert ended(labelled("x", lines)) == UNREAD
    assert ended(changed(lines, JENKINS)) == UNREAD


def test_an_error_in_front_of_the_first_header_is_not_left_out() -> None:
    error = "Xvfb exited with a non zero exit code."

    assert ended(labelled("x", [error, "", *GREEN]), categorize=True) == UNREAD


@pytest.mark.exhaustive
def test_a_run_under_more_labels_than_are_learnt_is_not_left_out() -> None:
    lines = [line for n in range(16) for line in labelled(f"g{n}x", prints.whole_run(f"s{n}.cy.ts"))]

    assert ended(lines)[0] == "COMPLETED"
    assert ended([*lines, *labelled("lastx", RED)]) == UNREAD


def test_a_results_box_under_a_label_that_was_not_learnt_is_not_left_out() -> None:
    untitled = [line for line in RED if "Run Starting" not in line]

    assert ended([*labelled("a", GREEN), *labelled("b", untitled)]) == UNREAD


def test_a_title_that_is_printed_twice_teaches_its_form_once() -> None:
    title = next(n for n, line in enumerate(GREEN) if "Run Starting" in line)

    assert ended(changed([*GREEN[: title + 1], *GREEN[title:]], JENKINS))[0] == "COMPLETED"


def test_a_day_of_the_month_may_lose_a_digit() -> None:
    lines = [
        f"{'Nov 30' if n < 12 else 'Dec  1'} 10:00:00 host run[7]: {line}" for n, line in enumerate(GREEN)
    ]

    assert ended(lines)[0] == "COMPLETED"


@pytest.mark.parametrize("failing", [0, 1])
def test_mochas_failures_behind_a_prefix_state_that_the_log_cannot_be_read(failing: int) -> None:
    lines = labelled(
        "x", ["", "  3 passing (3s)", f"  {failing} failing", "  3 failing" if failing else "", ""]
    )

    assert ended(lines)[1] == ("log-unreadable" if failing else "no-evidence")


TWO_HOSTS = ("redhat9.6", "ubuntu24.04")
NOISE = ("note: Duration:  5", "[worker 2] │ Tests: 5", "uploaded (Run Finished)")


@pytest.mark.exhaustive
@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("shape", [lambda _, line: line, SHAPES["a label"]], ids=["plain", "label"])
def test_a_line_that_resembles_a_box_excuses_no_host_that_never_ran(
    noise: str, shape: Callable[[int, str], str]
) -> None:
    lines = changed(GREEN, shape)
    # In front of the header that teaches the form, such a line may be all that is left of another run.
    header_end = next(n for n, line in enumerate(GREEN) if "Searched:" in line)
    for at in range(header_end, len(lines)):
        view = judged([*lines[:at], noise, *lines[at:]], categorize=True, hosts=TWO_HOSTS)

        assert (view.phase, view.reason["code"]) == ("FAILED", "host-pending"), lines[at]
