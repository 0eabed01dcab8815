"""Evaluates one run of the campaign: compares the posts that a reader saw with the state and the journal."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from atvm_pipeline.core.events import DeliverySettled
from atvm_pipeline.core.messages.attempts import REPEATS_MAX
from atvm_pipeline.core.messages.payload import MARKS, marked
from atvm_pipeline.core.reducer import replay
from atvm_pipeline.core.state import Post
from atvm_pipeline.shell.state_dir.store import Journal, read_journal
from atvm_pipeline.shell.system.files import is_locked
from tests.campaign.receiver import Heard
from tests.campaign.watching import leftovers
from tests.e2e.test_live_replay import outcome as result_without_times
from tests.e2e.test_main_job import CATEGORIZED, WHOLE
from tests.support.project import BUILD

if TYPE_CHECKING:
    from tests.campaign.playing import Played

BUG = "bug: "
DOUBTS = ("uncertain", "probably-not-arrived")
"""Outcomes of an attempt after which a repeat is marked."""


@dataclass
class Told:
    """Counts of the messages of one run, or of many, as readers saw them."""

    due: int = 0
    """Messages that the runs had to send."""
    seen: int = 0
    """Posts that a reader saw."""
    unmarked: int = 0
    marked: int = 0
    lost: int = 0
    """Messages that no reader saw and that the state does not name as undelivered."""
    doubled: int = 0
    """Posts that a reader saw without a mark, though the message had been seen before."""
    left: int = 0
    """Messages named undelivered by the state (rejected, uncertain twice), sent by `resend` afterwards."""

    def add(self, other: "Told") -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def judge(played: "Played") -> None:
    """Evaluate a run that has ended; add each error to its outcome, one sentence each."""
    played.outcome.wrong += [*_wrong(played)]


def _wrong(played: "Played") -> Iterator[str]:
    yield from _verdict(played)
    yield from _files(played)
    posts = _posts(played)
    heard = _by_delivery(played)
    left = [post for post in posts if post.outcome != "sent"]
    told = played.outcome.told
    told.due, told.left = len(posts), len(left)
    for post in posts:
        if post.outcome == "pending":
            yield f"the watcher has ended, and message {post.key} is pending"
        if post.outcome == "sent" and not any(one.stored for one in heard[post.delivery_id]):
            told.lost += 1
            yield f"message {post.key} counts as sent, and no reader saw it"
    if left:
        yield from _resend(played, left)
        yield from _files(played)
    yield from _explained(played)
    heard = _by_delivery(played)
    for post in posts:
        if post in left and not any(one.stored for one in heard[post.delivery_id]):
            told.lost += 1
            yield f"message {post.key} was {post.outcome}, and no reader saw it after the repeat by hand"
    stored = [one for one in played.host.receiver.heard if one.stored]
    told.seen, told.marked = len(stored), sum(one.marked for one in stored)
    told.unmarked = told.seen - told.marked


def result_of(state: dict[str, Any]) -> dict[str, Any]:
    """Return how a run ended, without times and directories, and the end of its messages."""
    result = result_without_times(state)
    result["post"] = result["post"] is not None
    for subrun in result["subruns"]:
        subrun["post"] = subrun["post"] is not None
    return result


def _verdict(played: "Played") -> Iterator[str]:
    """Check that phase, reason, ledger and specs equal the undisturbed run and the scenario's table."""
    plan, state = played.plan, played.host.state()
    end = (CATEGORIZED if plan.categorize else WHOLE)[plan.scenario]
    found = (state["phase"], state["reason"]["code"], tuple(subrun["phase"] for subrun in state["subruns"]))
    if found != (end.phase, end.code, end.subruns):
        yield f"verdict: {found}, and not {(end.phase, end.code, end.subruns)}"
    played.outcome.result = result_of(state)
    if played.golden is not None and played.golden != played.outcome.result:
        yield "verdict: " + "; ".join(differences(played.golden, played.outcome.result))
    due = len(_posts(played))
    if due != end.posts:
        yield f"verdict: {due} messages were requested, and not {end.posts}"


def differences(one: Any, other: Any, where: str = "state") -> list[str]:
    """Return the differences between two results."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted({*one, *other})
        return [
            text for name in names for text in differences(one.get(name), other.get(name), f"{where}.{name}")
        ]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [text for at, (a, b) in pairs for text in differences(a, b, f"{where}[{at}]")]
    return [] if one == other else [f"{where} was {other!r}, undisturbed {one!r}"]


def _files(played: "Played") -> Iterator[str]:
    """Check that the journal folds to the state, nothing is left over, no lock is held, nothing crashed."""
    paths = played.paths
    replayed = played.host.call("atvm-pipeline", "replay", str(paths.folder), "--json")
    if replayed.stdout != paths.state.read_text():
        yield f"the journal does not fold to state.json {replayed.stderr}"
    yield from _parts(played)
    left = leftovers(paths)
    if left:
        yield f"left over: {', '.join(left)}"
    if is_locked(paths.watcher_lock) or is_locked(paths.runner_lock):
        yield "a lock is held although no process lives"
    for log in (played.log, paths.watcher_log):
        text = log.read_text(errors="replace") if log.exists() else ""
        for line in text.splitlines():
            if BUG in line or line.startswith("Traceback"):
                yield f"{log.name}: {line}"


def _parts(played: "Played") -> Iterator[str]:
    """Check that the content of the single files equals that of `state.json`."""
    state, paths = played.host.state(), played.paths
    for subrun in state["subruns"]:
        name = f"{subrun['index']:03d}.json"
        alone = json.loads((paths.subruns / name).read_text())
        if {key: alone[key] for key in subrun} != subrun:
            yield f"subruns/{name} differs from state.json"
    outcomes = {post.key: post.outcome for post in replay(_journal(played).events).outbox}
    files = [json.loads(path.read_text()) for path in paths.posts.glob("[!.]*.json")]
    if {file["key"]: file["outcome"] for file in files} != outcomes:
        yield f"posts/ has {files}, and the journal {outcomes}"


def _posts(played: "Played") -> list[Post]:
    """Return the messages that the run requested, without repeats by hand."""
    run = replay(_journal(played).events)
    return [post for post in run.outbox if post.kind != "alert" and "/resend-" not in post.key]


def _journal(played: "Played") -> Journal:
    return read_journal(played.paths.journal)


def _by_delivery(played: "Played") -> defaultdict[str, list[Heard]]:
    heard: defaultdict[str, list[Heard]] = defaultdict(list)
    for one in sorted(played.host.receiver.heard):
        heard[one.delivery_id].append(one)
    return heard


def _resend(played: "Played", left: list[Post]) -> Iterator[str]:
    """Repeat a rejected or uncertain message by hand, as the documents require."""
    named = {post["outcome"] for post in _views(played.host.state()) if post["outcome"] != "sent"}
    if not {post.outcome for post in left} <= named:
        yield f"state.json does not name what was not delivered: {sorted(named)}"
    played.host.receiver.script_by_name(("ok",))
    answer = played.host.call("atvm-pipeline", "resend", BUILD)
    if answer.returncode != 0:
        yield f"resend ended with {answer.returncode}: {answer.stderr.strip()}"


def _views(state: dict[str, Any]) -> list[dict[str, Any]]:
    views = [state["post"], *(subrun["post"] for subrun in state["subruns"])]
    return [view for view in views if view is not None]


def _explained(played: "Played") -> Iterator[str]:
    """Check that a message has at most one unmarked post.

    A marked one is allowed only after an attempt whose end is not known.
    """
    settled: defaultdict[str, list[DeliverySettled]] = defaultdict(list)
    for event in _journal(played).events:
        if isinstance(event, DeliverySettled):
            settled[event.key].append(event)
    by_delivery = _by_delivery(played)
    for post in _posts(played):
        heard = by_delivery.pop(post.delivery_id, [])
        repeats = [key for key in settled if key.startswith(f"{post.key}/resend-")]
        doubtful = any(event.outcome in DOUBTS for event in settled[post.key])
        yield from each(post, heard, explained=doubtful or bool(repeats))
        played.outcome.told.doubled += max(0, sum(one.stored and not one.marked for one in heard) - 1)
        attempts = sum(len(settled[key]) for key in (post.key, *repeats))
        again = sum(one.marked for one in heard) - len(repeats)
        if again > REPEATS_MAX:
            yield f"message {post.key} was repeated {again} times"
        if len(heard) > attempts:
            yield f"message {post.key}: {len(heard)} requests, and {attempts} attempts in the journal"
    for delivery in by_delivery:
        yield f"a reader saw delivery {delivery}, which no run requested"


def each(post: Post, heard: list[Heard], *, explained: bool) -> Iterator[str]:
    """Yield the errors in the requests of one message, in the order of their arrival.

    `explained`: its journal has an attempt whose end is not known.
    """
    text = msgspec.json.decode(post.payload)["text"]
    repeats = {msgspec.json.decode(marked(post.payload, mark))["text"] for mark in MARKS}
    told = is_marked = False
    for one in heard:
        if one.text not in (repeats if one.marked else {text}):
            yield f"message {post.key} had another text than its file"
        if not one.marked and (told or is_marked):
            yield f"message {post.key} came again without a mark"
        if one.marked and not explained:
            yield f"message {post.key} has a mark, and the journal knows no doubt"
        told, is_marked = told or one.stored, is_marked or one.marked
