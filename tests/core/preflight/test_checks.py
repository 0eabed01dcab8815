from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.requested_hosts import HostSource, RequestedHosts
from atvm_pipeline.core.preflight.checks import PreflightFinding, find_mismatches, has_option, option_values

BUILD = "e2e-redhat9.6-w2k25-fc"
CONFIG = "cypress.atvm-config-gold.ts"
TEMPLATE = f"python3 ./cmc-templates.py --template_name cmc-e2e --config_file {CONFIG}"
RUNNER = f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name {BUILD} --categorize"
SPECS = ("cypress/e2e/redhat9.6.cy.ts", "cypress/e2e/w2k25.cy.ts", "cypress/e2e/check-xml-files.ts")
NAMES = ("--build_name", "--build-name")


def asked_for(*hosts: str, by_form: tuple[str, ...] = ()) -> RequestedHosts:
    certain: dict[str, HostSource] = dict.fromkeys(hosts, "inventory")
    return RequestedHosts(certain | dict.fromkeys(by_form, "looks-like"))


def findings(**changes: Any) -> tuple[PreflightFinding, ...]:
    fitting: dict[str, Any] = {
        "build_name": BUILD,
        "requested": asked_for("redhat9.6", "w2k25"),
        "template_command": TEMPLATE,
        "runner_command": RUNNER,
        "config_file": CONFIG,
        "categorize": True,
        "matched_specs": SPECS,
        "known": ("redhat9.6", "w2k25", "centos7.9"),
        "dialect": Dialect(),
    }
    found = find_mismatches(**(fitting | changes))
    assert all("\n" not in one.text and one.text.isprintable() for one in found)
    return found


def codes(**changes: Any) -> list[tuple[str, bool]]:
    return [(one.code, one.certain) for one in findings(**changes)]


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (RUNNER, (BUILD,)),
        ("run --build-name=a", ("a",)),
        ("run --build_name 'a b' --build-name \"c\"", ("a b", "c")),
        ("run --build_name a;echo", ("a",)),
        ("run --build_name a&&echo", ("a",)),
        ("(run --build_name a)", ("a",)),
        ("run \\\n  --build_name \\\n  a", ("a",)),
        ("run --build_name", ()),
        ("run --build_name --categorize", ()),
        ("run --build_name && x", ()),
        ("run --build_names a", ()),
        ("run 'unclosed --build_name a", ()),
        ("bash -c 'run --build_name a'", ()),
        ("run --build_name=", ("",)),
        ("x" * 70_000 + " --build_name a", ()),
        ("", ()),
    ],
)
def test_an_option_s_values_are_read_as_a_shell_would(command: str, values: tuple[str, ...]) -> None:
    assert option_values(command, NAMES) == values


def test_an_option_without_a_value_is_found() -> None:
    assert has_option(RUNNER, "--categorize")
    assert not has_option("run '--categorize x' --no-categorize", "--categorize")


def test_nothing_is_found_where_all_fits() -> None:
    assert findings() == ()


def test_another_build_name_in_the_runner_command_is_certain() -> None:
    (found,) = findings(runner_command="run --build_name e2e-other-fc --categorize")

    assert (found.code, found.certain) == ("build-name", True)
    assert "e2e-other-fc" in found.text
    assert BUILD in found.text


@pytest.mark.parametrize(
    "runner",
    ["run --categorize", "run --categorize --build_name $B", 'run --categorize --build_name "$(name)"', None],
)
def test_a_build_name_that_cannot_be_known_is_passed_in_silence(runner: str | None) -> None:
    assert codes(runner_command=runner, config_file=None) == []


@pytest.mark.parametrize(
    ("template", "runner", "given_file", "certain"),
    [
        ("a.ts", "b.ts", None, True),
        ("a.ts", "a.ts", "b.ts", True),
        ("a.ts", None, "b.ts", True),
        ("a.ts", "x/a.ts", None, True),
        ("a.ts", "./a.ts", "x/../a.ts", False),
        ("a.ts", "/root/x/a.ts", "a.ts", False),
        ("/root/x/a.ts", "/root/y/a.ts", None, True),
        ("../a.ts", "a.ts", None, False),
        ("$CONFIG", "a.ts", None, False),
        ("a.ts --config_file b.ts", "b.ts", None, False),
        ("a.ts && cd x", "y/a.ts", None, False),
        (None, None, "a.ts", False),
        (None, None, None, False),
    ],
)
def test_two_config_files_are_certain_only_where_they_are_two(
    template: str | None, runner: str | None, given_file: str | None, certain: bool
) -> None:
    found = codes(
        template_command=None if template is None else f"t --config_file {template}",
        runner_command="r --categorize" if runner is None else f"r --categorize --config-file={runner}",
        config_file=given_file,
    )

    assert found == ([("config-file", True)] if certain else [])


def test_a_pattern_that_matches_nothing_is_certain() -> None:
    assert codes(matched_specs=()) == [("spec-pattern", True)]


def test_a_stale_pattern_is_certain_and_names_what_it_matches_instead() -> None:
    (found,) = findings(
        matched_specs=("e2e/redhat9.6.cy.ts", "e2e/centos7.9.cy.ts", "e2e/check-xml-files.ts")
    )

    assert (found.code, found.certain) == ("spec-pattern", True)
    assert "no spec of w2k25;" in found.text
    assert "centos7.9.cy.ts" in found.text
    assert "--template-command" in found.text


def test_a_host_that_only_starts_alike_does_not_count() -> None:
    assert codes(requested=asked_for("redhat9.6"), matched_specs=("redhat9.60.cy.ts",)) == [
        ("spec-pattern", True)
    ]


def test_an_unknown_pattern_is_passed_in_silence() -> None:
    assert codes(matched_specs=None) == []
    assert codes(requested=asked_for(), matched_specs=("login.cy.ts",)) == []


def test_a_part_that_looks_like_a_host_and_has_no_spec_is_certain_and_names_the_nearest_known_host() -> None:
    (found,) = findings(requested=asked_for("redhat9.6", "w2k25", by_form=("centso7.9",)))

    assert (found.code, found.certain) == ("unknown-host", True)
    assert found.text == (
        "centso7.9 looks like a host but no spec matches it; nearest known: centos7.9; "
        "use --hosts, or `not_requested` in the dialect file"
    )


def test_without_an_inventory_the_nearest_host_is_one_of_the_specs() -> None:
    (found,) = findings(requested=asked_for("w2k25", by_form=("rehdat9.6",)), known=())

    assert "rehdat9.6 looks like a host but no spec matches it; nearest known: redhat9.6;" in found.text


def test_each_part_that_looks_like_a_host_is_named_once_up_to_a_limit() -> None:
    (two,) = findings(requested=asked_for("w2k25", by_form=("rehdat9.6", "esxi8.0")))
    (many,) = findings(requested=asked_for(by_form=tuple(f"esxi{n}.0" for n in range(40))))

    assert "nearest known: redhat9.6; the same for esxi8.0 (nearest known: none); use --hosts" in two.text
    assert "esxi4.0 (nearest known: none), 35 more; use --hosts" in many.text


def test_a_host_that_is_known_for_sure_is_refused_by_the_specs_it_lacks_also_next_to_one_that_is_not() -> (
    None
):
    found = findings(requested=asked_for("redhat8.10", by_form=("esxi8.0",)))

    assert [one.code for one in found] == ["spec-pattern", "unknown-host"]
    assert "no spec of redhat8.10;" in found[0].text


def test_a_part_that_looks_like_a_host_and_has_a_spec_is_a_host() -> None:
    assert codes(requested=asked_for(by_form=("esxi8.0",)), matched_specs=("esxi8.0.cy.ts",)) == []
    assert codes(requested=asked_for(by_form=("ESXi8.0",)), matched_specs=("esxi8.0.cy.ts",)) == []
    assert codes(requested=asked_for(by_form=("esxi8.0",)), matched_specs=None) == []


def test_hosts_beyond_the_request_are_a_notice() -> None:
    (found,) = findings(matched_specs=(*SPECS, "centos7.9.cy.ts", "login.cy.ts"))

    assert (found.code, found.certain) == ("extra-hosts", False)
    assert "centos7.9" in found.text
    assert "login" not in found.text


def test_a_difference_about_categorize_is_a_notice() -> None:
    assert codes(categorize=False) == [("categorize", False)]
    assert codes(runner_command=RUNNER.replace("--categorize", "")) == [("categorize", False)]
    assert codes(runner_command=None) == []


def test_certain_mismatches_come_first() -> None:
    found = codes(categorize=False, matched_specs=(), runner_command="run --build_name x --categorize")

    assert found == [("build-name", True), ("spec-pattern", True), ("categorize", False)]


def test_a_long_list_is_cut_and_counted() -> None:
    (found,) = findings(matched_specs=tuple(f"h{n}.cy.ts" for n in range(5000)))

    assert "and 4995 more" in found.text
    assert len(found.text) < 2000


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.lists(st.text(max_size=20), max_size=3))
def test_no_text_raises_or_leaves_its_line(name: str, command: str, specs: list[str]) -> None:
    findings(
        build_name=name,
        template_command=f"x --config_file {command}",
        runner_command=f"y {command} --build_name {command}",
        config_file=command,
        matched_specs=tuple(specs),
        requested=asked_for(name, by_form=(command,)),
    )
