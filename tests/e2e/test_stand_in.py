"""The stand-in automation root: every scenario as a real run, in a separate copy, a hundred times faster."""

import json
import re
import signal
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.calls import completed
from tests.support.controller import CONFIG, ROOT
from tests.support.reference_corpus import CONSOLE
from tests.support.stand_in import Scenarios, copy_of_root, environment, play, template

# Exactly as the operators type them.
TEMPLATE_COMMAND = (
    "python3 ./cmc-templates.py --template_name cmc-e2e --config_file cypress.atvm-config-gold.ts"
)
RUNNER_COMMAND = (
    "python3 ./run-sorry-cypress.py --config_file cypress.atvm-config-gold.ts "
    "--build_name e2e-redhat9.6-ubuntu24.04-w2k25-fc --categorize"
)
SGR = re.compile(r"\x1b\[[0-9;]*m")
FINISHED = "(Run Finished)"
GREEN = "All specs passed!"

ENDINGS: dict[str, tuple[int, dict[str, int]]] = {
    # scenario: exit code of the runner, how often a text is printed
    "all-green": (0, {FINISHED: 3, GREEN: 3, "Recorded Run: ": 3, "--ci-build-id e2e-w2k25-fc": 1}),
    "demo": (
        1,
        {
            FINISHED: 3,
            GREEN: 2,
            "1 of 2 failed (50%)": 1,
            "(Attempt 1 of 2)": 1,
            "--ci-build-id e2e-w2k22-fc": 1,
        },
    ),
    "failing-test": (1, {GREEN: 2, "1 failing": 1, "+ expected - actual": 1, "(1280x720)": 3}),
    "failed-hook": (1, {'1) "before each" hook for "starts the migration session"': 1, "Skipped:      2": 1}),
    "retries": (0, {GREEN: 3, "(Attempt 2 of 3)": 1, " failing": 0}),
    "renderer-crash": (
        1,
        {
            FINISHED: 3,
            "We detected that the Chromium Renderer process just crashed.": 1,
            "Tests:        0": 1,
        },
    ),
    "label-differs": (0, {GREEN: 3, "Group: e2e-w2k22-fc": 1, "e2e-w2k25-fc": 0}),
    "grouped-xml-only-check": (1, {FINISHED: 3}),
    "host-pending": (0, {GREEN: 3, "0 passing (0ms)": 1, "3 pending": 1}),
    "no-specs-found": (1, {"Can't run because no spec files were found.": 3, "(Run Starting)": 0}),
    "reused-build-id": (0, {"(Run Starting)": 3, FINISHED: 3, GREEN: 0, "Recorded Run: ": 0, "Running:": 0}),
    "runner-killed": (-signal.SIGKILL, {"(Run Starting)": 2, FINISHED: 1, "group 3 of 3": 0}),
    "runner-killed-child-lives": (-signal.SIGKILL, {"(Run Starting)": 2, FINISHED: 2, "group 3 of 3": 0}),
    "child-outlives-parent": (0, {FINISHED: 3, "groups failed": 0}),
    "stale-artifacts": (0, {GREEN: 3}),
    "group-never-runs": (0, {FINISHED: 2, GREEN: 2, "w2k25.cy.ts": 0}),
    "runner-fails-after-last-group": (3, {GREEN: 3, "ConnectionRefusedError": 1}),
    "stale-spec-pattern": (0, {GREEN: 3, "Running:  sles15.5.cy.ts": 1, "--ci-build-id e2e-redhat9.6-fc": 1}),
    "wrapped-names": (1, {FINISHED: 3, "2 found (long/redhat9.6-end-to-end": 1}),
    "wrapper-cypress-cloud": (
        0,
        {"(Run Starting)": 6, FINISHED: 6, "  Cloud Run Finished": 3, "Recorded Run: ": 3},
    ),
    "server-error": (
        1,
        {"We encountered an unexpected error": 4, "We will retry": 3, "The --ciBuildId flag": 1, FINISHED: 2},
    ),
    "cloud-canceled": (
        1,
        {"were skipped because the run has been canceled": 1, "The run was canceled": 1, "SKIPPED": 1},
    ),
    "256-failures": (0, {"256 failing": 1, "1 of 2 failed (50%)": 1, "Failing:      256": 1}),
    "spec-not-started": (
        1,
        {"handler for the after:spec event.": 1, FINISHED: 2, "Running:  check-xml-files.ts": 2},
    ),
}
NOT_RUNS = {"hang-with-cause", "hang-without-cause", "template-fails"}


def report(root: Path, name: str) -> ET.Element:
    return ET.fromstring((root / "cmcReporter" / name).read_bytes())  # noqa: S314 - our own stand-in wrote it


def test_every_scenario_is_checked_here() -> None:
    names = {path.stem for path in (ROOT / "scenarios").glob("*.json")}

    assert set(ENDINGS) | NOT_RUNS == names
    for path in (ROOT / "scenarios").glob("*.json"):
        assert json.loads(path.read_text())["about"].endswith(".")


@pytest.mark.parametrize("scenario", ENDINGS)
def test_a_scenario_ends_as_it_states(scenario: str, ended: Scenarios) -> None:
    code, texts = ENDINGS[scenario]
    result = ended[scenario]

    assert code == result.code
    assert texts == {text: result.output.count(text) for text in texts}


@pytest.mark.parametrize(
    "scenario", ["all-green", "failing-test", "wrapped-names", "cloud-canceled", "256-failures"]
)
def test_boxes_are_100_columns_wide(scenario: str, ended: Scenarios) -> None:
    lines = ended[scenario].output.splitlines()
    boxed = [line for line in lines if line.startswith(("  │", "  ┌", "  ├", "  └", "  Running:"))]

    assert {100} == {len(line) for line in boxed}
    assert {80} == {len(line) for line in lines if line.startswith("===")}


def test_long_names_are_cut_hard_in_every_box(ended: Scenarios) -> None:
    lines = ended["wrapped-names"].output.splitlines()
    [name] = [path.name for path in (ROOT / "cypress/e2e/cmc-e2e/long").glob("w2k25*")]
    name = f"long/{name}"
    running = next(number for number, line in enumerate(lines) if line.startswith("  Running:  long/w2k25"))
    ran = next(number for number, line in enumerate(lines) if line.startswith("  │ Spec Ran:     long/w2k25"))
    row = next(number for number, line in enumerate(lines) if line.startswith("  │ ✔  long/w2k25"))

    assert [name[:68], name[68:]] == [lines[running][12:80], lines[running + 1].strip()]
    assert lines[running].endswith("(1 of 2)")
    assert [name[:80], name[80:]] == [lines[ran][18:98], lines[ran + 1][18:98].rstrip()]
    assert [name[:35], name[35:70], name[70:]] == [lines[row + number][7:42].rstrip() for number in range(3)]


@pytest.mark.corpus
def test_the_layout_is_that_of_the_reference(ended: Scenarios) -> None:
    reference = CONSOLE / "rendered-v12.17.4__sequence-of-categories__plain.txt"

    theirs, ours = layout(reference.read_text()), layout(ended["failing-test"].output)

    assert theirs.keys() == ours.keys()
    assert theirs == ours


def layout(output: str) -> dict[str, set[tuple[int, ...]]]:
    """Return for each kind of line its width and the end columns of its last words, where they do not depend on the words."""
    kinds: dict[str, set[tuple[int, ...]]] = {}
    for line in output.splitlines():
        key = re.match(r"  │ ([A-Z][A-Za-z ]+):( +)", line)
        if key:
            kinds.setdefault(key[1], set()).add((len(line), key.end()))
        elif re.match(r"  │ [✔✖]|    [✔✖]  (?=All|\d)|       Spec ", line) and "✓" not in line:
            ends = [word.end() for word in re.finditer(r"[^\s│]+", line)][-6:]
            kinds.setdefault(f"table {line[4].strip() and line[2]}", set()).add((len(line), *ends[-5:]))
        elif re.match(r"  Running:|  \((?:Run|Results|Screenshots)|  [┌├└]|─+$", line):
            kinds.setdefault(line[:9], set()).add((len(line),))
    return kinds


def test_colours_wrap_each_character_of_a_box_and_change_no_word(tmp_path: Path, ended: Scenarios) -> None:
    coloured = play(tmp_path, "failing-test", "--categorize", CI="1").output
    plain = SGR.sub("", coloured).replace(str(tmp_path), "").replace("=" * 100, "=" * 80)
    expected = ended["failing-test"].output.replace(str(ended["failing-test"].root.parent), "")

    assert "\x1b[90m─\x1b[39m\x1b[90m─\x1b[39m" in coloured
    # The position where a path is cut depends on the directory's name, so the screenshots are left out.
    without = re.compile(r"  \(Screenshots\).*?  \(Uploading", re.DOTALL)
    assert without.sub("", expected) == without.sub("", plain)


def test_without_categories_one_child_runs_everything(tmp_path: Path) -> None:
    result = play(tmp_path, "demo")

    assert result.code == 1
    assert 1 == result.output.count("(Run Starting)") == result.output.count(FINISHED)
    assert re.findall(r"Running:  (\S+) +\((\d) of 4\)", result.output) == [
        ("redhat9.6.cy.ts", "1"),
        ("ubuntu24.04.cy.ts", "2"),
        ("w2k25.cy.ts", "3"),
        ("check-xml-files.ts", "4"),
    ]


def test_a_report_is_what_the_reporter_would_write(ended: Scenarios) -> None:
    suites = report(ended["failing-test"].root, "ubuntu24.04.xml")

    assert {name: suites.get(name) for name in ("name", "tests", "failures")} == {
        "name": "Mocha Tests",
        "tests": "4",
        "failures": "1",
    }
    files = [suite.get("file") for suite in suites]
    assert files == ["cypress/e2e/cmc-e2e/ubuntu24.04.cy.ts", None, None]
    [failed] = suites.iter("failure")
    assert "+ expected - actual" in (failed.text or "")
    times = {case.get("classname"): case.get("time") for case in suites.iter("testcase")}
    assert times["resyncs until the session is complete"] == "0.000"


def test_a_crashed_spec_leaves_no_report_and_a_pending_one_no_cases(ended: Scenarios) -> None:
    assert not (ended["renderer-crash"].root / "cmcReporter/ubuntu24.04.xml").exists()
    suites = report(ended["host-pending"].root, "w2k25.xml")

    assert (suites.get("tests"), suites.get("skipped"), len(list(suites.iter("testcase")))) == ("3", "3", 0)


def test_a_grouped_report_holds_only_the_last_spec(ended: Scenarios) -> None:
    root = ended["grouped-xml-only-check"].root
    grouped = report(root, "e2e-ubuntu24.04-fc.xml")

    assert [suite.get("name") for suite in grouped] == ["Root Suite", "check-xml-files"]
    assert report(root, "hosts/ubuntu24.04.xml").get("failures") == "1"
    assert report(root, "hosts/w2k25.xml").get("skipped") == "3"


def test_a_stale_report_stays_as_it_was_where_nothing_is_written(ended: Scenarios) -> None:
    folder = ended["stale-artifacts"].root / "cmcReporter"
    yesterday = time.time() - 23 * 3600

    assert (folder / "w2k25.xml").stat().st_mtime < yesterday < (folder / "redhat9.6.xml").stat().st_mtime
    assert report(folder.parent, "w2k25.xml").get("failures") == "3"
    assert report(folder.parent, "redhat9.6.xml").get("failures") == "0"


def test_the_template_result_is_the_committed_config(tmp_path: Path) -> None:
    root = copy_of_root(tmp_path)
    assert template(root, "all-green", "--hosts", "centos7.9,sles15.5").returncode == 0
    other = (root / CONFIG).read_text()
    assert "centos7.9.cy.ts" in other
    assert "redhat9.6.cy.ts" not in other

    assert template(root, "all-green").returncode == 0

    assert (ROOT / CONFIG).read_bytes() == (root / CONFIG).read_bytes()


@pytest.mark.parametrize(("scenario", "options"), [("template-fails", ()), ("all-green", ("--fail",))])
def test_a_template_that_fails_leaves_the_config_alone(
    tmp_path: Path, scenario: str, options: tuple[str, ...]
) -> None:
    root = copy_of_root(tmp_path)
    result = template(root, scenario, *options)

    assert result.returncode == 3
    assert result.stderr.startswith("Traceback")
    assert (ROOT / CONFIG).read_bytes() == (root / CONFIG).read_bytes()


def test_a_wrong_request_is_one_line(tmp_path: Path) -> None:
    root = copy_of_root(tmp_path)
    for result in (template(root, "no-such-scenario"), template(root, "all-green", "--hosts", "nobody1")):
        assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)


def test_the_seed_command_lines_run_word_for_word(tmp_path: Path) -> None:
    root = copy_of_root(tmp_path)
    for command in (TEMPLATE_COMMAND, RUNNER_COMMAND):
        result = completed(["bash", "-c", command], cwd=root, env=environment("all-green"))
        assert result.returncode == 0, result.stderr

    made = sorted(path.name for path in (root / "cmcReporter").iterdir())
    assert made == ["check-xml-files.xml", "redhat9.6.xml", "ubuntu24.04.xml", "w2k25.xml"]
    assert not list(root.rglob("__pycache__"))
