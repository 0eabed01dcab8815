"""Parts of a build name that are certainly requested hosts, parts that never are, and the effect of `--hosts`."""

import re
import string

import pytest
from hypothesis import given, strategies as st

from atvm_pipeline.core.dialect import NOT_REQUESTED, Dialect
from atvm_pipeline.core.hosts.requested_hosts import SYSTEMS, RequestedHosts
from tests.support.host_requests import HOSTS, INVENTORY, NO_PATTERN, found, host_names, hosts, left
from tests.support.project import BUILD

words = st.text(alphabet=string.ascii_lowercase + string.digits, min_size=1, max_size=8)


# --- certain hosts: the inventory and the host pattern ---


def test_hosts_are_found_by_the_pattern_without_an_inventory() -> None:
    assert found(BUILD, ()) == dict.fromkeys(HOSTS, "pattern")


def test_a_name_of_the_inventory_is_found_by_it_before_the_pattern() -> None:
    assert found(BUILD) == dict.fromkeys(HOSTS, "inventory")


@pytest.mark.parametrize(
    "name", ["e2e-fc", "cmc-e2e-iscsi", "nightly-2026", "e2e-w-fc", "", "-", "e2e-redhat-fc"]
)
def test_a_build_name_without_hosts_requests_none(name: str) -> None:
    assert hosts(name) == ()


def test_an_inventory_name_is_found_completely_or_not_at_all() -> None:
    inventory = ("redhat9.6", "w2k2", "alpha1")

    assert "redhat9.6" not in hosts("e2e-redhat9.60-fc", inventory)
    assert "w2k2" not in hosts("e2e-w2k25-fc", inventory)
    assert hosts("e2e-alpha1-fc", ("alpha1", "alpha10"), NO_PATTERN) == ("alpha1",)
    assert hosts("e2e-alpha10-fc", ("pha10", "alpha"), NO_PATTERN) == ()


def test_an_inventory_name_with_dashes_matches_consecutive_parts_and_the_longest_wins() -> None:
    inventory = ("redhat9.6", "redhat9.6-gold", "gold")

    assert hosts("e2e-redhat9.6-gold-fc", inventory) == ("redhat9.6-gold",)
    assert hosts("e2e-redhat9.6-fc-gold", inventory) == ("redhat9.6", "gold")


def test_hosts_come_in_order_once_and_in_the_inventory_s_spelling() -> None:
    name = "e2e-W2K25-RedHat9.6-w2k25-REDHAT9.6-ESXi8.0-esxi8.0-fc"

    assert hosts(name, ("RedHat9.6", "w2k25")) == ("w2k25", "RedHat9.6", "ESXi8.0")
    assert left(name, ("RedHat9.6", "w2k25")) == ()


def test_a_pattern_never_reaches_across_a_dash() -> None:
    assert hosts("x1-y2-z", (), Dialect(host=r".*\d")) == ("x1", "y2")


@given(st.lists(host_names, min_size=1, max_size=5, unique=True), words, words)
def test_hosts_of_the_inventory_are_found_again(names: list[str], before: str, after: str) -> None:
    build = "-".join([f"{before}_", *names, f"{after}_"])

    assert hosts(build, names, NO_PATTERN) == tuple(names)


# --- never a host ---


@pytest.mark.parametrize(
    "transport",
    [
        *(
            "nvme2",
            "fc32",
            "vsan8",
            "iscsi10",
            "iscsi2",
            "fc",
            "32gfc",
            "fc_32",
            "nvme_tcp",
            "nvme2tcp",
            "rocev2",
        ),
        *(
            "nvme1.4",
            "vsan8.0",
            "fcoe10.1",
            "vmfs6.8",
            "nfs4.1",
            "smb3.1.1",
            "25gbe",
            "2.5gbe",
            "iSCSI10",
            "ceph18.2",
        ),
    ],
)
@pytest.mark.parametrize("behind", ["", "-run3", "-20261127", "-MIG-1234", "-v2-retry1"])
def test_a_transport_is_never_a_host_and_named_as_not_checked(transport: str, behind: str) -> None:
    near = (*INVENTORY, "iscsi11", "nvme1", "vsan7", "fc322", "vsan8.1")
    name = f"e2e-redhat9.6-{transport}{behind}"
    numbers = tuple(part for part in name.split("-")[2:] if re.search(r"\d", part))

    assert hosts(name, near) == ("redhat9.6",)
    assert left(name, near) == numbers


def test_the_transport_is_no_host_of_a_pattern_or_an_inventory_either() -> None:
    assert hosts("lab-redhat9.6-nvme2-run3", (), Dialect(host=r"[a-z]+\d+(?:\.\d+)?")) == ("redhat9.6",)
    assert hosts("e2e-redhat9.6-nvme2-tcp", ("redhat9.6", "nvme2-x")) == ("redhat9.6",)
    assert hosts("e2e-redhat9.6-vsan1", ("redhat9.6", "vsan1")) == ("redhat9.6",)


def test_a_machine_that_is_named_like_a_transport_is_a_host_in_front_of_the_transport() -> None:
    assert hosts("e2e-vsan1-fc", ("vsan1",)) == ("vsan1",)
    assert hosts("e2e-vsan1-redhat9.6", ("vsan1",)) == ("vsan1", "redhat9.6")
    assert hosts("e2e-vsan1-vsan1", ("vsan1",)) == ("vsan1",)
    assert left("e2e-vsan1-vsan1", ("vsan1",)) == ()


@pytest.mark.parametrize(
    "part",
    [
        *(
            "v2",
            "v1.2",
            "V2",
            "run3",
            "run_3",
            "retry1",
            "rc1",
            "build12.4",
            "rev3",
            "release24.1",
            "3x",
            "1of3",
            "2nd",
        ),
        *(
            "20261127",
            "2026.11.27",
            "20261127T1030",
            "27nov2026",
            "nov27",
            "2026w48",
            "kw48",
            "q4",
            "2026q4",
            "2026",
        ),
        *(
            "ticket42",
            "bug_1234",
            "pr17",
            "inc0012345",
            "1234",
            "nfs4.1",
            "nfsv4.1",
            "tls1.3",
            "smb3.1.1",
            "http1.1",
        ),
    ],
)
def test_counters_dates_tickets_and_protocols_are_not_requested(part: str) -> None:
    broad = Dialect(host=r"[\w.]*\d[\w.]*")

    assert hosts(f"lab-redhat9.6-{part}-ubuntu24.04-fc", (), broad) == ("redhat9.6", "ubuntu24.04")
    assert left(f"lab-redhat9.6-{part}-ubuntu24.04-fc", (), broad) == (part,)


@pytest.mark.parametrize(
    "system", [*SYSTEMS, "rhel", "alma", "ol", "sles", "suse", "al", "win", "w2k", "w", "aix", "esxi"]
)
@pytest.mark.parametrize("number", ["9", "12", "2019", "9.6", "9.6u2"])
def test_the_default_hides_no_operating_system(system: str, number: str) -> None:
    assert re.fullmatch(NOT_REQUESTED, f"{system}{number}", re.IGNORECASE) is None


def test_the_default_hides_no_machine_of_the_inventory() -> None:
    assert hosts("e2e-run3-fc", ("run3",)) == ("run3",)


def test_an_operator_s_not_requested_is_added_to_the_default_and_outranks_everything() -> None:
    own = Dialect(not_requested=r"lab\d+\.\d+|redhat9\.6|w2k25")

    assert hosts("e2e-lab9.1-REDHAT9.6-w2k25-run3.1-ubuntu24.04-fc", INVENTORY, own) == ("ubuntu24.04",)
    assert left("e2e-lab9.1-REDHAT9.6-w2k25-run3.1-ubuntu24.04-fc", INVENTORY, own) == (
        "lab9.1",
        "REDHAT9.6",
        "w2k25",
        "run3.1",
    )
    assert hosts("e2e-lab9.1x-fc", INVENTORY, own) == ("lab9.1x",)


def test_an_empty_not_requested_adds_nothing() -> None:
    assert hosts("e2e-run3.1-redhat9.6-fc", INVENTORY, Dialect(not_requested="")) == ("redhat9.6",)


def test_the_first_part_without_a_template_is_a_host_only_if_it_is_known() -> None:
    assert hosts("esxi8.0-redhat9.6-fc") == ("redhat9.6",)
    assert left("esxi8.0-redhat9.6-fc") == ()
    assert hosts("redhat9.6-fc") == ("redhat9.6",)
    assert hosts("ubuntu9.6-fc", ()) == ("ubuntu9.6",)
    assert hosts("esxi8.0-redhat9.6-fc", template="cmc-e2e") == ("esxi8.0", "redhat9.6")
    assert left("e2e3-redhat9.6-fc", template="cmc-e2e") == ()


def test_parts_of_the_template_s_name_are_no_hosts_and_are_not_named() -> None:
    assert found("cmc-e2e-redhat9.6-fc", template="cmc-e2e") == {"redhat9.6": "inventory"}
    assert left("cmc-e2e-redhat9.6-fc", template="cmc-e2e") == ()
    assert left("cmc-e2e-redhat9.6-fc") == ("e2e",)
    assert hosts("vmware8.0-e2e-redhat9.6-fc", template="VMware8.0-e2e") == ("redhat9.6",)
    assert hosts("e2e-gold8.1-redhat9.6-fc", template="gold8.1") == ("redhat9.6",)
    assert left("e2e-gold8.1-redhat9.6-fc", template="gold8.1") == ()
    assert hosts("w2k25-redhat9.6-fc", template="w2k25") == ("redhat9.6",)
    assert hosts("w2k25", template="w2k25") == ()


def test_a_part_of_the_template_s_name_is_no_host_wherever_the_name_stands() -> None:
    known = ("w2k22", "w2k25", "redhat9.6")

    assert hosts("nightly-upgrade-w2k22-redhat9.6-fc", known, template="upgrade-w2k22") == ("redhat9.6",)
    assert hosts("migrate-fc-w2k25-redhat9.6", known, template="migrate-w2k25") == ("redhat9.6",)
    assert left("migrate-fc-w2k25-redhat9.6", known, template="migrate-w2k25") == ()
    assert hosts("nightly-cmc-W2K25-redhat9.6-fc", (), template="cmc-w2k25") == ("redhat9.6",)


def test_a_host_outside_of_the_template_s_place_is_requested() -> None:
    known = ("w2k25", "w2k25-node1", "redhat9.6")

    assert hosts("cmc-w2k25-w2k25-fc", known, template="cmc-w2k25") == ("w2k25",)
    assert hosts("nightly-cmc-w2k25-w2k25-fc", known, template="cmc-w2k25") == ("w2k25",)
    assert hosts("w2k25-cmc-w2k25-fc", known, template="cmc-w2k25") == ("w2k25",)
    assert hosts("w2k25-redhat9.6-cmc-fc", known, template="cmc-w2k25") == ("w2k25", "redhat9.6")
    assert hosts("nightly-cmc-w2k25-node1-fc", known, template="cmc-w2k25") == ("w2k25-node1",)


def test_a_named_host_counts_though_it_is_a_part_of_the_template_s_name() -> None:
    asked = hosts("nightly-cmc-w2k25-fc", ("w2k25",), template="cmc-w2k25", named=("w2k25",))

    assert asked == ("w2k25",)


def test_a_template_with_a_host_s_name_hides_no_host_behind_the_template() -> None:
    assert hosts("cmc-redhat9.6-redhat9.6-fc", template="cmc-redhat9.6") == ("redhat9.6",)
    assert hosts("e2e-redhat9.6-fc", template="cmc-redhat9.6") == ("redhat9.6",)


# --- build names seen in production ---


@pytest.mark.parametrize(
    ("name", "checked", "unchecked"),
    [
        ("e2e-redhat9.6-ubunut24.04-fc", ("redhat9.6", "ubunut24.04"), ()),
        ("e2e-rehdat9.6-fc", ("rehdat9.6",), ()),
        ("e2e-redhat9.6-esxi8.0-fc", ("redhat9.6", "esxi8.0"), ()),
        ("e2e-redhat9.6-aix7.3-fc", ("redhat9.6", "aix7.3"), ()),
        ("e2e-redhat9.6-solaris11.4-fc", ("redhat9.6", "solaris11.4"), ()),
        ("e2e-redhat9.6-centos-stream9-fc", ("redhat9.6",), ("stream9",)),
        ("e2e-redhat9.6-esxi8.0", ("redhat9.6", "esxi8.0"), ()),
        ("e2e-redhat9.6-nvme2-run3", ("redhat9.6",), ("nvme2", "run3")),
        ("e2e-redhat9.6-ubuntu24.04-fc-20261127", ("redhat9.6", "ubuntu24.04"), ("20261127",)),
        ("e2e-redhat9.6-fc-MIG-1234", ("redhat9.6",), ("1234",)),
    ],
)
@pytest.mark.parametrize("inventory", [(), INVENTORY], ids=["no inventory", "inventory"])
def test_a_build_name_from_the_field(
    name: str, checked: tuple[str, ...], unchecked: tuple[str, ...], inventory: tuple[str, ...]
) -> None:
    assert (hosts(name, inventory), left(name, inventory)) == (checked, unchecked)


# --- --hosts ---


def test_named_hosts_alone_are_checked_and_the_rest_is_named() -> None:
    name = "e2e-REDHAT9.6-esxi8.0-w2k25-nvme2"

    assert found(name, named=("redhat9.6", "AIX7.3", "RedHat9.6")) == {
        "redhat9.6": "option",
        "AIX7.3": "option",
    }
    assert left(name, named=("redhat9.6", "AIX7.3")) == ("esxi8.0", "w2k25", "nvme2")
    assert found("", named=("W2K25",)) == {"w2k25": "option"}


def test_a_named_host_with_a_dash_covers_its_parts() -> None:
    assert left("e2e-db-node1-run3-fc", (), named=("DB-node1",)) == ("run3",)


def test_only_hosts_that_are_certainly_hosts_are_certain() -> None:
    found = RequestedHosts(
        {"redhat9.6": "inventory", "esxi8.0": "looks-like", "w2k25": "pattern", "x": "option"}
    )

    assert found.certain == ("redhat9.6", "w2k25", "x")
    assert found.by_form == ("esxi8.0",)
