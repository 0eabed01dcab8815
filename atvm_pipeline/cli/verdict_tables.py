"""The tables of `transitions.py` as text, as data and as a diagram, so that the reviewed tables are the ones in use."""

from collections.abc import Iterable, Mapping
from typing import Any

from atvm_pipeline.core.events import Event
from atvm_pipeline.core.phases import Phase
from atvm_pipeline.core.reasons import REASONS
from atvm_pipeline.core.state import Stage
from atvm_pipeline.core.transitions import (
    CHILD_TRANSITIONS,
    CHILD_TRIGGERS,
    PHASE_TRANSITIONS,
    RUN_VERDICTS,
    SUBRUN_VERDICTS,
    VerdictRow,
)

from .terminal import wrapped

GOLDEN_COLUMNS = 80


def event_tags() -> tuple[str, ...]:
    """Return the tag of every event in the journal."""
    return tuple(str(kind.__struct_config__.tag) for kind in Event.__args__)


def render_tables(columns: int = GOLDEN_COLUMNS) -> str:
    """Return all tables as plain text, for `atvm-pipeline verdicts` and its golden file. Other events change nothing."""
    lines = ["Phase of a run, by event. Every other event changes nothing."]
    lines += _cells(((phase, PHASE_TRANSITIONS[phase]) for phase in Phase), columns)
    lines += ["", "Stage of a Cypress process, by log line or process table."]
    lines += _cells(((stage, CHILD_TRANSITIONS[stage]) for stage in Stage), columns)
    lines += ["", "Verdict of a run: the first row that holds."]
    lines += _rows(RUN_VERDICTS, columns)
    lines += ["", "Verdict of a sub-run of a categorized run: the first row that holds."]
    lines += ["An unfinished sub-run takes CANCELLED, HUNG, TERMINATED or UNKNOWN from its run."]
    lines += _rows(SUBRUN_VERDICTS, columns)
    lines += ["", "Reason codes and their sentences:"]
    for code, text in REASONS.items():
        lines += [f"  {code}", *wrapped(text, columns, first="      ", rest="      ")]
    return "\n".join(lines) + "\n"


def _cells(rows: Iterable[tuple[str, Mapping[str, str]]], columns: int) -> list[str]:
    """Return one paragraph for each change: where from, where to, and the events that cause it."""
    lines = []
    for begin, cells in rows:
        for following in dict.fromkeys(cells.values()):
            events = ", ".join(event for event, end in cells.items() if end == following)
            first = f"  {begin:<10} -> {following:<10}  "
            lines += wrapped(events, columns, first=first, rest=" " * len(first))
    return lines


def _rows(table: tuple[VerdictRow, ...], columns: int) -> list[str]:
    lines = []
    for row in table:
        first = f"  {row.number:<3} {row.phase:<10} "
        lines += wrapped(row.when, columns, first=first, rest=" " * len(first))
        lines += wrapped(", ".join(row.codes), columns, first=" " * 6, rest=" " * 6)
    return lines


def as_data() -> dict[str, Any]:
    """Return all tables as data for `--json`."""
    return {
        "phases": {
            phase: {tag: PHASE_TRANSITIONS[phase].get(tag) for tag in event_tags()} for phase in Phase
        },
        "children": {
            stage: {name: CHILD_TRANSITIONS[stage].get(name) for name in CHILD_TRIGGERS} for stage in Stage
        },
        "run": [row._asdict() for row in RUN_VERDICTS],
        "subrun": [row._asdict() for row in SUBRUN_VERDICTS],
        "reasons": REASONS,
    }


def diagram() -> str:
    """Return the phases of a run as a Mermaid state diagram, made from the tables."""
    lines = ["stateDiagram-v2", "    [*] --> PENDING: requested"]
    edges: dict[tuple[Phase, Phase], list[str]] = {}
    for phase, cells in PHASE_TRANSITIONS.items():
        for tag, following in cells.items():
            edges.setdefault((phase, following), []).append(tag)
    lines += [f"    {phase} --> {following}: {', '.join(tags)}" for (phase, following), tags in edges.items()]
    ends: dict[Phase, list[str]] = {}
    for row in RUN_VERDICTS:
        ends.setdefault(row.phase, []).append(f"{row.number} {row.when}")
    for phase, when in ends.items():
        lines += [f"    RUNNING --> {phase}: {' or '.join(when)}", f"    {phase} --> [*]"]
    lines.append("    PENDING --> UNKNOWN: no runner seen within the start limit")
    return "\n".join(lines) + "\n"
