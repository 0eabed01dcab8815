"""The scenario: runs that can be compared have one, and neither hosts nor counters nor dates are part of it."""

import pytest

from atvm_pipeline.core.scenario import SCENARIO_CHARS_MAX, scenario_of

BUILD = "e2e-redhat9.6-ubuntu24.04-w2k25-fc"
HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25")


def test_it_is_made_of_template_config_family_and_the_rest_of_the_build_name() -> None:
    assert scenario_of(BUILD, HOSTS, template="cmc-e2e", config_family="gold") == "cmc-e2e/gold/fc"


@pytest.mark.parametrize(
    ("build", "hosts", "scenario"),
    [
        (BUILD, HOSTS, "e2e/-/fc"),
        ("e2e-redhat9.6-fc", ("redhat9.6",), "e2e/-/fc"),
        ("e2e-W2K25-fc-run3-20261127", ("w2k25",), "e2e/-/fc"),
        ("e2e-w2k25-nfs4.1-tls-2of3-27nov2026", ("w2k25",), "e2e/-/nfs4.1-tls"),
        ("e2e-w2k25", ("w2k25",), "e2e/-/-"),
        ("e2e-lab-esx-7-iscsi", ("lab-esx-7",), "e2e/-/iscsi"),
        ("nightly", (), "nightly/-/-"),
    ],
)
def test_without_a_template_the_first_part_of_the_build_name_stands_for_it(
    build: str, hosts: tuple[str, ...], scenario: str
) -> None:
    assert scenario_of(build, hosts) == scenario


def test_a_template_that_the_build_name_does_not_contain_takes_nothing_from_it() -> None:
    assert scenario_of("nightly-w2k25-fc", ("w2k25",), template="cmc e2e/x") == "cmc_e2e_x/-/nightly-fc"


def test_a_named_scenario_is_taken_as_it_is() -> None:
    assert scenario_of(BUILD, HOSTS, template="cmc-e2e", named="mine/own") == "mine/own"
    assert scenario_of(None, (), named="mine") == "mine"


def test_without_a_build_name_there_are_no_requested_hosts() -> None:
    assert scenario_of(None, ()) is None


def test_it_is_bounded_and_without_control_characters() -> None:
    scenario = scenario_of(BUILD, HOSTS, template="a\x1b[1m" + "b" * 1000, named=None)

    assert scenario is not None
    assert scenario.isprintable()
    assert len(scenario) <= SCENARIO_CHARS_MAX + 10
