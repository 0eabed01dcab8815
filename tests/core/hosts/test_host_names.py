import string

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.host_names import group_name, host_of_spec, hosts_in_label, valid_build_name
from tests.support.project import BUILD

PLAIN = Dialect()
HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25")

names = st.text(alphabet=string.ascii_lowercase + string.digits, min_size=1, max_size=8)
host_names = st.from_regex(r"[a-z]{2,8}[0-9]{1,2}(\.[0-9]{1,2})?", fullmatch=True)
texts = st.text(alphabet="aA1.-_/\\ cytsw2k5ß", max_size=40)


@pytest.mark.parametrize("name", [BUILD, "a", "_x", "0", "a" * 128, "A.b_c-d"])
def test_a_build_name_may_hold_letters_digits_dots_dashes_and_underscores(name: str) -> None:
    assert valid_build_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "..", "a" * 129, "a b", "a/b", "a\n", "é", "a%i", "a@b", "٣"]
)
def test_anything_else_is_no_build_name(name: str) -> None:
    assert not valid_build_name(name)


@pytest.mark.parametrize(
    ("spec", "host"),
    [
        ("cypress/e2e/cmc-e2e/redhat9.6.cy.ts", "redhat9.6"),
        ("cypress\\e2e\\w2k25.cy.ts", "w2k25"),
        ("redhat9.6", "redhat9.6"),
        ("redhat9.60.cy.ts", "redhat9.60"),
        ("01_redhat9.6_fc.cy.js", "redhat9.6"),
        ("cmc-ubuntu24.04-fc.spec.ts", "ubuntu24.04"),
        ("REDHAT9.6.cy.ts", "redhat9.6"),
        ("w2k2.cy.ts", "w2k2"),
        ("login.cy.ts", "login"),
        ("my.page.ts", "my.page"),
        ("check-xml-files.ts", None),
        ("x/check-xml-files.cy.ts", None),
        ("check-xml-files-redhat9.6.ts", "redhat9.6"),
        (".cy.ts", None),
        ("", None),
        # One letter becomes two when case-folded, the other becomes two in lower case.
        ("stra\u00dfe-REDHAT9.6.cy.ts", "redhat9.6"),
        ("\u0130-redhat9.6.cy.ts", "redhat9.6"),
    ],
)
def test_a_spec_s_host_is_the_complete_name_in_its_file_name(spec: str, host: str | None) -> None:
    assert host_of_spec(spec, HOSTS, PLAIN) == host


def test_names_that_only_start_or_end_alike_are_other_hosts() -> None:
    assert host_of_spec("redhat9.60.cy.ts", ("redhat9.6",), Dialect(host="")) == "redhat9.60"
    assert host_of_spec("redhat9.6.1.cy.ts", ("redhat9.6",), Dialect(host="")) == "redhat9.6.1"
    assert host_of_spec("redhat9.6.cy.ts", ("redhat9",), Dialect(host="")) == "redhat9.6"
    assert host_of_spec("xw2k25.cy.ts", ("w2k25", "w2k2"), Dialect(host="")) == "xw2k25"
    assert host_of_spec("redhat9.6.cy.ts", ("6", "9.6"), Dialect(host="")) == "redhat9.6"


def test_the_longest_known_name_is_the_host() -> None:
    assert host_of_spec("a-redhat9.6-gold.cy.ts", ("redhat9.6", "redhat9.6-gold"), PLAIN) == "redhat9.6-gold"


def test_a_known_name_outranks_the_pattern_where_both_could_speak() -> None:
    assert host_of_spec("redhat9.6.fc.cy.ts", ("redhat9.6",), PLAIN) == "redhat9.6"
    assert host_of_spec("redhat9.6-fc.cy.ts", ("fc",), PLAIN) == "redhat9.6"


def test_a_label_names_its_hosts_in_order_once() -> None:
    label = "e2e-w2k25_redhat9.6-w2k25 2026-04-21"

    assert hosts_in_label(label, ("RedHat9.6",), PLAIN) == ("w2k25", "RedHat9.6")
    assert hosts_in_label("e2e-redhat9.60-fc", ("redhat9.6",), Dialect(host="")) == ()
    assert hosts_in_label("nightly 17", HOSTS, PLAIN) == ()


def test_a_group_s_name_has_the_build_name_s_own_shape() -> None:
    assert group_name(BUILD, HOSTS, ("redhat9.6",)) == "e2e-redhat9.6-fc"
    assert group_name(BUILD, HOSTS, ("w2k25", "sles15.5")) == "e2e-w2k25-sles15.5-fc"
    assert group_name(BUILD, HOSTS, ()) == BUILD
    assert group_name("nightly", (), ("w2k25",)) == "nightly-w2k25"
    assert group_name("e2e-a-b-fc", ("a-b",), ("c",)) == "e2e-c-fc"
    assert group_name("w2k25", ("W2K25",), ("c",)) == "c"


def test_a_group_of_very_many_hosts_has_a_bounded_name() -> None:
    assert group_name("x", (), tuple(f"h{n}" for n in range(40))).endswith("-h31-and-8-more")


@given(st.lists(host_names, min_size=1, max_size=5, unique=True), names, names)
def test_what_a_build_name_is_made_of_is_found_again(hosts: list[str], before: str, after: str) -> None:
    plain = Dialect(host="")
    build = "-".join([f"{before}_", *hosts, f"{after}_"])

    assert group_name(build, tuple(hosts), tuple(hosts)) == build
    assert hosts_in_label(build, hosts, plain) == tuple(hosts)
    for host in hosts:
        group = group_name(build, tuple(hosts), (host,))
        assert hosts_in_label(group, hosts, plain) == (host,)
        assert host_of_spec(f"cypress/e2e/{host}.cy.ts", hosts, plain) == host


@given(host_names, st.sampled_from(string.ascii_letters + string.digits))
def test_a_longer_name_is_never_taken_for_a_shorter_one(host: str, letter: str) -> None:
    plain = Dialect(host="")

    for longer in (host + letter, letter + host, f"{host}.{len(letter)}"):
        assert hosts_in_label(longer, (host,), plain) == ()
        assert host_of_spec(f"{longer}.cy.ts", (host,), plain) == longer


@settings(max_examples=200, deadline=None)
@given(texts | st.text(max_size=40), st.lists(texts, max_size=4))
def test_no_text_raises(text: str, known: list[str]) -> None:
    hosts_in_label(text, known, PLAIN)
    host_of_spec(text, known, PLAIN)
    group_name(text, tuple(known), tuple(known))
    valid_build_name(text)


def test_a_hostile_name_costs_little() -> None:
    """This would take minutes if every part of a megabyte were tried."""
    for text in ("a." * 500_000, "a-" * 500_000, "redhat9." * 100_000):
        hosts_in_label(text, HOSTS, PLAIN)
        host_of_spec(text, HOSTS, PLAIN)
