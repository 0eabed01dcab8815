"""Damaged reports in a real run are named in the message of their group, in `status` and in `explain`."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import cypress_output as prints
from tests.support.controller import Controller, wait_for
from tests.support.project import TWO_HOSTS_BUILD as BUILD

GROUPS = {"redhat9.6": ("redhat9.6.cy.ts", "check-xml-files.ts"), "ubuntu24.04": ("ubuntu24.04.cy.ts",)}
HEAD = (
    '<?xml version="1.0"?>\n<testsuites failures="1">\n<testsuite name="Root Suite" file="cypress/e2e/{}"/>\n'
)
CUT = HEAD + '<testsuite name="s" tests="1" failures="1">\n<testcase name="cuts over">{}'
FAILED = '<failure message="boom \x1b[31mred"/></testcase>'


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Controller]:
    with Controller(tmp_path) as controller:
        for group, specs in GROUPS.items():
            (controller.workdir / f"{group}.log").write_bytes(prints.encoded(prints.whole_run(*specs)))
        yield controller


def play(host: Controller, first: str, second: str) -> None:
    """Run two green groups with one report each. The second group starts once the first one's message has arrived."""
    (host.workdir / "first.xml").write_text(first)
    (host.workdir / "second.xml").write_text(second)
    go = host.folder / "go"
    runner = (
        "mkdir -p cmcReporter; cp first.xml cmcReporter/redhat9.6.xml; cat redhat9.6.log; "
        f"until test -e {shlex.quote(str(go))}; do sleep 0.05; done; "
        "cp second.xml cmcReporter/second.xml; cat ubuntu24.04.log"
    )
    started = host.start("--no-preflight", build=BUILD, runner=runner, template=None)
    assert started.returncode == 0, started.stderr
    wait_for(host.texts, "the first group's message")
    go.touch()
    host.wait(BUILD)


def test_a_report_that_was_cut_is_named_in_the_message_of_its_group(host: Controller) -> None:
    play(host, CUT.format("redhat9.6.cy.ts", ""), CUT.format("other.cy.ts", FAILED))
    [first, second] = host.texts()
    note = "Report cmcReporter/redhat9.6.xml is only partly readable: line 5: not well-formed XML (no element found)"
    stranger = "Report cmcReporter/second.xml is about cypress/e2e/other.cy.ts, which the log does not show"
    state = host.state(BUILD)

    assert state["phase"] == "COMPLETED"
    assert note.replace("_", "\\_") in first
    assert "second.xml" not in first + second
    assert [len(subrun["notes"]) for subrun in state["subruns"]] == [1, 0]
    assert note in state["subruns"][0]["notes"][0]
    assert any(stranger in text for text in state["notes"])
    for words in (("explain", "-v", BUILD), ("status", BUILD)):
        shown = " ".join(host.call("atvm-pipeline", *words).stdout.split())
        assert note in shown
        assert stranger in shown


def test_a_failing_test_before_the_cut_fails_its_group(host: Controller) -> None:
    play(host, CUT.format("redhat9.6.cy.ts", FAILED), CUT.format("ubuntu24.04.cy.ts", FAILED))
    state = host.state(BUILD)

    assert [subrun["phase"] for subrun in state["subruns"]] == ["FAILED", "FAILED"]
    assert state["reason"]["code"] == "tests-failed"
    assert all("Failing tests:\n- `cuts over`\n  `boom [31mred`" in text for text in host.texts()[:2])
