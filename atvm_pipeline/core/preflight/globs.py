"""The globs of `specPattern`, as Cypress reads them: `**`, `*`, `?`, `[a-z]`, `{a,b}`, `@(a|b)`.

wcmatch does the matching, bracex the braces.  The guard before them answers None ("not known", which refuses nothing)
for a pattern that Cypress's library may read in another way, and for one that could be expensive: the regular
expressions of wcmatch backtrack.  Where the rules are subtle, the reading is liberal: a file too many is silence, a
file too few a false alarm.
"""

import re
from collections.abc import Iterable

import bracex
from wcmatch import glob

PATTERN_CHARS_MAX = 1024
"""The longest pattern that is read."""
EXPANSIONS_MAX = 1_000
"""Patterns that one pattern's braces may expand to."""
BRACES_MAX = 50
"""Opening braces of one pattern: bracex calls itself for each that is not closed."""
GLOBSTARS_MAX = 3
"""Segments `**` of one pattern: matching takes the depth of a path to this power."""
DEPTH_MAX = 100
"""Directories of a path; a deeper tree is not judged."""

_EXTGLOB = re.compile(r"([@?*+!])\(([\w.|*-]*)\)")
_CLASS = re.compile(r"\[(?=[^\]]*[!^.-])[!^]?(?:\w-\w|[\w.])+\]")
"""A range or a negation: the brackets of others may also be names."""
_RANGE = re.compile(r"(\w)-(\w)")
_NUMBERS = re.compile(r"\{(?:0|-?[1-9]\d{0,5})\.\.(?:0|-?[1-9]\d{0,5})\}")
_STRANGE = re.compile(r'[\[\]()|\\"]|\.\.')
_REPEATED = re.compile(r"[\])}]\+(?!\()")
"""A plus that may repeat what is before it."""
_OUTSIDE = re.compile(r"/|[A-Za-z]:")
"""An absolute path; one that climbs is strange already."""
_SPECIAL = re.compile(r"[*?\[\]{}()!+@\\]")

_FLAGS = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX
"""Not BRACE and EXTGLOB: braces are expanded before, so that the guard sees each alternative, and extended globs are
turned into braces or `*`, because a group that repeats can take exponential time, even a single one."""


def match_specs(patterns: Iterable[str], paths: Iterable[str]) -> tuple[str, ...] | None:
    """Return the paths (relative to the working directory, with /) that the patterns name, in the order of `paths`.

    A pattern that is the path of a folder names what is below it, as in the library that Cypress uses.  Nothing below
    node_modules is a spec.  None if a pattern is not certain, or a path is too deep.
    """
    wanted: list[re.Pattern[str]] = []
    plain: set[str] = set()
    for pattern in patterns:
        expanded = _read(pattern)
        if expanded is None:
            return None
        if _SPECIAL.search(pattern) is None:
            plain.update(expanded)
        else:
            regexes, _ = glob.translate(expanded, flags=_FLAGS, limit=0)
            wanted.append(re.compile("|".join(regexes)))
    found: list[str] = []
    for path in paths:
        above = [path[:at] for at, char in enumerate(path) if char == "/"]
        if len(above) > DEPTH_MAX:
            return None
        named = not plain.isdisjoint((*above, path)) or any(one.fullmatch(path) for one in wanted)
        if named and "node_modules" not in path.split("/"):
            found.append(path)
    return tuple(found)


def is_certain(pattern: str) -> bool:
    """Whether what a pattern names is read here as Cypress reads it, or more liberally.

    Not one that takes away, is absolute, climbs, is too much to expand or to match, or has what is not read here:
    `(a|b)`, brackets in brackets, `[z-a]`, `{01..03}`, `{1..9..2}`, `{a..c}`, `[[:digit:]]`, a backslash, an empty
    segment or `.`.
    """
    return _read(pattern) is not None


def _read(pattern: str) -> list[str] | None:
    """Return the alternatives of a pattern, without braces and extended globs; None if it is not certain."""
    if len(pattern) > PATTERN_CHARS_MAX or pattern.startswith("!") or _is_strange(pattern):
        return None
    simple = _EXTGLOB.sub(_without_group, pattern).removeprefix("./")
    if simple.count("{") > BRACES_MAX:
        return None
    try:
        expanded = bracex.expand(
            simple if _SPECIAL.search(simple) else simple.rstrip("/"), limit=EXPANSIONS_MAX, return_empty=True
        )
    except bracex.ExpansionLimitException:
        return None
    return None if any(map(_is_elsewhere, expanded)) else expanded


def _is_strange(pattern: str) -> bool:
    """Whether a pattern has signs that Cypress's library may read in another way."""
    # The comma keeps brackets around an extended glob from being a class.
    plain = _NUMBERS.sub("", _CLASS.sub(_without_class, _EXTGLOB.sub(",", pattern)))
    return _STRANGE.search(plain) is not None or _REPEATED.search(pattern) is not None


def _without_class(match: re.Match[str]) -> str:
    """Return nothing for a class whose ranges go upwards; a broken one stays, and its brackets are strange."""
    return "" if all(first <= last for first, last in _RANGE.findall(match[0])) else match[0]


def _is_elsewhere(expanded: str) -> bool:
    """Whether a pattern without alternatives leaves the folder, has a brace left, or has a segment that is not read."""
    segments = expanded.split("/")
    return (
        _OUTSIDE.match(expanded) is not None
        or "{" in expanded
        or "}" in expanded
        or segments.count("**") > GLOBSTARS_MAX
        or any(segment in ("", ".", "..") for segment in segments)
    )


def _without_group(match: re.Match[str]) -> str:
    """Return an extended glob as braces; `*(…)`, `+(…)` and `!(…)` fit any part of a name."""
    kind, inner = match[1], match[2]
    if kind in "*+!":
        return "*"
    parts = inner.split("|") if kind == "@" else ["", *inner.split("|")]
    return "{" + ",".join(parts) + "}" if len(parts) > 1 else inner
