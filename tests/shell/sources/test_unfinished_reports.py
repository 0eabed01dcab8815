"""Reports that appear incomplete: the source waits for them, and finally reads as much of them as it can."""

import os
from pathlib import Path

import pytest

from atvm_pipeline.shell.sources import report_files as source
from tests.shell.sources.test_report_files import folder as folder, following, specs, xml  # noqa: PLC0414 - a fixture


def test_a_half_written_report_is_not_yet(folder: Path) -> None:
    artifacts = following(folder)
    path = folder / "a.xml"
    path.touch()

    assert list(artifacts.scan()) == []

    path.write_bytes(xml()[:100])

    assert list(artifacts.scan()) == []

    path.write_bytes(xml())

    # There is no hint for it: an unfinished report is checked again without one.
    assert specs(list(artifacts.scan([]))) == [["cypress/e2e/redhat9.6.cy.ts"]]


def test_a_report_that_stays_half_is_refused_at_the_end(folder: Path) -> None:
    artifacts = following(folder)
    (folder / "a.xml").write_bytes(xml()[:100])
    for _ in range(5):
        assert list(artifacts.scan()) == []

    [event] = artifacts.scan(final=True)

    assert event.report is None
    assert event.refusal
    assert event.unfinished
    assert list(artifacts.scan(final=True)) == []


CUT = xml()[: xml().index(b"<testcase")] + b'<testcase name="t"><failure message="boom"/></testcase><testc'


def test_what_a_cut_report_shows_is_reported_at_the_end(folder: Path) -> None:
    artifacts = following(folder)
    (folder / "a.xml").write_bytes(CUT)
    assert list(artifacts.scan()) == []

    [event] = artifacts.scan(final=True)

    assert event.unfinished
    assert event.report is not None
    assert event.report.incomplete
    assert [(spec.spec, spec.counts.failing) for spec in event.report.specs] == [
        ("cypress/e2e/redhat9.6.cy.ts", 1)
    ]


def test_a_report_that_stays_incomplete_is_reported_after_the_wait(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(source.clock, "monotonic", lambda: now_s)
    artifacts = following(folder, patience_s=10.0)
    path = folder / "a.xml"
    path.write_bytes(CUT)
    assert list(artifacts.scan([path])) == []
    now_s = 109.0
    assert list(artifacts.scan(None)) == []
    now_s = 111.0
    assert list(artifacts.scan([path])) == [], "only a scan of everything gives up waiting"

    [event] = artifacts.scan(None)

    assert event.unfinished
    assert list(artifacts.scan(None)) == []
    path.write_bytes(xml())
    [whole] = artifacts.scan([path])
    assert not whole.unfinished
    assert specs([whole]) == [["cypress/e2e/redhat9.6.cy.ts"]]


def test_a_report_is_as_old_as_its_file(folder: Path) -> None:
    """The log of its spec may be read before the report is first seen."""
    (folder / "a.xml").write_bytes(CUT)
    os.utime(folder / "a.xml", (1_000_000, 1_000_000))

    [event] = following(folder, patience_s=10.0).scan(None)

    assert event.unfinished


def test_a_report_that_grows_is_waited_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(source.clock, "monotonic", lambda: now_s)
    artifacts = following(folder, patience_s=10.0)
    for length in range(100, 150, 10):
        (folder / "a.xml").write_bytes(xml()[:length])
        now_s += 9.0
        assert list(artifacts.scan(None)) == []


def test_a_report_that_cannot_be_opened_is_waited_for_to_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.xml").write_bytes(xml())
    refused = True
    moments = iter(range(100, 100_000, 50))
    monkeypatch.setattr(source.clock, "monotonic", lambda: float(next(moments)))
    opened = os.open

    def refusing(path: object, *more: object) -> int:
        if refused and str(path).endswith("a.xml"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(source.os, "open", refusing)
    artifacts = following(folder, patience_s=10.0)
    for _ in range(3):
        assert list(artifacts.scan(None)) == []
    assert [event.refusal for event in following(folder).scan(final=True)] == [
        "cannot be read: permission denied"
    ]
    refused = False

    assert specs(list(artifacts.scan(None))) == [["cypress/e2e/redhat9.6.cy.ts"]]
