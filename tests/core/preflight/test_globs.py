from fnmatch import fnmatchcase

import pytest
from hypothesis import assume, given, settings, strategies as st

from atvm_pipeline.core.preflight.globs import DEPTH_MAX, GLOBSTARS_MAX, is_certain, match_specs


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("a", "a"),
        ("a{b,c}", "ab ac"),
        ("{a,b}{1,2}", "a1 a2 b1 b2"),
        ("{a,{b,c}d}", "a bd cd"),
        ("x{,y}", "x xy"),
        ("a{1..3}", "a1 a2 a3"),
        ("{2..1}", "2 1"),
        ("{-1..0}", "-1 0"),
        ("{a,a}", "a"),
        ("{a}", None),
        ("{a", None),
        ("a}", None),
        ("{a,b", None),
        (r"\{a,b}", None),
        (r"{a\},b}", None),
        ("${a,b}", None),
    ],
)
def test_braces_expand_as_in_minimatch(pattern: str, paths: str | None) -> None:
    names = [
        "a",
        "ab",
        "ac",
        "abc",
        "a1",
        "a2",
        "a3",
        "b1",
        "b2",
        "bd",
        "cd",
        "d",
        "x",
        "xy",
        "y",
        "2",
        "1",
        "-1",
        "0",
    ]
    expected = paths.split() if paths is not None else None
    found = match_specs([pattern], names)

    assert (sorted(found) if found is not None else None) == (
        sorted(expected) if expected is not None else None
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "{a,b}" * 11,
        "{1..5000}",
        "{1..999}{1..9}",
        "{1..999999}" * 90,
        "{a," * 200 + "}" * 200,
        "{" * 1000,
        "{a,b" * 200,
        "{a,{1..999}{1..9}}",
        "{{1..600},{1..600}}",
        "@(a|b)" * 11,
        "x" * 2000,
        "**/a/" * 4 + "b",
        "{*,b}{c,*}/a/" * 4 + "b",
    ],
)
def test_a_pattern_that_is_too_large_to_expand_or_match_is_unknown(pattern: str) -> None:
    assert match_specs([pattern], ["any/thing.ts"]) is None


def test_a_tree_that_is_too_deep_is_unknown() -> None:
    assert match_specs(["**/b"], ["a/" * DEPTH_MAX + "b"]) == ("a/" * DEPTH_MAX + "b",)
    assert match_specs(["**/b"], ["a/" * (DEPTH_MAX + 1) + "b"]) is None


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("cypress/e2e/**/*.cy.{js,jsx,ts,tsx}", "cypress/e2e/a.cy.ts", True),
        ("cypress/e2e/**/*.cy.{js,jsx,ts,tsx}", "cypress/e2e/x/y/a.cy.js", True),
        ("cypress/e2e/**/*.cy.{js,jsx,ts,tsx}", "cypress/e2e/check-xml-files.ts", False),
        ("cypress/e2e/redhat9.6.cy.ts", "cypress/e2e/redhat9.6.cy.ts", True),
        ("cypress/e2e/redhat9.6.cy.ts", "cypress/e2e/redhat9x6.cy.ts", False),
        ("./a.ts", "a.ts", True),
        ("*.ts", "a/b.ts", False),
        ("*.ts", ".b.ts", True),
        ("*.ts", "B.TS", False),
        ("**", "a/b.ts", True),
        ("**", ".a/.b.ts", True),
        ("**/*.ts", "b.ts", True),
        ("a/**", "a/b/c", True),
        ("a/**", "ab/c", False),
        ("**/a/**/b/*.ts", "q/a/x/b/b/c.ts", True),
        ("**/a/**/b/*.ts", "q/a/x/b/b/d/c.ts", False),
        ("**/a/**/b/**/*.ts", "q/a/x/b/b/d/c.ts", True),
        ("x/*/y", "x/a/b/y", False),
        ("a**b", "axxb", True),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[^a]x", "/x", False),
        ("@(a|b).ts", "b.ts", True),
        ("?(a|b)x.ts", "x.ts", True),
        ("@(xyz|y)*z", "yz", True),
        ("*@(xyz|y)*z", "xyz", True),
        ("x/!(a).ts", "x/b.ts", True),
        ("x/+(a|aa)b", "x/aab", True),
        ("x/*(*a|*a)b", "x/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a{b,c}/*", "ac/x", True),
        ("{,a}b", "b", True),
        ("a\n*", "a\nb", True),
        ("a*", "a\n", True),
        ("a", "a\n", False),
    ],
)
def test_a_glob_fits_what_cypress_would_find(pattern: str, path: str, fits: bool) -> None:
    assert match_specs([pattern], [path]) == ((path,) if fits else ())


def reference(pattern: list[str], path: list[str]) -> bool:
    """Match `**` and names with stars in a slow and simple way."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        rest_fits = any(reference(pattern[1:], path[at:]) for at in range(len(path) + 1))
        return rest_fits and (len(pattern) > 1 or bool(path))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and reference(pattern[1:], path[1:])


segments = st.sampled_from(["**", "*", "a", "b", "a*", "*b", "a*b*", "?", "*a*b", "a?*"])


@settings(max_examples=400, deadline=None)
@given(
    st.lists(segments, min_size=1, max_size=5),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=5),
)
def test_stars_mean_what_the_plain_reading_states(pattern: list[str], path: list[str]) -> None:
    assume(pattern.count("**") <= GLOBSTARS_MAX)
    assume(set("*?") & set("/".join(pattern)))  # a plain path also matches everything below it
    collapsed = [name for at, name in enumerate(pattern) if name != "**" or pattern[at - 1 : at] != ["**"]]
    found = match_specs(["/".join(pattern)], ["/".join(path)])

    assert found == (("/".join(path),) if reference(collapsed, path) else ())


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 100 + "b", "a" * 4000),
        ("*?" * 100 + "b", "a" * 4000),
        ("**/a/" * 3 + "b", "a/" * 90 + "a"),
        ("**/*a*c/" * 3 + "b", ("a" * 40 + "/") * 90 + "a"),
        ("x*(*a|*a)" * 40 + "b", "xa" * 2000),
        ("x+(a|aa)y", "x" + "a" * 4000),
        ("?(a)?(a)?(a)?(a)?(a)?(a)?(a)?(a)?(a)b", "a" * 4000),
    ],
)
def test_a_hostile_pattern_ends(pattern: str, path: str) -> None:
    """Without the guard, or without atomic stars, most of these would take years."""
    assert match_specs([pattern], [path]) == ()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30) | st.text(alphabet="{},*?[]()!@+|\\/.a-^&~", max_size=40), st.text(max_size=20))
def test_no_pattern_raises(pattern: str, path: str) -> None:
    found = match_specs([pattern], [path])

    assert found in (None, (), (path,))
    assert found is None or is_certain(pattern)


def test_specs_are_matched_in_order() -> None:
    paths = ["e2e/b.cy.ts", "e2e/a.cy.ts", "node_modules/x/e2e/c.cy.ts", "e2e/check-xml-files.ts"]

    assert match_specs(["**/*.cy.ts"], paths) == ("e2e/b.cy.ts", "e2e/a.cy.ts")
    assert match_specs([], paths) == ()


def test_a_pattern_that_is_a_directory_names_the_files_below_it() -> None:
    """Cypress's globbing library expands a directory to `folder/**`."""
    paths = ["e2e/a.cy.ts", "e2e/x/b.cy.ts", "e2e-more/c.cy.ts"]

    assert match_specs(["e2e"], paths) == ("e2e/a.cy.ts", "e2e/x/b.cy.ts")
    assert match_specs(["./e2e/"], paths) == ("e2e/a.cy.ts", "e2e/x/b.cy.ts")
    assert match_specs(["e2e/x", "e2e-more/*.ts"], paths) == ("e2e/x/b.cy.ts", "e2e-more/c.cy.ts")


@pytest.mark.parametrize(
    "pattern",
    [
        "/abs/*.ts",
        "../x.ts",
        "a/../b.ts",
        "C:/x.ts",
        "{/abs,a}/*.ts",
        "{..,a}/x.ts",
        "a/{..,b}/x.ts",
        "..",
        "!/x.ts",
    ],
)
def test_a_pattern_that_leaves_the_directory_is_unknown(pattern: str) -> None:
    assert match_specs([pattern], ["x.ts"]) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "(redhat|w2k25).cy.ts",
        "@(red+(hat)|x).cy.ts",
        "@(a/b|c).ts",
        "a|b.ts",
        "{01..03}.ts",
        "{1..9..2}.ts",
        "{a..c}.ts",
        "{a}.ts",
        "{a,b.ts",
        "[[:digit:]].ts",
        "[id].ts",
        "[z-a]x",
        "[a-c-e]x",
        "[a--b]x",
        "[]]x",
        "[!]x",
        "[!a@(b)]x",
        "@([a-c]|b)x",
        "a..b",
        "[a-c]+.ts",
        "{a,b}+.ts",
        r"a\*b.ts",
        "a/@(..|b)/c",
        '"a".ts',
        "!a.ts",
        "!(a).ts",
        "atvm/./r1",
        "atvm//r1",
        "{./atvm,x}/r1",
        "atvm/*/",
        ".",
        "./",
        "",
    ],
)
def test_a_pattern_that_cypress_may_read_in_another_way_is_unknown(pattern: str) -> None:
    assert match_specs(["**", pattern], ["x.ts"]) is None
    assert not is_certain(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "./cypress/e2e/**/*.cy.{js,jsx,ts,tsx}",
        "r{1..3}/[a-c]?.ts",
        "r{3..-1}.ts",
        "[!ab]*.ts",
        "x/@(a*|b)?(c).ts",
        "x/!(a)+(b).ts",
        "{@(a|b),{c,d}}/e.ts",
        "e2e/",
        "a+b@c.ts",
    ],
)
def test_a_pattern_of_known_signs_is_certain(pattern: str) -> None:
    assert is_certain(pattern)
