"""The pages that `status`, `inspect` and `replay` print for people."""

import sys
from typing import Any

from atvm_pipeline.core.reasons import no_spec
from atvm_pipeline.core.text import escape_json, printable


def print_json(value: object) -> None:
    """Print a value as JSON, always in UTF-8; characters that a terminal could interpret are escaped."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.flush()
    sys.stdout.buffer.write(escape_json(data) + b"\n")


KINDS = ("passed", "failed", "crashed", "pending", "skipped", "no_report", "not_run")
UNFINISHED_WORDS = {"no_report": "running", "not_run": "to come"}
"""Words for a spec without a result while its run is in progress."""


def page(state: dict[str, Any], *, title: str) -> str:
    """Return the page of one run: its end, its specs, its sub-runs and their hosts."""
    lines = [f"{title}: {state['phase']}", f"  {state['reason']['code']}: {state['reason']['text']}"]
    lines += [f"  attention: {text}" for text in attentions(state)]
    lines += [f"  note: {note}" for note in state.get("notes", ())]
    lines.append(f"  specs: {ledger_line(state)}")
    lines += [f"  {state['host_check_note']}"] if state.get("host_check_note") else []
    for subrun in state["subruns"]:
        lines.append(
            f"  {subrun['index']:>3}  {subrun['phase']:<10} {subrun['name']}  {ledger_line(subrun)}{_post(subrun['post'])}"
        )
        lines += [f"         {_host(host, unfinished=_is_unfinished(subrun))}" for host in subrun["hosts"]]
        lines += [f"         note: {note}" for note in subrun.get("notes", ())]
    if state["post"] is not None:
        lines.append(f"  closing message: {state['post']['outcome']}")
    return "\n".join(printable(line) for line in lines)


def attentions(state: dict[str, Any]) -> list[str]:
    """Return every sentence that asks the operator to act."""
    return state.get("attentions") or ([state["attention"]] if state.get("attention") else [])


def _is_unfinished(case: dict[str, Any]) -> bool:
    return case["phase"] in ("PENDING", "RUNNING")


def ledger_line(case: dict[str, Any]) -> str:
    """Return the counts of a run or sub-run: `3 planned: 2 passed, 1 failed`."""
    ledger = case["ledger"]
    if not ledger["planned"]:
        return "none known yet" if _is_unfinished(case) else no_spec(case["reason"].get("code", "")).lower()
    words = {kind: kind.replace("_", " ") for kind in KINDS}
    words |= UNFINISHED_WORDS if _is_unfinished(case) else {}
    parts = [f"{ledger[kind]} {words[kind]}" for kind in KINDS if ledger.get(kind)]
    return f"{ledger['planned']} planned: {', '.join(parts)}"


def _post(post: dict[str, Any] | None) -> str:
    return "" if post is None else f"; message {post['outcome']}{' (marked)' if post.get('marked') else ''}"


def outcome(result: dict[str, Any], *, unfinished: bool = False) -> str:
    """Return a result as text: `PASS completed`, `RUN/pending`; `running` or `to come` if it is unfinished."""
    if unfinished and result["detail"] in UNFINISHED_WORDS:
        return UNFINISHED_WORDS[result["detail"]]
    separator = "/" if result["result"] == "RUN" else " "
    return f"{result['result']}{separator}{result['detail']}"


def _host(host: dict[str, Any], *, unfinished: bool) -> str:
    kernel = host["kernel"] or "kernel unknown"
    result = outcome(host, unfinished=unfinished)
    tests = f"{host['tests']} {'test' if host['tests'] == 1 else 'tests'}"
    return f"{host['host']} ({kernel}): {result}, {host['passing']} of {tests} passed"
