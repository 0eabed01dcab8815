"""A state for a person: the pages that `status`, `inspect` and `replay` print."""

import sys
from typing import Any

from atvm_pipeline.core.reasons import no_spec
from atvm_pipeline.core.text import escape_json, printable


def print_json(value: object) -> None:
    """The answer for a program: UTF-8, whatever the terminal's encoding; what a terminal could obey is escaped."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.flush()
    sys.stdout.buffer.write(escape_json(data) + b"\n")


KINDS = ("passed", "failed", "crashed", "pending", "skipped", "no_report", "not_run")
GOING_ON = {"no_report": "running", "not_run": "to come"}
"""What a spec without a result is while its run goes on."""


def page(state: dict[str, Any], *, title: str) -> str:
    """One run: its end, its specs, its sub-runs and their hosts."""
    lines = [f"{title}: {state['phase']}", f"  {state['reason']['code']}: {state['reason']['text']}"]
    lines += [f"  attention: {text}" for text in attentions(state)]
    lines += [f"  note: {note}" for note in state.get("notes", ())]
    lines.append(f"  specs: {ledger_line(state)}")
    lines += [f"  {state['host_check_note']}"] if state.get("host_check_note") else []
    for subrun in state["subruns"]:
        lines.append(
            f"  {subrun['index']:>3}  {subrun['phase']:<10} {subrun['name']}  {ledger_line(subrun)}{_post(subrun['post'])}"
        )
        lines += [f"         {_host(host, going_on=_goes_on(subrun))}" for host in subrun["hosts"]]
        lines += [f"         note: {note}" for note in subrun.get("notes", ())]
    if state["post"] is not None:
        lines.append(f"  closing message: {state['post']['outcome']}")
    return "\n".join(printable(line) for line in lines)


def attentions(state: dict[str, Any]) -> list[str]:
    """Return every sentence for a person who should look."""
    return state.get("attentions") or ([state["attention"]] if state.get("attention") else [])


def _goes_on(case: dict[str, Any]) -> bool:
    return case["phase"] in ("PENDING", "RUNNING")


def ledger_line(case: dict[str, Any]) -> str:
    """`3 planned: 2 passed, 1 failed`, of a run or sub-run."""
    ledger = case["ledger"]
    if not ledger["planned"]:
        return "none known yet" if _goes_on(case) else no_spec(case["reason"].get("code", "")).lower()
    words = {kind: kind.replace("_", " ") for kind in KINDS} | (GOING_ON if _goes_on(case) else {})
    parts = [f"{ledger[kind]} {words[kind]}" for kind in KINDS if ledger.get(kind)]
    return f"{ledger['planned']} planned: {', '.join(parts)}"


def _post(post: dict[str, Any] | None) -> str:
    return "" if post is None else f"; message {post['outcome']}{' (marked)' if post.get('marked') else ''}"


def outcome(result: dict[str, Any], *, going_on: bool = False) -> str:
    """`PASS completed`, `RUN/pending`; `running` or `to come` while it goes on."""
    if going_on and result["detail"] in GOING_ON:
        return GOING_ON[result["detail"]]
    separator = "/" if result["result"] == "RUN" else " "
    return f"{result['result']}{separator}{result['detail']}"


def _host(host: dict[str, Any], *, going_on: bool) -> str:
    kernel = host["kernel"] or "kernel unknown"
    said = outcome(host, going_on=going_on)
    return f"{host['host']} ({kernel}): {said}, {host['passing']} of {host['tests']} tests passed"
