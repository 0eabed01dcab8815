"""Any build name: each part with a digit is checked, named, or excluded for a reason; a note lists them."""

import re
import time

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.host_names import valid_build_name
from atvm_pipeline.core.hosts.requested_hosts import (
    NAMES_IN_NOTE_MAX,
    SYSTEMS,
    RequestedHosts,
    hosts_note,
    requested_hosts,
)
from tests.support.host_requests import HOSTS, INVENTORY, NO_PATTERN, PLAIN, host_names, hosts

parts = st.text(alphabet="aehrdtfcnv0129._", max_size=9) | st.sampled_from(
    [*HOSTS, "nvme2", "run3", "fc", "20261127", "esxi8.0", "nfs4.1", "e2e", "", "db", "node1"]
)


def edited(name: str, kind: str, at: int, letter: str) -> str:
    at %= len(name)
    if kind == "swap":
        return name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :]
    return name[:at] + {"insert": letter + name[at], "delete": "", "replace": letter}[kind] + name[at + 1 :]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([*INVENTORY, "db-node-01", "web-7"]),
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "swap"]),
        st.integers(0, 20),
        st.sampled_from("abt019.-_"),
    ),
    st.sampled_from(["", "-nvme2", "-fc-run3"]),
    st.sampled_from([PLAIN, NO_PATTERN]),
)
def test_a_mistyped_host_is_checked_or_named_never_dropped(
    name: str, edit: tuple[str, int, str], behind: str, dialect: Dialect
) -> None:
    mistyped = edited(name, *edit)
    asked = requested_hosts(f"e2e-{mistyped}{behind}", (*INVENTORY, "db-node-01", "web-7"), dialect)
    said = "-".join((*asked.hosts, *asked.not_checked)).casefold().split("-")

    assert [
        part for part in mistyped.casefold().split("-") if re.search(r"\d", part) and part not in said
    ] == []
    if "-" not in mistyped and len(name) > 4 and re.search(r"\d", mistyped):
        assert mistyped.casefold() in [host.casefold() for host in asked.hosts]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(parts, min_size=1, max_size=8),
    st.lists(st.sampled_from([*INVENTORY, "db-node1", "e2e", "run3"]) | host_names, max_size=6),
    st.sampled_from([PLAIN, NO_PATTERN, Dialect(host=r".+\d", not_requested=r"h.*")]),
    st.sampled_from([None, "", "cmc-e2e", "redhat9.6", "db-node1-e2e"]),
    st.lists(host_names, max_size=2),
)
def test_every_part_with_a_digit_is_checked_named_or_excluded(
    own: list[str], inventory: list[str], dialect: Dialect, template: str | None, named: list[str]
) -> None:
    build = "-".join(own)
    asked = requested_hosts(build, inventory, dialect, template=template, named=named)
    checked = {part for host in asked.hosts for part in host.casefold().split("-")}
    excluded = {own[0].casefold(), *(template or "").casefold().split("-")}

    for part in own:
        if re.search(r"\d", part):
            assert part.casefold() in checked | excluded or part in asked.not_checked
    assert set(asked.not_checked) <= set(own)
    assert not {host.casefold() for host in asked.hosts} & {part.casefold() for part in asked.not_checked}
    assert asked == requested_hosts(build, inventory, dialect, template=template, named=named)
    assert ("not checked" in hosts_note(asked)) == (not asked.hosts or bool(asked.not_checked))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4), st.none() | st.text(max_size=20))
def test_no_text_raises(text: str, known: list[str], template: str | None) -> None:
    asked = requested_hosts(text, known, PLAIN, template=template)

    assert all(text[:512].casefold().find(host.casefold()) >= 0 or host in known for host in asked.hosts)
    requested_hosts(text, known, PLAIN, template=template, named=tuple(known))


def test_a_hostile_name_or_inventory_costs_little() -> None:
    """This would take minutes if every part were compared with every complete name."""
    many = tuple(f"{system}{number}.{number % 7}" for system in SYSTEMS for number in range(770))
    begun = time.process_time()
    for text in (
        "a." * 500_000,
        "a-" * 500_000,
        "redhat9." * 100_000,
        "-".join(f"rehdat9{n}" for n in range(60)),
    ):
        requested_hosts(text, many, PLAIN)
    requested_hosts("-".join("a1" for _ in range(60)), tuple("-".join("ab" * n) for n in range(60)), PLAIN)

    assert len(many) > 10_000
    assert time.process_time() - begun < 20


def test_only_the_build_name_that_is_read_counts() -> None:
    assert valid_build_name("e2e-" + "x" * 124)
    assert hosts("e2e-" + "x-" * 300 + "redhat9.6-fc") == ()


# --- the note about checked hosts ---


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        (RequestedHosts({}), "hosts not checked"),
        (RequestedHosts({}, ("nvme2", "run3")), "hosts not checked; not checked: nvme2, run3"),
        (RequestedHosts({"w2k25": "option"}), "hosts checked: w2k25"),
        (
            RequestedHosts({"w2k25": "pattern", "esxi8.0": "looks-like"}, ("run3",)),
            "hosts checked: w2k25, esxi8.0 (esxi8.0 looks like a host); not checked: run3",
        ),
        (
            RequestedHosts({"aix7.3": "looks-like", "esxi8.0": "looks-like"}),
            "hosts checked: aix7.3, esxi8.0 (aix7.3, esxi8.0 look like hosts)",
        ),
    ],
)
def test_a_note_states_what_is_checked_and_what_is_not(asked: RequestedHosts, note: str) -> None:
    assert hosts_note(asked) == note


def test_a_note_counts_the_names_beyond_its_limit() -> None:
    many = RequestedHosts({f"h{number}": "option" for number in range(NAMES_IN_NOTE_MAX + 8)})

    assert hosts_note(many).endswith(", h31 and 8 more")
