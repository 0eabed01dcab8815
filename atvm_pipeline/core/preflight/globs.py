"""The globs of `specPattern`, as Cypress reads them: `**`, `*`, `?`, `[a-z]`, `{a,b}`, `@(a|b)`.

wcmatch does the matching, bracex expands the braces. A check before them returns None ("not known", which refuses
nothing) for a pattern that Cypress's library may read differently, and for one that could be expensive: the regular
expressions of wcmatch backtrack. Where the rules are subtle, the reading is liberal: a file too many causes silence, a
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
"""Opening braces of one pattern: bracex recurses for each unclosed one."""
GLOBSTARS_MAX = 3
"""Segments `**` of one pattern: the time to match is the depth of a path to this power."""
DEPTH_MAX = 100
"""Directories of a path; a deeper tree is not evaluated."""

_EXTGLOB = re.compile(r"([@?*+!])\(([\w.|*-]*)\)")
_CLASS = re.compile(r"\[(?=[^\]]*[!^.-])[!^]?(?:\w-\w|[\w.])+\]")
"""A range or a negation. Other brackets may also be part of a name."""
_RANGE = re.compile(r"(\w)-(\w)")
_NUMBERS = re.compile(r"\{(?:0|-?[1-9]\d{0,5})\.\.(?:0|-?[1-9]\d{0,5})\}")
_STRANGE = re.compile(r'[\[\]()|\\"]|\.\.')
_REPEATED = re.compile(r"[\])}]\+(?!\()")
"""A plus that may repeat the text before it."""
_OUTSIDE = re.compile(r"/|[A-Za-z]:")
"""An absolute path. A path with `..` is already excluded."""
_SPECIAL = re.compile(r"[*?\[\]{}()!+@\\]")

_FLAGS = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX
"""Without BRACE and EXTGLOB: braces are expanded before, so that each alternative is checked, and extended globs are
turned into braces or `*`, because a single repeating group can take exponential time."""


def match_specs(patterns: Iterable[str], paths: Iterable[str]) -> tuple[str, ...] | None:
    """Return the paths (relative to the working directory, with /) that the patterns match, in the order of `paths`.

    A pattern that is the path of a directory matches everything below it, as in the library that Cypress uses. A file
    below node_modules is never a spec. None if a pattern is not certain, or a path is too deep.
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
    """Return whether this module reads a pattern as Cypress does, or more liberally.

    It does not for a pattern that excludes files, is absolute, climbs, is too expensive to expand or to match, or has a
    construct that is not supported here: `(a|b)`, brackets in brackets, `[z-a]`, `{01..03}`, `{1..9..2}`, `{a..c}`,
    `[[:digit:]]`, a backslash, an empty segment or `.`.
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
    """Return whether a pattern has characters that Cypress's library may read differently."""
    # The comma prevents brackets around an extended glob from being a class.
    plain = _NUMBERS.sub("", _CLASS.sub(_without_class, _EXTGLOB.sub(",", pattern)))
    return _STRANGE.search(plain) is not None or _REPEATED.search(pattern) is not None


def _without_class(match: re.Match[str]) -> str:
    """Return nothing for a class whose ranges ascend; a broken one is kept, and its brackets make the pattern uncertain."""
    return "" if all(first <= last for first, last in _RANGE.findall(match[0])) else match[0]


def _is_elsewhere(expanded: str) -> bool:
    """Return whether an expanded pattern leaves the directory, has a brace left, or has an unsupported segment."""
    segments = expanded.split("/")
    return (
        _OUTSIDE.match(expanded) is not None
        or "{" in expanded
        or "}" in expanded
        or segments.count("**") > GLOBSTARS_MAX
        or any(segment in ("", ".", "..") for segment in segments)
    )


def _without_group(match: re.Match[str]) -> str:
    """Return an extended glob as braces; `*(…)`, `+(…)` and `!(…)` become `*`, which matches any part of a name."""
    kind, inner = match[1], match[2]
    if kind in "*+!":
        return "*"
    parts = inner.split("|") if kind == "@" else ["", *inner.split("|")]
    return "{" + ",".join(parts) + "}" if len(parts) > 1 else inner
