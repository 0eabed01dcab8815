"""Property test: within a sub-run, the order of facts from different sources does not change the outcome."""

from datetime import timedelta

from hypothesis import given, settings, strategies as st

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.facts import Counts
from tests.support.run_builder import BEGIN, BROWSER, CYPRESS, RUNNER, Story, counts

HOSTS = ("redhat9.6", "ubuntu24.04")
results = st.sampled_from([counts(4), counts(3, 1), counts(pending=2), counts(0, 1, skipped=3), counts()])


def told(found: list[Counts], reported: list[Counts | None], places: list[int]) -> Story:
    """Return a run of one child with both hosts; reports and process scans come at the given places."""
    story = Story(categorized=False).started()
    steps = [lambda: story.begin_child(2)]
    for position, (host, box) in enumerate(zip(HOSTS, found, strict=True), 1):
        spec = f"{host}.cy.ts"
        steps.append(
            lambda spec=spec, at=position: story.log(f.SpecStarted(offset=0, spec=spec, position=at, total=2))
        )
        steps.append(lambda spec=spec, box=box: story.log(f.SpecReported(offset=0, spec=spec, counts=box)))
    steps.append(
        lambda: story.summary(*((f"{host}.cy.ts", box) for host, box in zip(HOSTS, found, strict=True)))
    )
    others = [
        lambda host=host, report=report: story.report(
            f"{host}.cy.ts", report, mtime=BEGIN + timedelta(seconds=1)
        )
        for host, report in zip(HOSTS, reported, strict=True)
        if report is not None
    ]
    others += [lambda: story.processes(RUNNER, CYPRESS, BROWSER)]
    for place, other in zip(places, others, strict=False):
        steps.insert(place % (len(steps) + 1), other)
    for step in steps:
        step()
    return story.processes().end(0)


@given(
    st.lists(results, min_size=2, max_size=2),
    st.lists(st.none() | results, min_size=2, max_size=2),
    st.lists(st.integers(0, 20), min_size=3, max_size=3),
    st.lists(st.integers(0, 20), min_size=3, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_when_reports_and_looks_arrive_among_the_lines_of_a_log_changes_no_outcome(
    found: list[Counts], reported: list[Counts | None], one: list[int], other: list[int]
) -> None:
    first, second = told(found, reported, one), told(found, reported, other)

    assert first.ending == second.ending
    assert first.view.ledger == second.view.ledger
    assert first.view.subruns[0].hosts == second.view.subruns[0].hosts
    assert [spec.detail for spec in first.view.subruns[0].specs] == [
        spec.detail for spec in second.view.subruns[0].specs
    ]
