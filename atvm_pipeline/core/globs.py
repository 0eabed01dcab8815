"""The globs of `specPattern`, as Cypress reads them (minimatch): `**`, `*`, `?`, `[a-z]`, `{a,b}`, `@(a|b)`.

Read liberally where the rules are subtle: a file too many is silence, a file too few a false alarm.  The regular
expressions made here need no more than quadratic time in the path's length, whatever the pattern is.
"""

import re
from collections.abc import Iterable

PATTERN_CHARS_MAX = 1024
"""The longest pattern that is read."""
EXPANSIONS_MAX = 1_000
"""Patterns that one pattern's braces may expand to."""
BRACE_DEPTH_MAX = 20

_PIECE = re.compile(r"(?:\\.|[^{\\])+|.", re.DOTALL)
_NUMBERS = re.compile(r"(0|-?[1-9]\d{0,5})\.\.(0|-?[1-9]\d{0,5})")
_EXTGLOB = re.compile(r"([@?*+!])\(([^()]*)\)")
_CLASS = re.compile(r"\[([!^]?)(\]?[^\]/]*)\]")
_OUTSIDE = re.compile(r"/|[A-Za-z]:|(?:.*/)?\.\.(?:/|\Z)", re.DOTALL)
"""An absolute path, or one that climbs."""
_PLAIN_CLASS = re.compile(r"\[(?=[^\]]*[!^.-])[!^]?[\w.-]+\]")
"""A range or a negation: the brackets of others may also be names."""
_PLAIN_EXTGLOB = re.compile(r"[@?*+!]\([\w.|*-]*\)")
_STRANGE = re.compile(r'[\[\]()|\\"]')
_REPEATED = re.compile(r"[\])}]\+(?!\()")
"""A plus that may repeat what is before it."""
_SPECIAL = re.compile(r"[*?\[\]{}()!+@\\]")
_CLASS_SPECIAL = re.compile(r"[\[\]\\^&~|]")


def match_specs(patterns: Iterable[str], paths: Iterable[str]) -> tuple[str, ...] | None:
    """The paths (relative to the working directory, with /) that the patterns name, in the order of `paths`.

    A pattern that is the path of a folder names what is below it, as in the library that Cypress uses.  Nothing below
    node_modules is a spec.  None if a pattern is not certain.
    """
    wanted: list[re.Pattern[str]] = []
    folders: set[str] = set()
    for pattern in patterns:
        if not is_certain(pattern):
            return None
        wanted.append(re.compile(glob_regex(pattern)))
        if _SPECIAL.search(pattern) is None:
            folders.add(pattern.removeprefix("./").rstrip("/"))
    return tuple(
        path
        for path in paths
        if "node_modules" not in path.split("/")
        and (any(one.match(path) for one in wanted) or _below(path, folders))
    )


def is_certain(pattern: str) -> bool:
    """Whether what a pattern names is read here as Cypress reads it, or more liberally.

    Not one that takes away, is absolute, climbs, is too much to expand, or has what is not read here: `(a|b)`, brackets
    in brackets, `{01..03}`, `{1..9..2}`, `{a..c}`, `[[:digit:]]`, a backslash, an empty segment or `.`.
    """
    if len(pattern) > PATTERN_CHARS_MAX or pattern.startswith("!"):
        return False
    simple = _EXTGLOB.sub(_extglob, pattern).removeprefix("./")
    expanded = expand_braces(simple if _SPECIAL.search(simple) else simple.rstrip("/"))
    return bool(expanded) and not _is_strange(pattern) and not any(map(_is_elsewhere, expanded))


def _is_strange(pattern: str) -> bool:
    """Whether a pattern has signs that Cypress's library may read in another way."""
    plain = _PLAIN_EXTGLOB.sub("", _PLAIN_CLASS.sub("", pattern))
    return _STRANGE.search(plain) is not None or _REPEATED.search(pattern) is not None


def _is_elsewhere(expanded: str) -> bool:
    """Whether a pattern without alternatives leaves the folder, has a brace left, or a segment that is no name."""
    if _OUTSIDE.match(expanded) or "{" in expanded or "}" in expanded:
        return True
    return any(segment in ("", ".") for segment in expanded.split("/"))


def _below(path: str, folders: set[str]) -> bool:
    """Whether one of the folders around `path` is among `folders`."""
    return any(path[:at] in folders for at, char in enumerate(path) if char == "/")


def expand_braces(pattern: str) -> tuple[str, ...]:
    """`a{b,c}` -> `ab`, `ac`, as minimatch does; nested braces and `{1..3}` too.  () if that is too much (1000)."""
    expanded = _expand(pattern, BRACE_DEPTH_MAX) if len(pattern) <= PATTERN_CHARS_MAX else None
    return tuple(dict.fromkeys(expanded)) if expanded is not None else ()


def _expand(pattern: str, depth: int) -> list[str] | None:
    results = [""]
    at = 0
    while at < len(pattern):
        end = _closing(pattern, at) if pattern[at] == "{" else None
        choices = _choices(pattern[at + 1 : end], depth - 1) if end is not None else [_one(pattern, at)]
        if choices is None or len(results) * len(choices) > EXPANSIONS_MAX:
            return None
        if end is not None and not choices:  # `{a}` is no alternative: the brace is itself
            choices, end = ["{"], None
        results = [result + choice for result in results for choice in choices]
        at = end + 1 if end is not None else at + len(choices[0])
    return results


def _one(pattern: str, at: int) -> str:
    """The piece up to the next brace, an escaped character being itself."""
    match = _PIECE.match(pattern, at)
    assert match is not None  # any character is a piece
    return match[0]


def _closing(pattern: str, at: int) -> int | None:
    """Where the brace that opens at `at` is closed."""
    depth = 0
    escaped = False
    for end in range(at, len(pattern)):
        char = pattern[end]
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return end
    return None


def _choices(inner: str, depth: int) -> list[str] | None:
    """What stands between braces, as alternatives; [] if it is no alternative, None if it is too much."""
    numbers = _NUMBERS.fullmatch(inner)
    if numbers is not None:
        low, high = int(numbers[1]), int(numbers[2])
        step = 1 if high >= low else -1
        return [str(n) for n in range(low, high + step, step)] if abs(high - low) < EXPANSIONS_MAX else None
    parts = _split_top(inner, ",")
    if len(parts) < 2:  # noqa: PLR2004 - one part is no alternative
        return []
    choices: list[str] = []
    for part in parts:
        expanded = _expand(part, depth) if depth >= 0 else None
        if expanded is None or len(choices) + len(expanded) > EXPANSIONS_MAX:
            return None
        choices += expanded
    return choices


def _split_top(text: str, mark: str) -> list[str]:
    """`text` split at `mark` where it stands outside of braces."""
    parts = [""]
    depth = 0
    for piece in re.findall(r"\\.|.", text, re.DOTALL):
        depth += (piece == "{") - (piece == "}")
        if piece == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def glob_regex(pattern: str) -> str:
    """A regular expression for `re.match` that fits the relative paths (with /) which `pattern` names.

    Files whose names begin with a dot are not left out.  `*(…)`, `+(…)` and `!(…)` fit any part of a name.
    A pattern that is too much to expand fits everything.
    """
    simple = _EXTGLOB.sub(_extglob, pattern[: PATTERN_CHARS_MAX + 1]).removeprefix("./")
    alternatives = [_path_regex(one) for one in expand_braces(simple)]
    return rf"(?s:{'|'.join(alternatives)})\Z" if alternatives else r"(?s:.*)\Z"


def _extglob(match: re.Match[str]) -> str:
    kind, inner = match[1], match[2].replace(",", r"\,")
    if kind in "*+!":
        return "*"
    parts = inner.split("|")
    return (
        "{" + ",".join(["", *parts] if kind == "?" else parts) + "}"
        if len(parts) > 1 or kind == "?"
        else inner
    )


def _path_regex(pattern: str) -> str:
    """One pattern without braces.

    Segments between two `**` are found at their first place and kept (`(?>`): what follows can start anywhere behind,
    so no other place can do better.
    """
    blocks: list[list[str]] = [[]]
    for segment in pattern.split("/"):
        if segment == "**":
            blocks.append([])
        else:
            blocks[-1].append(_segment_regex(segment))
    first, *rest = ["/".join(block) for block in blocks]
    if not rest:
        return first
    *middle, last = rest
    found = "".join(rf"(?>(?:[^/]+/)*?{block}/)" for block in middle if block)
    return (f"{first}/" if first else "") + found + (rf"(?:[^/]+/)*{last}" if last else r".+")


def _segment_regex(segment: str) -> str:
    """One name of a path.  Pieces between stars have a fixed length, so the first place of each is as good as any."""
    pieces: list[str] = [""]
    at = 0
    while at < len(segment):
        char = segment[at]
        group = _CLASS.match(segment, at) if char == "[" else None
        if char == "*":
            pieces.append("")
            at += 1
        elif group is not None:
            pieces[-1] += _class_regex(group)
            at = group.end()
        elif char == "?":
            pieces[-1] += "[^/]"
            at += 1
        else:
            at += 1 if char == "\\" and at + 1 < len(segment) else 0
            pieces[-1] += re.escape(segment[at])
            at += 1
    first, *rest = pieces
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle if piece) + f"[^/]*{last}(?=/|\\Z)"


def _class_regex(match: re.Match[str]) -> str:
    """`[a-c]` of a glob; anything that is no proper class fits any character."""
    inner = _CLASS_SPECIAL.sub(r"\\\g<0>", match[2])
    text = f"[{'^' if match[1] else ''}{inner}]"
    try:
        re.compile(text)
    except (re.error, Warning):
        return "[^/]"
    return rf"(?!/){text}"
