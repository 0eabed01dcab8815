"""The requested hosts: which parts of a build name are hosts, how each was found, and which parts are not checked.

A build name is a template's name, the hosts under test and the transport, for example `e2e-redhat9.6-w2k25-fc`. A host
that is missed here is never expected in the results, so a part that may be a misspelt or unknown host counts as one.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from atvm_pipeline.core.dialect import NOT_REQUESTED, Dialect
from atvm_pipeline.core.edit_distance import within_edits
from atvm_pipeline.core.text import join_names

from .host_names import HOST_TEXT_CHARS_MAX, INVENTORIES_CACHED_MAX, fits_pattern, index_names, spans_in_parts

HostSource = Literal["inventory", "pattern", "looks-like", "option"]
"""How a requested host was found; `option` is --hosts."""

LIKE_NAME_CHARS_MIN = 5
"""Shorter inventory names are too similar to other words."""
TWO_EDITS_CHARS_MIN = 8
"""A part of this length or more may differ by two edits, a shorter one by one."""
NAMES_IN_NOTE_MAX = 32
"""Names that a note lists of each kind; further ones are counted."""

SYSTEMS = (
    *("redhat", "centos", "rocky", "oracle", "ubuntu", "debian", "fedora", "amazon", "photon", "windows"),
    *("solaris", "opensuse", "almalinux"),
)
"""Operating systems whose misspelt names are recognised before a number."""

_TRANSPORT = (
    r"(?:\d+g_?)?(?:fc|fcoe|fcp|iscsi|iser|nvme|nvmeof|nvmf|rdma|roce|infiniband|sas|sata|p?v?scsi|virtio|vsan|vvols?|vmfs|"
    r"nfs|smb|cifs|ceph|rbd)_?v?\d*(?:\.\d+)*_?(?:tcp|fc|rdma|roce|of|g|gb|gbe|gbit|gbps|gfc)?|"
    r"\d+(?:\.\d+)?g(?:b|be|bit|bps|fc)?"
)
"""A transport with its version or speed: `fc`, `fc32`, `32gfc`, `iscsi10`, `nvme2`, `nvme_tcp`, `vsan8`, `25gbe`."""
_VERSIONED = re.compile(r"(?:[^A-Za-z]*[A-Za-z]){3}.*?[0-9]\.[0-9]")
"""Three or more letters, and after them a version with a dot."""
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_DIGIT = re.compile(r"[0-9]")


class Span(NamedTuple):
    """A host among the parts of a build name."""

    start: int
    end: int
    host: str
    source: HostSource


class RequestedHosts(NamedTuple):
    """The hosts whose results a run must have."""

    sources: dict[str, HostSource]
    """Host to how it was found, in the order of the request."""
    not_checked: tuple[str, ...] = ()
    """Other parts of the build name with a digit, without its first part and the template's parts."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts alone, in order."""
        return tuple(self.sources)

    @property
    def by_form(self) -> tuple[str, ...]:
        """The hosts that were only found by their form."""
        return tuple(host for host, source in self.sources.items() if source == "looks-like")

    @property
    def certain(self) -> tuple[str, ...]:
        """The hosts that are certainly hosts: from the inventory, the host pattern or --hosts."""
        return tuple(host for host, source in self.sources.items() if source != "looks-like")


def requested_hosts(
    build_name: str,
    inventory: Collection[str],
    dialect: Dialect,
    *,
    template: str | None = None,
    named: Sequence[str] = (),
) -> RequestedHosts:
    """Return the hosts of a request, without repeats and in the inventory's spelling.

    `template`: the template's name, if there is one. `named`: the names of --hosts; if there are any, only they count.
    """
    parts = build_name[:HOST_TEXT_CHARS_MAX].split("-")
    known = index_names(tuple(inventory))
    reading = _Reading(parts, known, dialect, template)
    if named:
        hosts = index_names(tuple(known.get(name.casefold(), name) for name in named))
        spans = spans_in_parts([part.casefold() for part in parts], tuple(hosts))
        return RequestedHosts(dict.fromkeys(hosts.values(), "option"), reading.not_covered(spans, hosts))
    found = reading.find()
    first: dict[str, Span] = {}
    for span in found:
        first.setdefault(span.host.casefold(), span)
    sources = {span.host: span.source for span in first.values()}
    return RequestedHosts(sources, reading.not_covered(((span.start, span.end) for span in found), first))


def hosts_note(found: RequestedHosts) -> str:
    """Return the line that lists the checked hosts and the parts of the build name that are not checked."""
    note = (
        f"hosts checked: {join_names(found.hosts, NAMES_IN_NOTE_MAX)}"
        if found.sources
        else "hosts not checked"
    )
    if found.by_form:
        note += f" ({by_form_text(found.by_form)})"
    return (
        f"{note}; not checked: {join_names(found.not_checked, NAMES_IN_NOTE_MAX)}"
        if found.not_checked
        else note
    )


def by_form_text(hosts: Sequence[str]) -> str:
    """Return `a looks like a host` or `a, b look like hosts`."""
    return f"{join_names(hosts, NAMES_IN_NOTE_MAX)} {'looks like a host' if len(hosts) == 1 else 'look like hosts'}"


def looks_like_host(part: str, known: Collection[str]) -> bool:
    """Return whether a part may be a misspelt or unknown host; `known`: folded names of the inventory."""
    folded = part.casefold()
    if not _DIGIT.search(folded):
        return False
    return bool(_VERSIONED.match(folded)) or _is_like_system(folded) or _is_like_known(folded, known)


def _is_like_known(folded: str, known: Collection[str]) -> bool:
    edits = _edits_allowed(folded)
    lengths = range(max(LIKE_NAME_CHARS_MIN, len(folded) - edits), len(folded) + edits + 1)
    return any(len(name) in lengths and within_edits(folded, name, edits) for name in known)


def _is_like_system(folded: str) -> bool:
    """Return whether the part may be a misspelt operating system with a number: one of its own, or all of them."""
    edits = _edits_allowed(folded)
    numbers = _NUMBER.findall(folded)
    return any(
        within_edits(folded, system + number, edits)
        for number in {*numbers, "".join(numbers)}
        for system in SYSTEMS
    )


def _edits_allowed(folded: str) -> int:
    return 2 if len(folded) >= TWO_EDITS_CHARS_MIN else 1


class _Reading:
    """The parts of one build name."""

    def __init__(
        self, parts: Sequence[str], known: dict[str, str], dialect: Dialect, template: str | None
    ) -> None:
        self._parts = parts
        self._known = known
        self._dialect = dialect
        self._template_name = _place_of_name(parts, template)
        self._template = template_places(parts, template)
        # If the template's name is not known, it is the first part.
        self._first_free = 0 if template else 1
        self._begin = next(at for at in range(len(parts) + 1) if at not in self._template_name)
        self._transport = self._find_transport()

    def find(self) -> tuple[Span, ...]:
        """Return the hosts in the order of the build name."""
        spans = list(self._certain())
        taken = {at for span in spans for at in range(span.start, span.end)}
        single = [
            Span(at, at + 1, part, "looks-like")
            for at, part in enumerate(self._parts)
            if at not in taken and self._is_free(at) and looks_like_host(part, self._known)
        ]
        taken.update(span.start for span in single)
        return tuple(sorted((*spans, *single, *self._joined(taken))))

    def not_covered(self, spans: Iterable[tuple[int, int]], hosts: Collection[str]) -> tuple[str, ...]:
        """Return the parts with a digit that belong to no host and no template, without the first part."""
        taken = {at for start, end in spans for at in range(start, end)} | self._template
        return tuple(
            dict.fromkeys(
                part
                for at, part in enumerate(self._parts)
                if at > 0 and at not in taken and _DIGIT.search(part) and part.casefold() not in hosts
            )
        )

    def _certain(self) -> Iterable[Span]:
        """Yield names of the inventory, which may contain dashes (the longest wins), and matches of the host pattern."""
        longest = _most_parts(tuple(self._known))
        at = self._begin
        while at < len(self._parts):
            for end in range(min(at + longest, len(self._parts)), at, -1):
                text = "-".join(self._parts[at:end])
                host = self._known.get(text.casefold())
                if host is not None and self._may_be_known(at, end):
                    yield Span(at, end, host, "inventory")
                    at = end
                    break
            else:
                if self._fits_host_pattern(at):
                    yield Span(at, at + 1, self._parts[at], "pattern")
                at += 1

    def _may_be_known(self, at: int, end: int) -> bool:
        """Return whether these parts, whose name is in the inventory, may be a host: nothing excludes it."""
        if self._template_name.issuperset(range(at, end)) or (at, end) == self._last_transport():
            return False
        return not self._is_excluded("-".join(self._parts[at:end]))

    def _fits_host_pattern(self, at: int) -> bool:
        part = self._parts[at]
        if at in self._transport or at in self._template_name or not fits_pattern(part, self._dialect.host):
            return False
        return not self._is_not_requested(part)

    def _joined(self, taken: set[int]) -> Iterable[Span]:
        """Yield adjacent parts that together resemble an inventory name: a dash may be part of a name, or a typing error."""
        longest = _most_parts(tuple(self._known)) + 1
        at = 0
        while at < len(self._parts):
            for end in range(min(at + longest, len(self._parts)), at + 1, -1):
                text = "-".join(self._parts[at:end])
                if self._is_joinable(range(at, end), taken) and self._is_like_joined(text):
                    yield Span(at, end, text, "looks-like")
                    at = end
                    break
            else:
                at += 1

    def _is_joinable(self, places: range, taken: set[int]) -> bool:
        return all(
            at not in taken and self._is_place_free(at) and not self._is_excluded(self._parts[at])
            for at in places
        )

    def _is_like_joined(self, text: str) -> bool:
        folded = text.casefold()
        return (
            _DIGIT.search(folded) is not None
            and not self._is_not_requested(text)
            and _is_like_known(folded, self._known)
        )

    def _is_free(self, at: int) -> bool:
        return self._is_place_free(at) and not self._is_not_requested(self._parts[at])

    def _is_place_free(self, at: int) -> bool:
        """Return whether the place allows a host that is only recognised by its form."""
        return at >= self._first_free and at not in self._template and not _is_transport(self._parts[at])

    def _is_not_requested(self, text: str) -> bool:
        return fits_pattern(text, NOT_REQUESTED) or self._is_excluded(text)

    def _is_excluded(self, text: str) -> bool:
        """Return whether the operator excluded this text as a host; only that outranks the inventory."""
        return fits_pattern(text, self._dialect.not_requested or "")

    def _find_transport(self) -> range:
        """Return the places of the transport: the last parts before counters and dates."""
        end = len(self._parts)
        while (
            end > self._begin
            and self._is_not_requested(self._parts[end - 1])
            and not _is_transport(self._parts[end - 1])
        ):
            end -= 1
        start = end
        while start > self._begin and _is_transport(self._parts[start - 1]):
            start -= 1
        return range(start, end)

    def _last_transport(self) -> tuple[int, int]:
        """Return the place of the part that is the transport even if the inventory has its name."""
        return (self._transport.stop - 1, self._transport.stop) if self._transport else (-1, -1)


def template_places(parts: Sequence[str], template: str | None) -> frozenset[int]:
    """Return the places of the template's name in a build name: of its complete name, else of each of its parts."""
    return _place_of_name(parts, template) or _template_parts(parts, template)


def _is_transport(part: str) -> bool:
    return fits_pattern(part, _TRANSPORT)


def _place_of_name(parts: Sequence[str], template: str | None) -> frozenset[int]:
    """Return the places of the template's complete name: contiguous, else with other parts in between."""
    folded = [part.casefold() for part in parts]
    words = template.casefold().split("-") if template else []
    for start in range(len(folded) - len(words) + 1):
        if folded[start : start + len(words)] == words:
            return frozenset(range(start, start + len(words)))
    places: list[int] = []
    for at, part in enumerate(folded):
        if len(places) < len(words) and part == words[len(places)]:
            places.append(at)
    return frozenset(places if len(places) == len(words) else ())


def _template_parts(parts: Sequence[str], template: str | None) -> frozenset[int]:
    """Return the places of the template's name: for each of its parts, the first one in the build name."""
    places: set[int] = set()
    folded = [part.casefold() for part in parts]
    for part in (template or "").casefold().split("-"):
        at = next((at for at, own in enumerate(folded) if own == part and at not in places), None)
        if at is not None:
            places.add(at)
    return frozenset(places)


@lru_cache(maxsize=INVENTORIES_CACHED_MAX)
def _most_parts(names: tuple[str, ...]) -> int:
    return max((name.count("-") for name in names), default=0) + 1
