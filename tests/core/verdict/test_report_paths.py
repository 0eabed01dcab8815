"""Spec file of a report compared with those of a log: the longest match counts; several equally long ones are ambiguous."""

import pytest
from hypothesis import given, strategies as st

from atvm_pipeline.core.spec_names import base_name, same_spec
from atvm_pipeline.core.verdict.report_paths import SpecNames, plain_path

TWO = ("redhat9.6.cy.ts", "regress/redhat9.6.cy.ts")


@pytest.mark.parametrize(
    ("names", "path", "found"),
    [
        (TWO, "cypress/e2e/redhat9.6.cy.ts", TWO[:1]),
        (TWO, "cypress/e2e/regress/redhat9.6.cy.ts", TWO[1:]),
        (TWO, "C:\\lab\\cypress\\e2e\\regress\\redhat9.6.cy.ts", TWO[1:]),
        (TWO, "/root/lab/./cypress//e2e/redhat9.6.cy.ts", TWO[:1]),
        (TWO, "redhat9.6.cy.ts", TWO[:1]),
        (TWO, "./regress/redhat9.6.cy.ts", TWO[1:]),
        (TWO, "cypress/e2e/redhat9.60.cy.ts", ()),
        (TWO, "cypress/e2e/regressredhat9.6.cy.ts", ()),
        (TWO, "", ()),
        (("fc/a.cy.ts", "iscsi/a.cy.ts"), "a.cy.ts", ("fc/a.cy.ts", "iscsi/a.cy.ts")),
        (("fc/a.cy.ts", "iscsi/a.cy.ts"), "cypress/e2e/fc/a.cy.ts", ("fc/a.cy.ts",)),
        (("fc/a.cy.ts", "iscsi/a.cy.ts"), "cypress/e2e/nfs/a.cy.ts", ()),
        (("x/fc/a.cy.ts", "y/fc/a.cy.ts", "a.cy.ts"), "fc/a.cy.ts", ("x/fc/a.cy.ts", "y/fc/a.cy.ts")),
        (("e2e/regress/a.cy.ts", "a.cy.ts"), "regress/a.cy.ts", ("e2e/regress/a.cy.ts",)),
        (("a.cy.ts",), "cypress/e2e/any/a.cy.ts", ("a.cy.ts",)),
    ],
)
def test_the_longest_match_counts(names: tuple[str, ...], path: str, found: tuple[str, ...]) -> None:
    assert SpecNames(names).match(path) == found


def test_a_path_of_any_depth_is_cut_at_its_front() -> None:
    assert plain_path("x/" * 500 + "a.cy.ts").count("/") == 31
    assert SpecNames([plain_path("x/" * 500 + "a.cy.ts")]).match("y/x/a.cy.ts") == ()


def test_a_base_name_is_the_last_part() -> None:
    assert [base_name(path) for path in ("a/b.xml", "a\\b.xml", "b.xml")] == ["b.xml"] * 3


parts = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join)


@given(st.sets(parts, max_size=6), parts)
def test_a_match_is_the_longest_common_end(names: set[str], path: str) -> None:
    found = SpecNames(names).match(path)
    matching = [name for name in names if same_spec(name, path)]
    longest = max((min(name.count("/"), path.count("/")) for name in matching), default=None)

    assert set(found) <= set(matching)
    assert bool(found) == bool(matching)
    assert all(min(name.count("/"), path.count("/")) == longest for name in found)
    assert (
        found == (path,)
        if path in names
        else len(found) <= 1 or all(name.endswith(f"/{path}") for name in found)
    )
