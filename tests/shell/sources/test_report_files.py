"""The reports as a source, with real files."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.junit.report import REPORT_BYTES_MAX, Report
from atvm_pipeline.shell.sources import report_files as source
from atvm_pipeline.shell.sources.report_claims import find_claims
from atvm_pipeline.shell.sources.report_files import ReportScanner, list_artifacts, version_of
from atvm_pipeline.shell.state_dir.records import BaselineRecord, Paths, Request, read_record, write_record
from atvm_pipeline.shell.system.files import locked

DIALECT = Dialect()


def xml(spec: str = "cypress/e2e/redhat9.6.cy.ts", tests: int = 1) -> bytes:
    cases = "".join(
        f'<testcase name="t{number}" time="1.0" classname="c"></testcase>' for number in range(tests)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="Mocha Tests" time="1.0" tests="{tests}" failures="0">'
        f'<testsuite name="Root Suite" tests="0" file="{spec}" time="0.000" failures="0"></testsuite>'
        f'<testsuite name="s" tests="{tests}" time="1.0" failures="0">{cases}</testsuite></testsuites>'
    ).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cmcReporter"
    path.mkdir()
    return path


def following(folder: Path, **more: object) -> ReportScanner:
    return ReportScanner(folder, folder.parent, DIALECT, **{"baseline": {}, **more})  # type: ignore[arg-type]


def specs(events: list[ArtifactWritten]) -> list[list[str]]:
    return [[spec.spec for spec in event.report.specs] for event in events if event.report is not None]


def test_a_complete_report_is_reported_once(folder: Path) -> None:
    artifacts = following(folder)
    (folder / "redhat9.6.xml").write_bytes(xml())

    [event] = artifacts.scan()

    assert event.path == "cmcReporter/redhat9.6.xml"
    assert specs([event]) == [["cypress/e2e/redhat9.6.cy.ts"]]
    assert not event.stale
    assert list(artifacts.scan()) == []


def test_each_version_of_a_report_that_is_overwritten_is_reported(folder: Path) -> None:
    artifacts = following(folder)
    path = folder / "group.xml"
    found = []
    for name in ("a.cy.ts", "b.cy.ts", "check-xml-files.ts"):
        path.unlink(missing_ok=True)
        path.write_bytes(xml(name))
        found += list(artifacts.scan([path]))

    assert specs(found) == [["a.cy.ts"], ["b.cy.ts"], ["check-xml-files.ts"]]


def test_what_is_no_report_is_refused_at_once(folder: Path) -> None:
    artifacts = following(folder)
    (folder / "a.xml").write_bytes(b'<!DOCTYPE x [<!ENTITY e "x">]><testsuites>&e;</testsuites>')

    [event] = artifacts.scan()

    assert event.report is None
    assert event.refusal


def test_reports_come_in_the_order_in_which_they_were_written(folder: Path) -> None:
    for second, name in enumerate(("c", "a", "b")):
        (folder / f"{name}.xml").write_bytes(xml(name))
        os.utime(folder / f"{name}.xml", (1_000_000 + second, 1_000_000 + second))

    assert specs(list(following(folder).scan())) == [["c"], ["a"], ["b"]]


def test_what_was_there_before_is_stale_until_it_changes(folder: Path) -> None:
    path = folder / "a.xml"
    path.write_bytes(xml())
    artifacts = following(folder, baseline=list_artifacts(folder, DIALECT))

    [event] = artifacts.scan()

    assert event.stale
    assert event.report is None
    assert list(artifacts.scan()) == []

    path.write_bytes(xml("b.cy.ts"))
    [event] = artifacts.scan([path])

    assert not event.stale
    assert specs([event]) == [["b.cy.ts"]]


def test_a_baseline_keeps_its_precision_through_its_record(folder: Path, tmp_path: Path) -> None:
    (folder / "a.xml").write_bytes(xml())
    record = BaselineRecord(build_name="b", run_id="r", files=list_artifacts(folder, DIALECT))
    write_record(tmp_path / "baseline.json", record)
    kept = read_record(tmp_path / "baseline.json", BaselineRecord)
    assert kept is not None

    assert [event.stale for event in following(folder, baseline=kept.files).scan()] == [True]


def test_only_a_thousand_stale_files_are_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STALE_MAX", 3)
    for number in range(6):
        (folder / f"{number}.xml").write_bytes(xml())
    artifacts = following(folder, baseline=list_artifacts(folder, DIALECT))

    assert len(list(artifacts.scan())) == 3
    assert list(artifacts.scan()) == []


def test_after_a_restart_nothing_is_reported_twice(folder: Path) -> None:
    (folder / "a.xml").write_bytes(xml())
    (folder / "b.xml").write_bytes(b"<no")
    [told] = following(folder).scan()
    told = msgspec.json.decode(msgspec.json.encode(told), type=ArtifactWritten)

    for version in (version_of(told), (told.inode, told.size, int(told.mtime.timestamp() * 1e9))):
        again = following(folder, seen={told.path: version})

        assert [event.path for event in again.scan(final=True)] == ["cmcReporter/b.xml"]


def test_a_report_outside_the_working_directory_has_its_complete_path(folder: Path, tmp_path: Path) -> None:
    (folder / "a.xml").write_bytes(xml())
    artifacts = ReportScanner(folder, tmp_path / "elsewhere", DIALECT, baseline={})

    assert [event.path for event in artifacts.scan()] == [f"{folder}/a.xml"]


def test_a_hinted_directory_is_scanned(folder: Path) -> None:
    artifacts = following(folder)
    list(artifacts.scan())
    inner = folder / "hosts" / "linux"
    inner.mkdir(parents=True)
    (inner / "a.xml").write_bytes(xml())

    assert [event.path for event in artifacts.scan([folder / "hosts"])] == ["cmcReporter/hosts/linux/a.xml"]


def test_hints_that_lead_elsewhere_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    artifacts = following(folder)
    list(artifacts.scan())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.xml").write_bytes(xml())
    (folder / "link").symlink_to(tmp_path / "other")

    hints = [tmp_path / "other/a.xml", folder / "../other/a.xml", folder / "link/a.xml", folder / "gone.xml"]

    assert list(artifacts.scan(hints)) == []


def test_only_regular_files_below_the_directory_are_read(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "fifo.xml")
    (folder / "folder.xml").mkdir()
    (folder / "text.txt").write_bytes(xml())
    (tmp_path / "secret.xml").write_bytes(xml())
    (folder / "out.xml").symlink_to(tmp_path / "secret.xml")
    (folder / "nowhere.xml").symlink_to(folder / "gone.xml")
    (folder / "loop").symlink_to(folder)
    (folder / "real.xml").write_bytes(xml())
    (folder / "in.xml").symlink_to(folder / "real.xml")

    assert sorted(list_artifacts(folder, DIALECT)) == ["in.xml", "real.xml"]
    assert len(list(following(folder).scan(final=True))) == 2


def test_a_linked_artifact_directory_is_entered(folder: Path, tmp_path: Path) -> None:
    (folder / "a.xml").write_bytes(xml())
    (tmp_path / "linked").symlink_to(folder)

    assert list(list_artifacts(tmp_path / "linked", DIALECT)) == ["a.xml"]


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list_artifacts(tmp_path / "none", DIALECT) == {}
    assert list(following(tmp_path / "none").scan(final=True)) == []


def test_depth_is_bounded(folder: Path) -> None:
    deep = folder.joinpath(*["d"] * 30)
    deep.mkdir(parents=True)
    (deep / "a.xml").write_bytes(xml())

    assert list_artifacts(folder, DIALECT) == {}


def test_a_huge_file_is_refused_without_being_read(folder: Path) -> None:
    with (folder / "a.xml").open("wb") as file:
        file.truncate(REPORT_BYTES_MAX + 1)

    [event] = following(folder).scan()

    assert event.refusal
    assert event.size == REPORT_BYTES_MAX + 1


def test_names_and_times_that_no_record_could_hold_are_bent(folder: Path) -> None:
    path = os.fsencode(folder) + b"/bad\xff.xml"
    with open(path, "wb") as file:
        file.write(xml())
    os.utime(path, ns=(0, 2**62))

    [event] = following(folder).scan()

    assert (
        msgspec.json.decode(msgspec.json.encode(event), type=ArtifactWritten).path == "cmcReporter/bad�.xml"
    )
    assert list(list_artifacts(folder, DIALECT)) == ["bad�.xml"]


# --- rival reports ---


def other_run(root: Path, build: str, artifacts: Path, state: dict[str, object]) -> Paths:
    paths = Paths(root, build)
    paths.folder.mkdir(parents=True)
    now = datetime.now(UTC)
    request = Request(
        build_name=build,
        run_id="r",
        requested_at=now,
        workdir="/",
        log_path="/l",
        artifacts_dir=str(artifacts),
    )
    write_record(paths.request, request)
    paths.state.write_bytes(msgspec.json.encode(state))
    return paths


def ran(*names: str, detail: str = "no_report") -> dict[str, object]:
    return {"finished_at": None, "subruns": [{"specs": [{"spec": name, "detail": detail} for name in names]}]}


def report_of(folder: Path, spec: str) -> Report:
    (folder / "r.xml").write_bytes(xml(spec))
    [event] = following(folder).scan()
    assert event.report is not None
    return event.report


def test_a_report_that_fits_another_living_run_names_it(folder: Path, tmp_path: Path) -> None:
    report = report_of(folder, "cypress\\e2e\\redhat9.6.cy.ts")
    other = other_run(tmp_path / "root", "other", folder, ran("e2e/redhat9.6.cy.ts"))
    other_run(tmp_path / "root", "dead", folder, ran("redhat9.6.cy.ts"))
    with locked(other.watcher_lock):
        assert find_claims(tmp_path / "root", "mine", folder)(report) == ("other",)
        assert find_claims(tmp_path / "root", "other", folder)(report) == ()
        [event] = following(folder, rivals=find_claims(tmp_path / "root", "mine", folder)).scan()

        assert event.rivals == ("other",)

    assert find_claims(tmp_path / "root", "mine", folder)(report) == ()


@pytest.mark.parametrize(
    "state",
    [
        ran("redhat9.60.cy.ts"),
        ran("regress/redhat9.6.cy.ts"),
        ran("redhat9.6.cy.ts", detail="not_run"),
        {**ran("redhat9.6.cy.ts"), "finished_at": "2020-01-01T00:00:00Z"},
        {"subruns": "no state"},
    ],
    ids=[
        "another spec",
        "a spec of another directory",
        "a spec that has not started",
        "ended long ago",
        "no state",
    ],
)
def test_a_run_that_cannot_have_written_it_is_no_rival(
    folder: Path, tmp_path: Path, state: dict[str, object]
) -> None:
    report = report_of(folder, "cypress/e2e/redhat9.6.cy.ts")
    other = other_run(tmp_path / "root", "other", folder, state)
    with locked(other.watcher_lock):
        assert find_claims(tmp_path / "root", "mine", folder)(report) == ()


def test_a_run_with_another_artifact_directory_is_no_rival(folder: Path, tmp_path: Path) -> None:
    report = report_of(folder, "redhat9.6.cy.ts")
    other = other_run(tmp_path / "root", "other", tmp_path, ran("redhat9.6.cy.ts"))
    with locked(other.watcher_lock):
        assert find_claims(tmp_path / "root", "mine", folder)(report) == ()
