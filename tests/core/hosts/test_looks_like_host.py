"""Parts of a build name that resemble a misspelt or unknown host."""

import re

import pytest

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.requested_hosts import SYSTEMS
from tests.support.host_requests import INVENTORY, NO_PATTERN, found, hosts, left


@pytest.mark.parametrize(
    "part",
    [
        *(
            "esxi8.0",
            "aix7.3",
            "solaris11.4",
            "ubunut24.04",
            "rehdat9.6",
            "ESXi8.0u2",
            "esxi8.0.3",
            "freebsd14.1",
        ),
        *("redhat_9.6", "r3dhat9.6", "hpux11.31", "nutanix6.5lts", "vmware8.0"),
    ],
)
@pytest.mark.parametrize("inventory", [(), INVENTORY], ids=["no inventory", "inventory"])
def test_three_letters_and_a_version_with_a_dot_look_like_a_host(
    part: str, inventory: tuple[str, ...]
) -> None:
    assert found(f"e2e-redhat9.6-{part}-fc", inventory, Dialect(host=r"redhat\d\.\d"))[part] == "looks-like"
    assert left(f"e2e-redhat9.6-{part}-fc", inventory) == ()


@pytest.mark.parametrize(
    "part",
    ["ux11.31", "24.04", "el9.6", "2.5min", "esxi8", "node.js", "redhat", "10.1.2.3", "stream9", "9.6rhel"],
)
def test_fewer_letters_or_no_version_with_a_dot_behind_them_do_not(part: str) -> None:
    assert hosts(f"e2e-redhat9.6-{part}-fc") == ("redhat9.6",)
    assert left(f"e2e-redhat9.6-{part}-fc") == ((part,) if re.search(r"\d", part) else ())


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("dbalpha1", "dbalpha11"),  # insert
        ("dbalpha111", "dbalpha11"),  # delete
        ("dbalphe11", "dbalpha11"),  # replace
        ("dblapha11", "dbalpha11"),  # swap
        ("dblaphe11", "dbalpha11"),  # two edits: eight characters or more
        ("alhpa1", "alpha1"),
        ("alpha2", "alpha1"),
        ("w2k255", "w2k25"),
        ("W2K52", "w2k25"),
        ("lpha1", "alpha1"),
        ("ABCD1", "abcde"),
    ],
)
def test_a_part_with_a_digit_that_is_near_an_inventory_name_looks_like_a_host(part: str, name: str) -> None:
    assert found(f"e2e-{part}-fc", (name,), NO_PATTERN) == {part: "looks-like"}


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("abd1", "abc1"),  # four characters in the inventory
        ("aplhe1", "alpha1"),  # two edits, six characters
        ("alpha", "alpha1"),  # no digit
        ("dblaphi12", "dbalpha11"),  # three edits
        ("nvme2", "alpha1"),
    ],
)
def test_a_part_that_is_not_near_enough_does_not(part: str, name: str) -> None:
    assert hosts(f"e2e-{part}-fc", (name,), NO_PATTERN) == ()
    assert left(f"e2e-{part}-fc", (name,), NO_PATTERN) == ((part,) if re.search(r"\d", part) else ())


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("number", ["9", "12", "2019", "9.6"])
def test_a_misspelt_operating_system_before_a_number_looks_like_a_host(system: str, number: str) -> None:
    misspelt = system[0] + system[2] + system[1] + system[3:]
    for part in (
        f"{misspelt}{number}",
        f"{system[:2]}{system[3:]}{number}",
        f"{system}x{number}",
        f"{system}{number}",
    ):
        assert found(f"e2e-{part}-fc", (), NO_PATTERN) == {part: "looks-like"}


@pytest.mark.parametrize(
    "part", ["redh9at5", "rocky9x", "ro4cky9", "4ubuntu24", "rock9y", "redhat9x6", "rocky2o19"]
)
def test_a_digit_may_be_the_mistake(part: str) -> None:
    assert found(f"e2e-{part}-fc", (), NO_PATTERN) == {part: "looks-like"}


@pytest.mark.parametrize(
    "part", ["ray7", "9rocky", "stream9", "r3hat9", "orange5", "sles15", "oel8", "re2024dhat"]
)
def test_a_word_that_is_not_near_an_operating_system_does_not(part: str) -> None:
    assert hosts(f"e2e-{part}-fc", (), NO_PATTERN) == ()
    assert left(f"e2e-{part}-fc", (), NO_PATTERN) == (part,)


def test_names_that_the_default_pattern_knows_are_found_by_it() -> None:
    name = "e2e-redhat96-ubuntu2404-w2k255-fc"

    assert found(name) == dict.fromkeys(("redhat96", "ubuntu2404", "w2k255"), "pattern")


def test_a_dash_may_be_the_mistake() -> None:
    assert found("e2e-redhat-9.6-fc") == {"redhat-9.6": "looks-like"}
    assert found("e2e-ubunut-24.04-fc", ("ubuntu-24.04",)) == {"ubunut-24.04": "looks-like"}
    assert found("e2e-db-node3-w2k25-fc", ("db-node1",)) == {"db-node3": "looks-like", "w2k25": "pattern"}
    assert found("e2e-dbnode1-fc", ("db-node1",)) == {"dbnode1": "looks-like"}


def test_parts_that_are_something_else_are_not_joined_to_a_name() -> None:
    assert hosts("e2e-redhat9.6-fc", ("redhat9.6", "redhat9.6-pg")) == ("redhat9.6",)
    assert hosts("db-node3-fc", ("db-node1",)) == ()
    assert hosts("db-node3-fc", ("db-node1",), template="e2e-db") == ()
    assert hosts("e2e-iscsi-10-redhat9.6-fc", ("iscsi-11", "redhat9.6")) == ("redhat9.6",)
    assert hosts("e2e-db-node-fc", ("db-nodes",)) == ()
    assert hosts("e2e-db-node3-fc", ("db-node1",), Dialect(not_requested="node3")) == ()
    assert hosts("e2e-db-node3-fc", ("db-node1",), Dialect(not_requested="db-node3")) == ()
