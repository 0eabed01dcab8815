"""The pages that `status`, `inspect` and `replay` print for people."""

import sys
from typing import Any

from atvm_pipeline.core.reasons import no_spec
from atvm_pipeline.core.text import escape_json, format_duration, plural

KINDS = ("passed", "failed", "crashed", "pending", "skipped", "no_report", "not_run")
GAP = "  "
UNFINISHED = ("PENDING", "RUNNING")
UNFINISHED_WORDS = {"no_report": "running", "not_run": "to come"}
"""Words for a spec without a result while its run is in progress."""
MESSAGE_WORDS = {
    "pending": "message not delivered yet",
    "sent": "message sent",
    "rejected": "message rejected",
    "uncertain": "message may not have arrived",
    "expired": "message not delivered within 72 hours",
    "dropped": "message dropped",
}
"""The outcome of a message in words."""

SHOWN_DURATION_MAX_S = 1e9


def print_json(value: object) -> None:
    """Print a value as JSON, always in UTF-8; characters that a terminal could interpret are escaped."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.flush()
    sys.stdout.buffer.write(escape_json(data) + b"\n")


def subrun_parts(state: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines about the sub-runs in two parts: aligned columns, and counts and message ("" for hosts and notes)."""
    parts = []
    width = max((len(subrun["name"]) for subrun in state["subruns"]), default=0)
    for subrun in state["subruns"]:
        facts = [
            ledger_line(subrun),
            *([message_words(subrun["post"])] if subrun["post"] is not None else []),
        ]
        parts.append(
            (f"{subrun['index']:>3}  {subrun['phase']:<10} {subrun['name']:<{width}}", "; ".join(facts))
        )
        more = [_host(host, unfinished=is_unfinished(subrun)) for host in subrun["hosts"]]
        more += [f"note: {note}" for note in subrun.get("notes", ())]
        more += [f"recorded: {subrun['recorded_url']}"] if subrun.get("recorded_url") else []
        parts += [(f"       {line}", "") for line in more]
    return parts


def attentions(state: dict[str, Any]) -> list[str]:
    """Return every sentence that asks the operator to act."""
    return state.get("attentions") or ([state["attention"]] if state.get("attention") else [])


def is_unfinished(case: dict[str, Any]) -> bool:
    """Return whether a run or sub-run has no verdict yet."""
    return case["phase"] in UNFINISHED


def ledger_line(case: dict[str, Any]) -> str:
    """Return the counts of a run or sub-run: `3 planned: 2 passed, 1 failed`."""
    ledger = case["ledger"]
    if not ledger["planned"]:
        return "none known yet" if is_unfinished(case) else no_spec(case["reason"].get("code", "")).lower()
    words = {kind: kind.replace("_", " ") for kind in KINDS}
    words |= UNFINISHED_WORDS if is_unfinished(case) else {}
    parts = [f"{ledger[kind]} {words[kind]}" for kind in KINDS if ledger.get(kind)]
    return f"{ledger['planned']} planned: {', '.join(parts)}"


def message_words(post: dict[str, Any]) -> str:
    """Return the outcome of a message in words: `message sent (marked as a repeat)`."""
    words = MESSAGE_WORDS.get(post["outcome"], f"message {post['outcome']}")
    return f"{words} (marked as a repeat)" if post.get("marked") else words


def outcome(result: dict[str, Any], *, unfinished: bool = False) -> str:
    """Return a result as text: `PASS completed`, `RUN/pending`; `running` or `to come` if it is unfinished."""
    if unfinished and result["detail"] in UNFINISHED_WORDS:
        return UNFINISHED_WORDS[result["detail"]]
    separator = "/" if result["result"] == "RUN" else " "
    return f"{result['result']}{separator}{result['detail']}"


def _host(host: dict[str, Any], *, unfinished: bool) -> str:
    kernel = host["kernel"] or "kernel unknown"
    facts = [outcome(host, unfinished=unfinished)]
    if host["tests"]:
        facts.append(f"{host['passing']} of {plural(host['tests'], 'test')} passed")
    if host.get("duration_s"):
        facts.append(format_duration(min(host["duration_s"], SHOWN_DURATION_MAX_S)))
    return f"{host['host']} ({kernel}): {', '.join(facts)}"
