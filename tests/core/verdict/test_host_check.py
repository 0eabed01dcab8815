"""The hosts that a run is checked for, in its state, its reason and its messages."""

from typing import Any

import msgspec

from atvm_pipeline.core.codec import decode_event, encode_event
from atvm_pipeline.core.events import RunRequested
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.hosts.requested_hosts import NAMES_IN_NOTE_MAX
from tests.support.message_parts import decoded, request_of
from tests.support.project import TWO_HOSTS_BUILD as BUILD
from tests.support.run_builder import HOSTS, Story, counts

GREEN = counts(4)
REDHAT: tuple[str, Counts] = ("redhat9.6.cy.ts", GREEN)


def ended(*specs: tuple[str, Counts], asked: dict[str, Any], code: int = 0, **more: Any) -> Story:
    """Return a run of these specs that is not categorized and has ended; `asked`: further fields of the request."""
    return Story(categorized=False, asked=asked, **more).started().child(*specs).end(code)


def text_of(story: Story, index: int = -1) -> str:
    return str(msgspec.json.decode(story.posts[index].payload)["text"])


def test_a_message_names_the_hosts_that_are_checked_and_the_parts_that_are_not() -> None:
    story = ended(REDHAT, asked={"not_checked": ("nvme2", "run_3")}, hosts=("redhat9.6",))

    assert story.ending == ("COMPLETED", "all-passed")
    assert "\nHosts checked: redhat9.6; not checked: nvme2, run\\_3\n" in text_of(story)
    assert (story.view.not_checked, story.view.host_check) == (("nvme2", "run_3"), True)
    assert story.view.host_check_note == "hosts checked: redhat9.6; not checked: nvme2, run_3"


def test_a_group_s_message_states_that_the_hosts_are_those_of_the_complete_run() -> None:
    story = Story(asked={"not_checked": ("nvme2",)}).started()
    story.child(REDHAT, label="e2e-redhat9.6-fc").tick(11).settle().end(0)

    for index in (0, -1):
        assert "\nHosts checked in the complete run: redhat9.6, ubuntu24.04; not checked: nvme2\n" in text_of(
            story, index
        )


def test_hosts_that_are_certain_are_listed_with_the_request() -> None:
    story = Story().started().child(REDHAT, label="e2e-redhat9.6-fc").tick(11).settle().end(0)

    for post in story.posts:
        body = decoded(post.payload)
        assert "Hosts checked" not in body["text"]
        assert request_of(body)["Hosts checked"] == "redhat9.6, ubuntu24.04"


def test_without_requested_hosts_everything_states_that_hosts_are_not_checked() -> None:
    story = ended(REDHAT, asked={"not_checked": ("stream9",)}, hosts=())

    assert story.view.reason["text"] == "The planned spec passed; hosts not checked."
    assert "\nNote: hosts not checked; not checked: stream9\n" in text_of(story)
    assert story.view.host_check_note == "hosts not checked; not checked: stream9"
    assert "every requested host" not in text_of(story) + str(story.view)


def test_a_host_for_which_nothing_ran_is_named_once() -> None:
    both = ended(REDHAT, ("w2k25.cy.ts", counts(pending=2)), asked={}, hosts=(*HOSTS, "w2k25"))
    one = ended(REDHAT, asked={}, hosts=HOSTS)

    assert both.view.reason["text"] == (
        "No spec passed for the requested host w2k25. Nothing ran for host ubuntu24.04."
    )
    assert one.view.reason["text"] == "Nothing ran for the requested host ubuntu24.04."


def test_a_line_about_very_many_hosts_is_bounded() -> None:
    many = tuple(f"host{number}.{'x' * 90}" for number in range(NAMES_IN_NOTE_MAX + 168))
    story = ended(REDHAT, asked={"not_checked": many}, hosts=many)
    line = next(line for line in text_of(story).splitlines() if line.startswith("Hosts checked"))

    assert len(line) <= 700
    assert line.endswith("…")


def test_a_missing_host_that_only_looks_like_one_is_explained() -> None:
    sources = {"redhat9.6": "inventory", "esxi8.0": "looks-like", "aix7.3": "looks-like"}
    one = ended(REDHAT, asked={"host_sources": sources}, hosts=("redhat9.6", "esxi8.0"))
    two = ended(REDHAT, asked={"host_sources": sources}, hosts=("redhat9.6", "esxi8.0", "aix7.3"))
    wrong = ended(REDHAT, asked={"host_sources": sources}, hosts=("aix7.3",))
    sure = ended(REDHAT, asked={}, hosts=HOSTS)

    assert [story.ending[1] for story in (one, two, wrong, sure)] == [
        *("host-pending", "host-pending", "wrong-hosts", "host-pending"),
    ]
    advice = "use --hosts, or not_requested in the dialect file."
    assert one.view.reason["text"].endswith(f"esxi8.0 looks like a host: if it is something else, {advice}")
    assert two.view.reason["text"].endswith(
        f"esxi8.0, aix7.3 look like hosts: if they are something else, {advice}"
    )
    assert wrong.view.reason["text"].endswith(f"aix7.3 looks like a host: if it is something else, {advice}")
    assert advice not in sure.view.reason["text"]


def test_a_host_that_only_looks_like_one_adds_a_spec_that_did_not_run() -> None:
    story = ended(REDHAT, asked={"host_sources": {"esxi8.0": "looks-like"}}, hosts=("redhat9.6", "esxi8.0"))

    assert (story.view.ledger.planned, story.view.ledger.not_run) == (2, 1)
    assert story.view.host_sources == {"esxi8.0": "looks-like"}


def test_a_request_keeps_how_its_hosts_were_found_and_an_older_one_has_no_such_fields() -> None:
    first = Story(asked={"host_sources": {"redhat9.6": "option"}, "not_checked": ("x1",)}).events[0]
    old = Story().events[0]

    assert decode_event(encode_event(first).rstrip()) == first
    assert b"host_sources" not in encode_event(old)
    assert isinstance(old, RunRequested)
    assert (old.build_name, old.host_sources, old.not_checked) == (BUILD, {}, ())
