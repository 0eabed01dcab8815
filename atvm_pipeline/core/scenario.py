"""The scenario of a run: the name under which runs are compared, whatever hosts they ran on.

The name has three parts: the template, the config family, and the rest of the build name without hosts, counters and
dates. An example is `cmc-e2e/gold/fc`.
"""

import re
from collections.abc import Sequence

from .dialect import COUNTERS_AND_DATES
from .hosts.host_names import HOST_TEXT_CHARS_MAX, fits_pattern, spans_in_parts
from .hosts.requested_hosts import template_places
from .text import one_line

SCENARIO_CHARS_MAX = 200
NO_PART = "-"
"""Stands for a part that is not known or empty."""
_UNFIT = re.compile(r"[/\s]+")


def scenario_of(
    build_name: str | None,
    hosts: Sequence[str],
    *,
    template: str | None = None,
    config_family: str | None = None,
    named: str | None = None,
) -> str | None:
    """Return the scenario: the one that the user named, else the one derived from the request; None without a build name.

    `hosts`: the requested hosts. Without a template, the first part of the build name stands for it.
    """
    if named:
        return one_line(named, SCENARIO_CHARS_MAX)
    if build_name is None:
        return None
    parts = build_name[:HOST_TEXT_CHARS_MAX].split("-")
    taken = set(template_places(parts, template)) if template else {0}
    folded = [part.casefold() for part in parts]
    for start, end in spans_in_parts(folded, tuple(hosts)):
        taken.update(range(start, end))
    rest = (
        part
        for at, part in enumerate(parts)
        if part and at not in taken and not fits_pattern(part, COUNTERS_AND_DATES)
    )
    return "/".join(_part(text) for text in (template or parts[0], config_family, "-".join(rest)))


def _part(text: str | None) -> str:
    """Return one part of the name, without the separator of the parts and without spaces."""
    return _UNFIT.sub("_", one_line(text or "", SCENARIO_CHARS_MAX)) or NO_PART
