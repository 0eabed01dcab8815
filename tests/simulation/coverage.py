"""Counts the points that the histories have reached, and lists those that they must reach.

Both come from the code, so that nothing is left out by hand.
"""

from collections import Counter
from itertools import product
from typing import get_args, get_type_hints

from atvm_pipeline.core.events import DeliverySettled
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.reasons import REASONS
from atvm_pipeline.core.state import Post

from .contents import ERRORS, Point
from .plans import AT_POINT, CLOCK, HINTS, KINDS, Plan, ways_of
from .server import BEHAVIOURS, HONESTY, PINGS
from .stories import REPORTS

Entry = tuple[str, str]
"""(kind, what)"""


class Coverage:
    """Counts the reached points."""

    def __init__(self) -> None:
        self.reached: Counter[Entry] = Counter()
        self.histories = 0
        self.examples: dict[str, tuple[Plan, Point]] = {}
        """Name of a point of the disk -> the first history that reached it, and where."""

    def add(self, kind: str, what: str) -> None:
        self.reached[kind, what] += 1

    def required(self) -> list[Entry]:
        """Return everything that must be reached at least once."""
        outcomes = get_args(get_type_hints(DeliverySettled)["outcome"])
        settled = [outcome for outcome in get_args(get_type_hints(Post)["outcome"]) if outcome != "pending"]
        lists: dict[str, list[str]] = {
            "phase": [phase.value for phase in TERMINAL_PHASES],
            "phase of a sub-run": [phase.value for phase in TERMINAL_PHASES],
            "reason": list(REASONS),
            "server": list(BEHAVIOURS),
            "ping": list(PINGS),
            "away": list(HONESTY),
            "attempt": [*outcomes, "the watcher ended while sending"],
            "message": settled,
            "at a point": list(AT_POINT),
            "clock": list(CLOCK),
            "hints": list(HINTS),
            "reports": list(REPORTS),
            "records": ["of another run"],
            "processes": ["pids used again"],
            "fault": [f"{name}: {error}" for name, error in product(self.examples, ERRORS)],
            "death": [
                f"{where} {name}: {kind}"
                for name, (_, point) in self.examples.items()
                for where, kind in product(ways_of(point), KINDS)
            ],
        }
        return [(kind, what) for kind, all_ in lists.items() for what in sorted(all_)]

    def missing(self) -> list[Entry]:
        return [entry for entry in self.required() if not self.reached[entry]]

    def report(self) -> str:
        """Return one line per kind: reached points of all points; then each with its count."""
        required = self.required()
        lines = [f"{self.histories} histories"]
        for kind in dict.fromkeys(kind for kind, _ in required):
            wanted = [what for each, what in required if each == kind]
            have = [what for what in wanted if self.reached[kind, what]]
            lines.append(f"{kind}: {len(have)} of {len(wanted)}")
            lines += [f"    {self.reached[kind, what]:6d}  {what}" for what in wanted]
        explained = sorted(what for kind, what in self.reached if kind == "explained")
        lines += ["verdicts that differ, each explained by a recorded fact:"]
        lines += [f"    {self.reached['explained', what]:6d}  {what}" for what in explained]
        return "\n".join(lines)
