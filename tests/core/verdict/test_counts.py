"""All numbers shown to a reader agree: in reasons, in messages, and in the ledgers of the run and its sub-runs."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.results import Ledger
from atvm_pipeline.core.snapshot import Snapshot
from tests.support.run_builder import HOSTS, Story, counts

GREEN = counts(4)
RED = counts(3, 1)
CHECK = "check-xml-files.ts"
FIRST, SECOND = "redhat9.6.cy.ts", "ubuntu24.04.cy.ts"
ERROR = f.ErrorReported(offset=0, code="record-server-error", scope="run", text="We encountered ...")
WORDS = {
    "passed": "passed",
    "failed": "failed",
    "crashed": "crashed",
    "pending": "pending",
    "skipped": "skipped",
    "without report": "no_report",
    "not run": "not_run",
}


# --- the run's ledger ---


def test_a_host_whose_spec_was_planned_by_name_and_never_started_is_counted_once() -> None:
    names = (FIRST, SECOND, CHECK)
    story = Story(categorized=False).started().begin_child(3, spec_names=names).spec(FIRST, GREEN, 1, 3)
    story.log(ERROR).end(1)

    assert story.view.ledger == story.view.subruns[0].ledger
    assert (story.view.ledger.planned, story.view.ledger.not_run) == (3, 2)


def test_groups_that_ran_nothing_are_counted_once_where_their_header_boxes_name_the_specs() -> None:
    story = Story().started()
    for host in HOSTS:
        story.log(f.ChildLaunched(offset=0, label=f"e2e-{host}-fc"))
        story.begin_child(2, spec_names=(f"{host}.cy.ts", CHECK)).log(f.RunFinished(offset=0)).tick(25)
    story.end(0)

    assert story.subruns == [("FAILED", "nothing-ran")] * 2
    assert (story.view.ledger.planned, story.view.ledger.not_run) == (4, 4)
    assert story.texts("run") == []


@pytest.mark.parametrize(
    ("found", "planned"),
    [
        # The names were cut: 20 planned specs have no name, and the specs of the hosts are among them.
        (20, 20),
        # One spec without a name can belong to one host only.
        (2, 3),
        (1, 3),
    ],
)
def test_specs_without_a_name_are_counted_for_hosts_of_a_run_that_is_one_sub_run(
    found: int, planned: int
) -> None:
    story = Story(categorized=False, hosts=(*HOSTS, "w2k25")).started()
    story.begin_child(found).spec(FIRST, GREEN, 1, found).end(1)

    assert story.view.ledger.planned == planned
    assert "Nothing ran for hosts ubuntu24.04, w2k25." in story.view.reason["text"]


def test_specs_of_a_group_without_a_name_are_counted_for_the_host_of_its_label_only() -> None:
    own = Story().started().log(f.ChildLaunched(offset=0, label="e2e-ubuntu24.04-fc")).begin_child(2)
    other = Story().started().log(f.ChildLaunched(offset=0, label="e2e-redhat9.6-fc")).begin_child(2)
    none = Story().started().begin_child(2)

    # One spec is added for the other host.
    assert [story.view.ledger.planned for story in (own, other)] == [3, 3]
    assert none.view.ledger.planned == 4


def test_a_label_that_does_not_fit_its_hosts_counts_for_no_host() -> None:
    story = Story(hosts=("ubuntu24.04",)).started()
    story.log(f.ChildLaunched(offset=0, label="e2e-ubuntu24.04-fc")).begin_child(2)
    story.spec(FIRST, GREEN, 1, 2)

    assert story.view.subruns[0].label_trusted is False
    assert story.view.ledger.planned == 3


def test_a_wrapper_whose_second_spec_never_started_has_planned_it() -> None:
    story = Story(categorized=False).started()
    story.log(f.WrapperStarted(offset=0, wrapper="cypress-cloud", total=2)).child((FIRST, GREEN)).end(1)

    assert story.view.ledger == story.view.subruns[0].ledger
    assert story.view.ledger.planned == 2


def test_a_group_without_any_planned_spec_adds_its_host_to_the_run() -> None:
    error = f.ErrorReported(offset=0, code="no-specs-found", scope="run", text="Can't run ...")
    story = Story(hosts=("redhat9.6",)).started()
    story.log(f.ChildLaunched(offset=0, label="e2e-redhat9.6-fc"), error).end(1)

    assert (story.view.ledger.planned, story.view.subruns[0].ledger.planned) == (1, 0)
    assert "- `e2e-redhat9.6-fc`: **FAILED**, no spec ran" in story.texts("run")[0].splitlines()


def test_the_message_of_a_run_that_is_not_categorized_shows_the_runs_counts() -> None:
    story = Story(categorized=False).started().child((FIRST, RED)).end(1)
    lines = story.texts("subrun")[0].splitlines()

    assert story.view.subruns[0].ledger.planned == 1
    assert lines[1] == "1 of 1 spec failed: redhat9.6.cy.ts. Nothing ran for host ubuntu24.04."
    assert lines[2] == "Specs: 2 planned = 0 passed + 1 failed + 1 not run"


# --- all numbers agree, whatever happens ---


def ledger_in(text: str) -> dict[str, int] | None:
    """Return the counts of a message by the ledger's keys; None if the message reports that no spec ran."""
    line = next((line for line in text.splitlines() if line.startswith("Specs: ")), None)
    if line is None:
        return None
    added = line.removeprefix("Specs: ").split(";")[0]
    planned, parts = added.removesuffix(", on every requested host").split(" planned = ")
    found = {WORDS[word]: int(number) for number, word in (part.split(" ", 1) for part in parts.split(" + "))}
    return {"planned": int(planned), **{key: found.get(key, 0) for key in WORDS.values()}}


def plain(ledger: Ledger) -> dict[str, int] | None:
    keys = ("planned", *WORDS.values())
    return {key: getattr(ledger, key) for key in keys} if ledger.planned else None


def check(view: Snapshot) -> None:
    """Check that the run's ledger is the sum of its sub-runs, plus one spec per host that no sub-run has planned."""
    named = {spec.host for subrun in view.subruns for spec in subrun.specs}
    missing = sum(host not in named for host in view.requested_hosts)
    for key in WORDS.values():
        total = sum(getattr(subrun.ledger, key) for subrun in view.subruns)
        assert getattr(view.ledger, key) == total + (missing if key == "not_run" else 0)
    assert view.ledger.planned == sum(subrun.ledger.planned for subrun in view.subruns) + missing
    for case in (view, *view.subruns):
        for few, many in re.findall(r"(\d+) of (\d+)", case.reason["text"]):
            assert int(few) <= int(many)
    found = re.match(r"(\d+) of (\d+) sub-runs failed", view.reason["text"])
    if found is not None:
        late = view.reason["text"].count("(found later)")
        assert int(found[1]) == sum(subrun.phase == "FAILED" for subrun in view.subruns) + late
        assert int(found[2]) == len(view.subruns)


groups = st.lists(
    st.tuples(
        st.lists(st.sampled_from([FIRST, SECOND, "w2k25.cy.ts", CHECK]), unique=True, max_size=4),
        st.integers(0, 4),
        st.sampled_from([GREEN, RED, counts(pending=2), counts(2, skipped=1), counts()]),
        st.sampled_from(["summary", "none", "error", "silent"]),
    ),
    max_size=4,
)


@given(groups, st.booleans(), st.sampled_from(["exit 0", "exit 1", "killed", "vanished"]))
@settings(max_examples=200, deadline=None)
def test_run_sub_runs_reasons_and_messages_agree(
    runs: list[tuple[list[str], int, Counts, str]], categorized: bool, ending: str
) -> None:
    story = Story(categorized=categorized, hosts=(*HOSTS, "w2k25")).started()
    for number, (specs, began, found, end) in enumerate(runs):
        story.log(f.ChildLaunched(offset=0, label=f"g{number}")).begin_child(
            len(specs), spec_names=tuple(specs)
        )
        for position, spec in enumerate(specs[:began], 1):
            story.spec(spec, found, position, len(specs))
            check(story.view)
        if end == "summary":
            story.summary(*((spec, found) for spec in specs[:began]))
        elif end == "silent":
            story.log(f.RunFinished(offset=0))
        elif end == "error":
            story.log(ERROR)
        story.tick(25)
        check(story.view)
    {
        "exit 0": lambda: story.exit(0),
        "exit 1": lambda: story.exit(1),
        "killed": lambda: story.exit(None, signal="SIGKILL"),
        "vanished": story.vanish,
    }[ending]()
    story.tick(20)
    view = story.view

    check(view)
    subruns = story.texts("subrun")
    shown = [subrun.ledger for subrun in view.subruns if subrun.post is not None]
    if not categorized:
        shown = [view.ledger] * len(subruns)
    assert [ledger_in(text) for text in subruns] == [plain(ledger) for ledger in shown]
    for text in story.texts("run"):
        assert ledger_in(text) == plain(view.ledger)
        assert text.splitlines()[1] not in "\n".join(subruns)
