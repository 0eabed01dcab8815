"""Host names in build names, group labels and spec files, and the names of groups.

Only complete names count: `redhat9.6` is not `redhat9.60`, `w2k2` is not `w2k25`. If both a certain name (requested, or
in the inventory) and the dialect's host pattern match, the certain name wins.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from atvm_pipeline.core.build_name import valid_build_name as valid_build_name  # noqa: PLC0414 - one of this module's own functions
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.spec_names import base_name

HOST_TEXT_CHARS_MAX = 512
"""Characters of a label or a file name that are searched; the longest name in a file system has 255."""
HOSTS_IN_NAME_MAX = 32
"""Hosts that a group's name lists."""
HOST_WORDS_MAX = 24
"""Words, between dashes or dots, of one host's name. Without a limit, a name of many words takes quadratic time."""
NAMES_CACHED_MAX = 8192
"""More than the specs of one child, whose names are looked up again for every state that is saved."""
INVENTORIES_CACHED_MAX = 16
PATTERNS_CACHED_MAX = 64

_EXTENSION = re.compile(r"\.(?:[cm]?[jt]sx?|cjsx|coffee|feature)$", re.IGNORECASE)
_SPEC_MARK = re.compile(r"\.(?:cy|spec|test)$", re.IGNORECASE)


def host_of_spec(spec_path: str, known: Collection[str], dialect: Dialect) -> str | None:
    """Return the host that a spec file is for; None for a spec without a host (`check-xml-files.ts`).

    The host is a known name or the pattern's longest match in the file's name, else the name without `.cy` and
    extension.
    """
    base = base_name(spec_path)[:HOST_TEXT_CHARS_MAX]
    stem = _EXTENSION.sub("", base)
    plain = re.sub(r"(?i)\.cy$", "", stem)
    if not plain or fits_pattern(plain, dialect.not_hosts):
        return None
    found = _find_hosts(_SPEC_MARK.sub("", stem), known, dialect)
    # The longest name is the most specific one; of equally long names, the first.
    return max(found, key=len) if found else plain


def hosts_in_label(label: str, known: Collection[str], dialect: Dialect) -> tuple[str, ...]:
    """Return the hosts that a label names, in order and without repeats; known ones in the spelling of `known`."""
    hosts: dict[str, str] = {}
    for host in _find_hosts(label[:HOST_TEXT_CHARS_MAX], known, dialect):
        hosts.setdefault(host.casefold(), host)
    return tuple(hosts.values())


def group_name(build_name: str, requested: tuple[str, ...], ran: tuple[str, ...]) -> str:
    """Return a name for a group in the form of the build name, from the hosts that ran: `e2e-redhat9.6-fc`."""
    if not ran:
        return build_name
    more = len(ran) - HOSTS_IN_NAME_MAX
    hosts = [*ran[:HOSTS_IN_NAME_MAX], *([f"and-{more}-more"] if more > 0 else [])]
    parts = build_name.split("-")
    spans = spans_in_parts([part.casefold() for part in parts], requested)
    if not spans:
        return "-".join([build_name, *hosts])
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    return "-".join([*parts[:first], *hosts, *parts[last:]])


def spans_in_parts(parts: Sequence[str], requested: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return the places (start, end) of the requested hosts among the folded parts of a build name."""
    spans = []
    for host in requested:
        own = host.casefold().split("-")
        spans += [(at, at + len(own)) for at in range(len(parts)) if parts[at : at + len(own)] == own]
    return spans


def _find_hosts(text: str, known: Collection[str], dialect: Dialect) -> tuple[str, ...]:
    """Return the host names in `text`, in order and without overlaps.

    Known names are found first, the longest ones before others, then matches of the pattern.
    """
    return _hosts_found(text, tuple(known), dialect.host)


@lru_cache(maxsize=NAMES_CACHED_MAX)
def _hosts_found(text: str, known: tuple[str, ...], pattern: str) -> tuple[str, ...]:
    names = index_names(known)
    folded = text.casefold()
    if len(folded) != len(text):  # a letter that folds into two: positions would not agree
        folded = text.lower() if len(text.lower()) == len(text) else text
    spans = sorted(_complete_spans(text), key=lambda span: (span[0] - span[1], span[0]))
    found: list[tuple[int, str]] = []
    taken = bytearray(len(text))
    for start, end in spans:
        host = names.get(folded[start:end])
        if host is not None and 1 not in taken[start:end]:
            taken[start:end] = b"\1" * (end - start)
            found.append((start, host))
    for start, end in spans:
        host = text[start:end]
        # As in a build name, the pattern never crosses a dash: a greedy pattern would match everything.
        if "-" not in host and 1 not in taken[start:end] and fits_pattern(host, pattern):
            taken[start:end] = b"\1" * (end - start)
            found.append((start, host))
    return tuple(host for _, host in sorted(found))


def _complete_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield every place of a possible complete name: not next to letters, digits, or a dot with a digit after it."""
    starts = [at for at in range(len(text)) if text[at].isalnum() and _may_start(text, at)]
    ends = [at for at in range(1, len(text) + 1) if text[at - 1].isalnum() and _may_end(text, at)]
    first = 0
    for start in starts:
        while ends[first] <= start:  # the last letter or digit always ends a name
            first += 1
        for end in ends[first : first + HOST_WORDS_MAX]:
            yield start, end


def _may_start(text: str, at: int) -> bool:
    before = text[max(0, at - 2) : at]
    if before[-1:].isalnum():
        return False
    return not (before[-1:] == "." and before[:1].isdecimal() and text[at].isdecimal())


def _may_end(text: str, at: int) -> bool:
    after = text[at : at + 2]
    return not after[:1].isalnum() and not (after[:1] == "." and after[1:].isdecimal())


@lru_cache(maxsize=INVENTORIES_CACHED_MAX)
def index_names(names: tuple[str, ...]) -> dict[str, str]:
    """Return folded name -> the name as it is spelled; of two spellings the first."""
    index: dict[str, str] = {}
    for name in names:
        if name:
            index.setdefault(name.casefold(), name)
    return index


@lru_cache(maxsize=PATTERNS_CACHED_MAX)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def fits_pattern(text: str, pattern: str) -> bool:
    """Return whether a pattern of the dialect matches the complete text, without regard to case."""
    return bool(pattern) and bool(text) and _compiled(pattern).fullmatch(text) is not None
