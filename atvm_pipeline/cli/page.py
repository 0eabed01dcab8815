"""A state for a person: the pages that `status`, `inspect` and `replay` print."""

import sys
from typing import Any

import msgspec


def print_json(value: object) -> None:
    """The answer for a program."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def page(state: dict[str, Any], *, title: str) -> str:
    """One run: its end, its specs, its sub-runs and their hosts."""
    lines = [f"{title}: {state['phase']}", f"  {state['reason']['code']}: {state['reason']['text']}"]
    if state.get("attention"):
        lines.append(f"  attention: {state['attention']}")
    lines.append(f"  specs: {ledger_line(state['ledger'])}")
    for subrun in state["subruns"]:
        lines.append(
            f"  {subrun['index']:>3}  {subrun['phase']:<10} {subrun['name']}  "
            f"{ledger_line(subrun['ledger'])}{_post(subrun['post'])}"
        )
        lines += [f"         {_host(host)}" for host in subrun["hosts"]]
        lines += [f"         note: {note}" for note in subrun.get("notes", ())]
    if state["post"] is not None:
        lines.append(f"  closing message: {state['post']['outcome']}")
    return "\n".join(lines)


def ledger_line(ledger: dict[str, Any]) -> str:
    """`3 planned: 2 passed, 1 failed`."""
    words = {
        name: name.replace("_", " ")
        for name in ("passed", "failed", "crashed", "pending", "skipped", "no_report", "not_run")
    }
    parts = [f"{ledger[name]} {word}" for name, word in words.items() if ledger.get(name)]
    return f"{ledger['planned']} planned: {', '.join(parts) or 'nothing yet'}"


def _post(post: dict[str, Any] | None) -> str:
    return "" if post is None else f"; message {post['outcome']}{' (marked)' if post.get('marked') else ''}"


def _host(host: dict[str, Any]) -> str:
    separator = "/" if host["result"] == "RUN" else " "
    kernel = host["kernel"] or "kernel unknown"
    return f"{host['host']} ({kernel}): {host['result']}{separator}{host['detail']}, {host['passing']} of {host['tests']} tests passed"
