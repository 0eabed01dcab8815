"""Explain the verdict of a run: the reason, the rule of the verdict table, and the evidence, quoted from the log."""

import argparse
from pathlib import Path
from typing import Any

from atvm_pipeline.cli.options import add_state_root, checked_build_name, environment, state_root
from atvm_pipeline.cli.parser import CommandHelp
from atvm_pipeline.cli.run_state import concerns, known_state
from atvm_pipeline.cli.views import ledger_line, print_json
from atvm_pipeline.core.text import one_line, printable
from atvm_pipeline.core.transitions import RUN_VERDICTS, SUBRUN_VERDICTS, VerdictRow
from atvm_pipeline.shell.exit_codes import DONE
from atvm_pipeline.shell.state_dir.reader import log_begin
from atvm_pipeline.shell.state_dir.records import Paths

QUOTE_MAX_BYTES = 400
TEXT_SHOWN = 600
"""Characters of a reason to show."""
NOTE_CHARS_MAX = 700


HELP = CommandHelp(
    examples=("atvm-pipeline explain BUILD", "atvm-pipeline explain BUILD -v"),
    exit_codes="0 if the explanation was printed, 65 if the build is not known or its state cannot be read",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("build", metavar="BUILD", help="name of the build")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print the explanation."""
    paths = Paths(state_root(args, environment()), checked_build_name(args.build))
    state = known_state(paths)
    if args.json:
        print_json(explanation(state))
        return DONE
    print(printable(" | ".join((f"{paths.build_name}: {state['phase']}", *_concerns(paths, state)))))
    begin = log_begin(paths)
    print_case(state, RUN_VERDICTS, begin)
    if state.get("host_check_note"):
        print(f"   {one_line(state['host_check_note'], 1000)}")
    for note in state.get("notes", ()):
        print(f"   note: {one_line(note, NOTE_CHARS_MAX)}")
    for subrun in state["subruns"]:
        named = f"{subrun['index']}. {subrun['name']}: {subrun['phase']}  (label {subrun['label'] or 'none'})"
        print(f"\n{printable(named)}")
        print_subrun_case(subrun, state, begin)
        for spec in subrun["specs"]:
            place = f" at byte {spec['offset']}" if spec.get("offset") is not None else ""
            result = f"{spec['result']:<4} {spec['detail']:<9} {one_line(spec['spec'], 100)}"
            print(printable(f"   {result}  from {' and '.join(spec['sources']) or 'no source'}{place}"))
            print_failures(spec)
        for note in subrun.get("notes", ()):
            print(f"   note: {one_line(note, NOTE_CHARS_MAX)}")
    print(f"\nevent log: {printable(str(paths.journal))}")
    return DONE


def _concerns(paths: Paths, state: dict[str, Any]) -> list[str]:
    """Return the problems that an operator must know, without those that a note below repeats."""
    noted = {f"attention: {note}" for case in (state, *state["subruns"]) for note in case.get("notes", ())}
    return [text for text in concerns(paths, state) if text not in noted]


def print_failures(spec: dict[str, Any]) -> None:
    """Print the failing tests of a spec by name, and the number of those whose names were not kept."""
    failures = spec.get("failures", ())
    for failure in failures:
        print(f"        {one_line(failure['title'], 120)}: {one_line(failure['error'], 120)}")
    more = spec.get("failing", 0) - len(failures)
    if failures and more > 0:
        print(f"        and {more} more")


def print_subrun_case(subrun: dict[str, Any], state: dict[str, Any], begin: int = 0) -> None:
    """Print the reason and evidence of a sub-run, without those that were printed for the run."""
    reason, of_run = subrun["reason"], state["reason"]
    if reason == of_run:
        print("   reason and evidence: see the run, above")
        if subrun["ledger"] != state["ledger"]:
            print(printable(f"   specs: {ledger_line(subrun)}"))
        return
    repeated = one_line(reason["text"], TEXT_SHOWN) in one_line(of_run["text"], TEXT_SHOWN)
    evidence = [item for item in reason["evidence"] if item not in of_run["evidence"]]
    case = {**subrun, "reason": {**reason, "evidence": evidence}}
    print_case(case, SUBRUN_VERDICTS, begin, repeated=repeated)


def print_case(
    case: dict[str, Any], table: tuple[VerdictRow, ...], begin: int = 0, *, repeated: bool = False
) -> None:
    """Print reason, rule and evidence of a run or sub-run.

    `begin` is the value of `log_begin`. `repeated` is true if the text was already printed as part of the run's reason.
    """
    reason = case["reason"]
    text = "see the reason of the run, above" if repeated else one_line(reason["text"], TEXT_SHOWN)
    print(f"   reason {one_line(reason['code'], 60)}: {text}")
    row = row_of(case["phase"], reason["code"], table) or row_of(case["phase"], reason["code"], RUN_VERDICTS)
    if row is not None:
        print(f"   rule {row.number} ({row.phase}): {row.when}")
    print(printable(f"   specs: {ledger_line(case)}"))
    for item in reason["evidence"]:
        print(f"   evidence: {describe_evidence(item, begin)}")


def row_of(phase: str, code: str, table: tuple[VerdictRow, ...]) -> VerdictRow | None:
    """Return the row that decided a verdict."""
    return next((row for row in table if row.phase == phase and code in row.codes), None)


def explanation(state: dict[str, Any]) -> dict[str, Any]:
    """Return the explanation as data for `--json`."""
    cases = [("run", state), *((subrun["name"], subrun) for subrun in state["subruns"])]
    return {
        "build_name": state["build_name"],
        "run_id": state["run_id"],
        "requested_hosts": state.get("requested_hosts", ()),
        "host_sources": state.get("host_sources", {}),
        "not_checked": state.get("not_checked", ()),
        "host_check_note": state.get("host_check_note", ""),
        "cases": [
            {"name": name, "phase": case["phase"], "reason": case["reason"], "ledger": case["ledger"]}
            for name, case in cases
        ],
    }


def describe_evidence(item: dict[str, Any], begin: int = 0) -> str:
    """Return one piece of evidence with the line of the log that it points to; `begin` is the value of `log_begin`."""
    words = ", ".join(f"{key} {value}" for key, value in item.items() if key != "kind" and value is not None)
    text = f"{one_line(item['kind'], 60)}: {one_line(words, 300)}"
    if item["kind"] == "log" and isinstance(item.get("offset"), int) and isinstance(item.get("path"), str):
        # Bytes before `begin` were read from a file that a rotation has renamed since.
        quote = quote_line(Path(item["path"]), item["offset"] - begin)
        return f"{text}\n             | {quote}" if quote else text
    return text


def quote_line(path: Path, offset: int) -> str:
    """Return the line at a byte offset of a log, sanitised; "" if it can no longer be read."""
    try:
        # Reading a FIFO in the place of the log would block indefinitely.
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(offset)
            line = file.read(QUOTE_MAX_BYTES).split(b"\n", 1)[0]
    except (OSError, ValueError, OverflowError):
        return ""
    return one_line(line.decode("utf-8", "replace"), 160)
