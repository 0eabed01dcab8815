"""The explanation of a verdict in a few lines: the reason, the line of the log that proves it, the rule and the next commands."""

from typing import Any, NamedTuple

from atvm_pipeline.core.text import one_line, printable
from atvm_pipeline.core.transitions import RUN_VERDICTS, SUBRUN_VERDICTS, VerdictRow

from . import terminal
from .evidence_page import rule_of, source_text
from .next_steps import next_steps
from .proof import Proof, ProofFinder
from .run_state import Call, ShownRun, brief_concerns

LABEL_COLUMNS = 9
SUMMARY_LINES_MAX = 10
QUOTE_LINES_MAX = 2
REASON_LINES_WANTED = 2
TEXT_SHOWN = 2000
"""Characters of a reason to read; what does not fit is cut in the middle."""


class Explanation(NamedTuple):
    """All that a short explanation contains."""

    address: str
    state: dict[str, Any]
    case: dict[str, Any]
    """The run; while it is in progress, the first sub-run that has failed, if any."""
    concerns: list[str]
    proof: Proof | None
    rule: VerdictRow | None
    steps: list[str]
    more: str
    """The command that shows all evidence."""

    @property
    def why(self) -> str:
        """Return the reason in words."""
        if self.case is self.state:
            return str(self.state["reason"]["text"])
        return f"The run is in progress. {self.case['name']} has failed: {self.case['reason']['text']}"


def explain(run: ShownRun, call: Call) -> Explanation:
    """Collect the parts of an explanation of a run that has a state."""
    state = run.state
    assert state is not None
    failed = (subrun for subrun in state["subruns"] if subrun["phase"] == "FAILED")
    case = state if run.has_ended else next(failed, state)
    proof = ProofFinder(state, run.paths).of_case(case)
    return Explanation(
        address=run.address,
        state=state,
        case=case,
        concerns=_concerns(run, call),
        proof=proof,
        rule=rule_of(case, RUN_VERDICTS if case is state else SUBRUN_VERDICTS),
        steps=next_steps(run, call, proof),
        more=call.command("atvm-pipeline explain", run.address, "-v"),
    )


def _concerns(run: ShownRun, call: Call) -> list[str]:
    """Return the problems that an operator must know, without those that a note below repeats."""
    state = run.state or {}
    noted = {f"attention: {note}" for case in (state, *state["subruns"]) for note in case.get("notes", ())}
    return [text for text in brief_concerns(run, call) if text not in noted]


def summary(found: Explanation, columns: int, *, with_steps: bool = True) -> list[str]:
    """Return the explanation in at most ten lines, longer texts cut in the middle; without the next commands if requested."""
    phase = printable(found.state["phase"])
    head = [f"{terminal.style(found.address, 'strong')}: {terminal.style(phase, phase)}"]
    head += [line for text in found.concerns[:1] for line in _labelled("!", text, columns, 2)]
    end = _rule_lines(found, columns)
    if with_steps:
        end += _steps([*found.steps, f"{found.more}    # all evidence"])
    room = SUMMARY_LINES_MAX - len(head) - len(end)
    # The reason comes first; the proof takes what is left, in its longest form that fits.
    proof: list[str] = []
    for name_lines, quote_lines in ((2, QUOTE_LINES_MAX), (1, QUOTE_LINES_MAX), (1, 1), (0, 1)):
        proof = _proof_lines(found, columns, name_lines, quote_lines)
        if room - len(proof) >= REASON_LINES_WANTED:
            break
    why = _labelled("why:", found.why, columns, max(1, room - len(proof)))
    note = str(found.state.get("host_check_note", ""))
    if "not checked" in note and len(why) + len(proof) < room:
        why += _labelled("hosts:", note.removeprefix("hosts "), columns, 1)
    return [*head, *why, *proof, *end]


def _rule_lines(found: Explanation, columns: int) -> list[str]:
    code = found.case["reason"]["code"]
    if found.rule is None:
        return _labelled("code:", code, columns, 1)
    return _labelled("rule:", f"{found.rule.number}, {code}: {found.rule.when}", columns, 1)


def _proof_lines(found: Explanation, columns: int, name_lines: int, quote_lines: int) -> list[str]:
    """Return the test or spec that the proof is about, its place and the quoted line, in at most that many lines."""
    proof = found.proof
    if proof is None:
        sources = [source_text(item) for item in found.case["reason"]["evidence"][:1]]
        return [line for text in sources for line in _labelled("proof:", text, columns, 1)]
    label, name = ("test:", proof.test) if proof.test else ("spec:", proof.spec)
    lines = _labelled(label, name, columns, name_lines) if name and name_lines else []
    lines += _labelled("proof:", proof.place, columns, 1)
    if proof.text in found.why:
        # The reason quotes the line.
        return lines
    bar = f"  {' ' * LABEL_COLUMNS}| "
    return [*lines, *(f"{bar}{line}" for line in _cut(proof.text, columns - len(bar), quote_lines))]


def _steps(steps: list[str]) -> list[str]:
    """Return the next commands, which are never cut or wrapped, so that they can be copied."""
    return [f"  {_label('next:' if not at else '')}{step}" for at, step in enumerate(steps)]


def _labelled(label: str, text: str, columns: int, lines_max: int) -> list[str]:
    lines = _cut(one_line(text, TEXT_SHOWN), columns - LABEL_COLUMNS - 2, lines_max)
    return [f"  {_label(label if not at else '')}{line}" for at, line in enumerate(lines)]


def _label(text: str) -> str:
    return terminal.style(text, "muted") + " " * (LABEL_COLUMNS - len(text))


def _cut(text: str, columns: int, lines_max: int) -> list[str]:
    """Return the text in at most `lines_max` lines; its middle is left out if it does not fit."""
    room = columns * lines_max
    lines = terminal.wrapped(text, columns)
    while len(lines) > lines_max and room > columns // 2:
        lines = terminal.wrapped(terminal.cut_middle(text, room), columns)
        room -= 4
    return [terminal.cut_middle(line, columns) for line in lines[:lines_max]]


def as_data(found: Explanation) -> dict[str, Any]:
    """Return the explanation as data for `--json`."""
    state, proof, rule = found.state, found.proof, found.rule
    cases = [("run", state), *((subrun["name"], subrun) for subrun in state["subruns"])]
    return {
        "build_name": state["build_name"],
        "run_id": state["run_id"],
        "phase": state["phase"],
        "reason": state["reason"],
        "rule": {"number": rule.number, "phase": rule.phase, "when": rule.when} if rule is not None else None,
        "proof": {**proof._asdict(), "path": str(proof.path)} if proof is not None else None,
        "concerns": found.concerns,
        "next": found.steps,
        "requested_hosts": state.get("requested_hosts", ()),
        "host_sources": state.get("host_sources", {}),
        "not_checked": state.get("not_checked", ()),
        "host_check_note": state.get("host_check_note", ""),
        "cases": [
            {"name": name, "phase": case["phase"], "reason": case["reason"], "ledger": case["ledger"]}
            for name, case in cases
        ],
    }
