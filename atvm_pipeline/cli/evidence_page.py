"""All evidence of a verdict, for `explain -v`: each sub-run and spec, failing tests, notes, and the quoted lines of the log."""

from typing import Any

from atvm_pipeline.core.text import one_line, printable
from atvm_pipeline.core.transitions import RUN_VERDICTS, SUBRUN_VERDICTS, VerdictRow
from atvm_pipeline.shell.state_dir.paths import Paths

from . import terminal
from .proof import Proof, ProofFinder
from .views import ledger_line

TEXT_SHOWN = 2000
"""Characters of a reason, a note or an error to show; a longer one is cut in the middle."""
SOURCE_CHARS_MAX = 400
SPEC_COLUMNS = 34
WORDS_OF_SOURCES = {"log": "log", "artifact": "report", "exit": "exit record", "process": "process table"}
"""Kind of evidence -> words."""


class _Page:
    """Lines of the page, and the sentences that are on it: each is printed once."""

    def __init__(self, state: dict[str, Any], paths: Paths, columns: int) -> None:
        self.state, self.columns = state, columns
        self.proofs = ProofFinder(state, paths)
        self.lines: list[str] = []
        self.printed: set[str] = set()

    def add(self, label: str, text: str, indent: int = 2) -> None:
        """Add a labelled paragraph."""
        shown = terminal.cut_middle(printable(" ".join(text.split())), TEXT_SHOWN)
        first = f"{' ' * indent}{label} " if label else " " * indent
        self.lines += terminal.wrapped(shown, self.columns, first=first, rest=" " * (indent + 2))

    def add_once(self, label: str, text: str, indent: int = 2) -> None:
        """Add a labelled paragraph that is not on the page yet."""
        if text not in self.printed:
            self.printed.add(text)
            self.add(label, text, indent)


def evidence_page(state: dict[str, Any], paths: Paths, concerns: list[str], columns: int) -> list[str]:
    """Return the lines of the page."""
    page = _Page(state, paths, columns)
    page.lines.append(_title(paths.build_name, state["phase"]))
    for text in concerns:
        page.add("!", text)
    _add_case(page, state, RUN_VERDICTS)
    if state.get("host_check_note"):
        page.add("", state["host_check_note"])
    for subrun in state["subruns"]:
        page.lines += ["", _title(f"{subrun['index']}. {one_line(subrun['name'], 200)}", subrun["phase"])]
        if subrun["label"] != subrun["name"]:
            page.add("label:", subrun["label"] or "none")
        _add_case(page, subrun, SUBRUN_VERDICTS)
        for spec in subrun["specs"]:
            _add_spec(page, spec)
    page.lines.append("")
    page.add("", f"event log: {paths.journal}", 0)
    return page.lines


def _title(name: str, phase: str) -> str:
    shown = printable(phase)
    return f"{terminal.style(printable(name), 'strong')}: {terminal.style(shown, shown)}"


def _add_case(page: _Page, case: dict[str, Any], table: tuple[VerdictRow, ...]) -> None:
    """Add reason, rule, counts, evidence and notes of a run or sub-run."""
    reason, of_run = case["reason"], page.state["reason"]
    row = rule_of(case, table)
    if case is not page.state and reason["text"] in of_run["text"]:
        page.add("why:", f"{reason['code']}, see the run, above")
    elif reason["text"] in page.printed:
        page.add("why:", reason["code"])
    else:
        page.printed.add(reason["text"])
        page.add("why:", f"{reason['code']}: {reason['text']}")
    if row is not None:
        page.add("rule:", f"{row.number} ({row.phase}): {row.when}")
    page.add("specs:", ledger_line(case))
    for item in reason["evidence"]:
        if case is page.state or item not in of_run["evidence"]:
            _add_evidence(page, item, case)
    for note in case.get("notes", ()):
        page.add_once("note:", note)


def _add_evidence(page: _Page, item: dict[str, Any], case: dict[str, Any]) -> None:
    found = page.proofs.of(item, case)
    page.add("evidence:", _place(item, found))
    if found is not None and found.text and found.text not in page.printed:
        page.printed.add(found.text)
        page.lines += terminal.wrapped(found.text, page.columns, first="    | ", rest="    | ")


def _place(item: dict[str, Any], found: Proof | None) -> str:
    line = f", line {found.line}" if found is not None and found.line is not None else ""
    return f"{source_text(item)}{line}"


def _add_spec(page: _Page, spec: dict[str, Any]) -> None:
    """Add the result of a spec, its failing and its flaky tests."""
    kind = {"PASS": "passed", "FAIL": "failed"}.get(spec["result"], "warning")
    result = terminal.style(f"{one_line(spec['result'], 20):<4} {one_line(spec['detail'], 40):<9}", kind)
    sources = " and ".join(spec["sources"]) or "no source"
    place = f", byte {spec['offset']}" if spec.get("offset") is not None else ""
    name = terminal.pad(one_line(spec["spec"], 100), SPEC_COLUMNS)
    page.lines.append(f"  {result} {name}  {printable(sources)}{place}")
    failures = spec.get("failures", ())
    for failure in failures:
        page.add("failed:", f"{failure['title']}: {failure['error']}", 7)
    more = spec.get("failing", 0) - len(failures)
    if failures and more > 0:
        page.add("", f"and {more} more failing {'test' if more == 1 else 'tests'}", 7)
    flaky = spec.get("flaky", ())
    for title in flaky if isinstance(flaky, list) else ():
        page.add("flaky:", f"{title} (passed after a retry)", 7)


def rule_of(case: dict[str, Any], table: tuple[VerdictRow, ...]) -> VerdictRow | None:
    """Return the row of the table, or of the run's table, that decided a verdict; None for a run that has not ended."""
    phase, code = case["phase"], case["reason"]["code"]
    rows = (*table, *RUN_VERDICTS)
    return next((row for row in rows if row.phase == phase and code in row.codes), None)


def source_text(item: dict[str, Any]) -> str:
    """Return a piece of evidence in words, such as `log /a/runner.log, byte 11815`."""
    words = {
        key: value for key, value in item.items() if key not in ("kind", "file_begin") and value is not None
    }
    path, offset = words.pop("path", None), words.pop("offset", None)
    kind = WORDS_OF_SOURCES.get(item["kind"], item["kind"])
    parts = [f"{kind} {path}" if path is not None else kind]
    parts += [f"byte {offset}"] if offset is not None else []
    parts += [
        f"{key.removesuffix('_s')} {value} s" if key.endswith("_s") else f"{key.replace('_', ' ')} {value}"
        for key, value in words.items()
    ]
    return one_line(", ".join(parts), SOURCE_CHARS_MAX)
