"""The runner's own lines: command lines of children, and progress. They are found anywhere in the log, with any pattern."""

import pytest

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.console.scanner import Scanner
from atvm_pipeline.core.dialect import Dialect
from tests.core.console.test_scanner import found, only, read
from tests.support import cypress_output as prints

FLAGS = "You passed the --ci-build-id flag but did not provide either a --group or --parallel flag."
FLAGS_BLOCK = [
    FLAGS,
    "",
    "The --ci-build-id flag you passed was: e2e-redhat9.6-fc",
    "",
    "The --ci-build-id flag is used to either group or parallelize multiple runs together.",
    "",
    "https://on.cypress.io/incorrect-ci-build-id-usage",
]


def labels(lines: list[str], scanner: Scanner | None = None) -> list[str]:
    data = prints.encoded(lines)
    facts = read(data) if scanner is None else read(data, scanner)
    return [fact.label for fact in facts if isinstance(fact, f.ChildLaunched)]


@pytest.mark.parametrize("front", ["", "  ", "[run] ", "2026-11-24T10:00:00Z ", "\x1b[31m"])
def test_an_error_about_the_flag_launches_no_child(front: str) -> None:
    assert labels([front + line for line in FLAGS_BLOCK]) == []


def test_the_error_about_the_flag_is_reported_and_the_next_command_line_keeps_its_label() -> None:
    facts = found([*FLAGS_BLOCK, "+ cypress run --ci-build-id e2e-w2k25-fc --parallel"])

    assert only(facts, f.ErrorReported).code == "record-flags-invalid"
    assert only(facts, f.ChildLaunched).label == "e2e-w2k25-fc"


@pytest.mark.parametrize(
    ("pattern", "line", "label"),
    [
        (r"(starting|resuming) group=(?P<label>\S+)", "resuming group=fc", "fc"),
        (r"grou{1}p{1,2}=(?P<label>\S+)", "group=fc", "fc"),
        (r"group{1=(?P<label>\S+)", "group{1=fc", "fc"),
        (r"gr(?:ou|u)p=(?P<label>\S+)", "grup=fc", "fc"),
        (r"groups?=(?P<label>\S+)", "group=fc", "fc"),
        (r"(?<!sub)group=(?P<label>(?!none)\S+)", "group=fc", "fc"),
        (r"[^]a]group=(?P<label>\S+)", " group=fc", "fc"),
        (r"[\]a]group=(?P<label>\S+)", "]group=fc", "fc"),
        (r"(?x) group = (?P<label> \S+ )", "group=fc", "fc"),
        (r"label=(?P<label>\S+)|group=(?P<quoted>\S+)", "group=fc", "fc"),
        (r"id (?P<label>\S+)", "id fc", "fc"),
    ],
)
def test_whatever_the_pattern_its_line_is_found_in_the_log(pattern: str, line: str, label: str) -> None:
    scanner = Scanner(Dialect(label=pattern))

    assert labels([*prints.whole_run("a.cy.ts"), line, "done"], scanner) == [label]


def test_a_label_of_blanks_is_no_label_and_the_line_may_be_progress() -> None:
    scanner = Scanner(Dialect(progress="^starting "))
    facts = read(b'starting --ci-build-id "  "\n', scanner)

    assert [type(fact) for fact in facts] == [f.RunnerProgressed]
