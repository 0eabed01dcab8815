"""The tables of `transitions.py` as text, as data and as a diagram, so that the reviewed tables are the ones in use."""

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


def event_tags() -> tuple[str, ...]:
    """Return the tag of every event in the journal."""
    return tuple(str(kind.__struct_config__.tag) for kind in Event.__args__)


def render_tables() -> str:
    """Return all tables as plain text, for `atvm-pipeline verdicts` and its golden file."""
    lines = ["Phase of a run, by event (-: no change):"]
    lines += [
        f"  {phase:<10} {tag:<17} {PHASE_TRANSITIONS[phase].get(tag, '-')}"
        for phase in Phase
        for tag in event_tags()
    ]
    lines += ["", "Stage of a Cypress process, by log line or process table (-: no change):"]
    lines += [
        f"  {stage:<10} {name:<20} {CHILD_TRANSITIONS[stage].get(name, '-')}"
        for stage in Stage
        for name in CHILD_TRIGGERS
    ]
    lines += ["", "Verdict of a run: the first row that holds."]
    lines += _rows(RUN_VERDICTS)
    lines += ["", "Verdict of a sub-run of a categorized run: the first row that holds."]
    lines += ["An unfinished sub-run takes CANCELLED, HUNG, TERMINATED or UNKNOWN from its run."]
    lines += _rows(SUBRUN_VERDICTS)
    lines += ["", "Reason codes:"]
    lines += [f"  {code:<22} {text}" for code, text in REASONS.items()]
    return "\n".join(lines) + "\n"


def _rows(table: tuple[VerdictRow, ...]) -> list[str]:
    lines = []
    for row in table:
        lines.append(f"  {row.number:<3} {row.phase:<10} {row.when}")
        lines.append(f"                 {', '.join(row.codes)}")
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
