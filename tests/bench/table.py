"""The output of a bench: one line for each figure, with its minimum, its maximum and its goal."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table: the minimum and the maximum of the measurements, and the goal."""

    what: str
    least: str
    most: str
    goal: str = ""
    missed: bool = False


def row(what: str, found: Sequence[float], digits: int, goal: str = "", *, missed: bool = False) -> Row:
    """Return the minimum and the maximum of `found`."""
    return Row(what, f"{min(found):.{digits}f}", f"{max(found):.{digits}f}", goal, missed)


def percentile(found: Sequence[float], percent: float) -> float:
    """Return the lowest value that this percentage of `found` does not exceed."""
    ordered = sorted(found)
    return ordered[max(ceil(len(ordered) * percent / 100), 1) - 1]


def print_table(rows: Sequence[Row]) -> int:
    """Print the rows; return the exit code: 1 if a goal was missed."""
    width = max(len(row.what) for row in rows)
    print(f"{'':{width}}  {'min':>8}  {'max':>8}  to reach")
    for line in rows:
        end = f"{line.goal}{'  MISSED' if line.missed else ''}"
        print(f"{line.what:{width}}  {line.least:>8}  {line.most:>8}  {end}".rstrip())
    return 1 if any(line.missed for line in rows) else 0
