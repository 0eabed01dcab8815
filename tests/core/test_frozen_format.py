"""The stored formats are frozen: every recorded run folds to the same data, and every stored struct keeps its fields.

Sentences may be reworded, and classes and modules may be renamed: these are not part of a format and not in these
golden files. Any other difference here means that files of a released version can no longer be read correctly.

If a test fails, run `pytest --rewrite tests/core/test_frozen_format.py` and inspect the diff. A new run or a new field
with a default may be committed, with a new schema number if it is in an event; a removed or changed line may not.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from atvm_pipeline.core.codec import decode_event, decode_state, encode_state
from atvm_pipeline.core.effects import Effect
from atvm_pipeline.core.events import Event, RunRequested
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.core.snapshot import StateFile, SubRunFile, state_file
from atvm_pipeline.core.state import Run
from atvm_pipeline.shell.state_dir.records import (
    BaselineRecord,
    ExitRecord,
    MarkerRecord,
    Request,
    RunnerRecord,
    WatcherRecord,
)
from atvm_pipeline.shell.state_dir.store import PostFile
from tests.conftest import REPLAY
from tests.support.project import PROJECT

FROZEN = PROJECT / "fixtures" / "frozen"
SCHEMA_1 = PROJECT / "fixtures" / "schema-1"
RUNS = {folder.name: folder for folder in sorted(REPLAY.iterdir()) if (folder / "journal.jsonl").is_file()}

SENTENCES = {"attention", "attentions", "conflict", "host_check_note", "notes", "payload"}
"""Keys whose values are texts for the user."""
STRUCTS: dict[str, Any] = {
    "journal.jsonl": Event,
    "effect": Effect,
    "state.json": StateFile,
    "subruns/NNN.json": SubRunFile,
    "posts/KEY.json": PostFile,
    "request.json": Request,
    "watcher.json": WatcherRecord,
    "runner.json": RunnerRecord,
    "runner-exit.json": ExitRecord,
    "cancel.json, stop.json": MarkerRecord,
    "artifacts-before.json": BaselineRecord,
}
"""The struct in each stored file. Effects are not stored, but a journal's golden file contains their keys and tags."""


def without_texts(value: Any) -> Any:
    """Remove sentences (reasons, notices, notes, messages, details of a delivery) and empty values from decoded JSON."""
    if isinstance(value, list):
        return [without_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    texts = set(SENTENCES)
    if "outcome" in value:
        texts.add("detail")
    if "code" in value and value.keys() <= {"code", "text", "evidence"}:
        texts.add("text")
    kept = {
        key: blank(key, item) if key in texts else without_texts(item) for key, item in sorted(value.items())
    }
    return {key: item for key, item in kept.items() if item not in (None, 0, [], {}, "")}


def blank(key: str, text: Any) -> Any:
    """Replace a text by its presence, its count, or for a message by its keys and the phase at its start."""
    if key == "payload":
        body = json.loads(text)
        first = body.get("text", "").split(" ")[0]
        return f"{', '.join(sorted(body))} {first if first.startswith('**') else ''}".rstrip()
    return len(text) if isinstance(text, list) else bool(text)


def fold(journal: Path) -> tuple[Run, list[Effect]]:
    first, *rest = [decode_event(line) for line in journal.read_bytes().splitlines()]
    assert isinstance(first, RunRequested)
    step = begin_run(first)
    effects = list(step.effects)
    for event in rest:
        step = reduce(step.run, event)
        effects.extend(step.effects)
    return step.run, effects


def as_data(run: Run) -> dict[str, Any]:
    """Return `state.json` as plain data. Its facts omit data shown elsewhere: request and reports (journal), results (above).

    A hash replaces the log's facts about a spec: the result of the spec shows the difference.
    """
    data: dict[str, Any] = without_texts(json.loads(encode_state(state_file(run))))
    facts = data["facts"]
    del facts["request"]
    facts["artifacts"] = [f"{file['path']} {digest(file)}" for file in facts.get("artifacts", [])]
    if "verdict" in facts:
        del facts["verdict"]["reason"], facts["verdict"]["ledger"]
    for subrun in facts.get("subruns", []):
        subrun.pop("result", None)
        for child in subrun.get("children", []):
            child["specs"] = [f"{spec['spec']} {digest(spec)}" for spec in child.get("specs", [])]
    return data


def digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def lines(data: dict[str, Any]) -> str:
    """Write one line per key and one per list item, so that a diff shows the place of a difference."""
    found: list[str] = []
    for key, value in data.items():
        parts: dict[str, Any] = (
            {f"{key}.{name}": part for name, part in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
        for name, part in parts.items():
            items = part if isinstance(part, list) and part else [part]
            found.extend(f"{name} {json.dumps(item, ensure_ascii=False)}" for item in items)
    return "".join(f"{line}\n" for line in found)


def held(path: Path, now: str, *, rewrite: bool) -> None:
    if rewrite:
        path.parent.mkdir(exist_ok=True)
        path.write_text(now)

    assert now == path.read_text()


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run_folds_to_the_same_data(name: str, *, rewrite: bool) -> None:
    run, effects = fold(RUNS[name] / "journal.jsonl")
    asked = [without_texts(msgspec.to_builtins(effect)) for effect in effects]

    held(FROZEN / f"{name}.txt", lines({**as_data(run), "effects": asked}), rewrite=rewrite)


def test_a_journal_and_a_state_of_schema_1_give_the_same_data(*, rewrite: bool) -> None:
    run, effects = fold(SCHEMA_1 / "journal.jsonl")
    asked = [without_texts(msgspec.to_builtins(effect)) for effect in effects]
    held(FROZEN / "schema-1-journal.txt", lines({**as_data(run), "effects": asked}), rewrite=rewrite)

    reloaded = decode_state((SCHEMA_1 / "state.json").read_bytes())
    held(FROZEN / "schema-1-state.txt", lines(as_data(reloaded)), rewrite=rewrite)


def test_a_journal_and_a_state_of_the_last_release_of_schema_1_give_the_same_data(*, rewrite: bool) -> None:
    run, effects = fold(SCHEMA_1 / "last" / "journal.jsonl")
    asked = [without_texts(msgspec.to_builtins(effect)) for effect in effects]
    held(FROZEN / "schema-1-last-journal.txt", lines({**as_data(run), "effects": asked}), rewrite=rewrite)

    reloaded = decode_state((SCHEMA_1 / "last" / "state-27.json").read_bytes())
    held(FROZEN / "schema-1-last-state.txt", lines(as_data(reloaded)), rewrite=rewrite)


def test_every_stored_struct_keeps_its_tag_and_its_fields(*, rewrite: bool) -> None:
    seen: dict[object, str] = {}
    found = [
        line for role, kind in STRUCTS.items() for line in described(role, inspect.type_info(kind), seen)
    ]

    held(FROZEN / "structs.txt", "".join(f"{line}\n" for line in found), rewrite=rewrite)


def test_every_frozen_file_is_of_a_run_that_is_there() -> None:
    kept = {path.stem for path in FROZEN.iterdir()}

    recorded = {f"schema-1{form}-{file}" for form in ("", "-last") for file in ("journal", "state")}

    assert kept == {*RUNS, *recorded, "structs"}


def described(where: str, kind: inspect.Type, seen: dict[object, str]) -> Iterator[str]:
    """List each struct stored below `where`, named by its tag or its first place: `field` or `field?`, and the type."""
    if isinstance(kind, inspect.StructType):
        if kind.cls in seen:
            return
        if kind.tag is not None:
            where = f"{kind.tag_field} {kind.tag}"
        seen[kind.cls] = where
        yield f"{where}{' (strict)' if kind.forbid_unknown_fields else ''}"
        for field in kind.fields:
            optional = "" if field.required else "?"
            yield f"  {field.encode_name}{optional}: {named(field.type)}"
        for field in kind.fields:
            yield from described(f"{where} > {field.encode_name}", field.type, seen)
    for part in parts_of(kind):
        yield from described(where, part, seen)


def parts_of(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """Return the types in a union or a container."""
    match kind:
        case inspect.UnionType(types=types):
            return tuple(types)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return (item,)
        case inspect.TupleType(item_types=items):
            return tuple(items)
        case inspect.DictType(key_type=key, value_type=value):
            return (key, value)
        case inspect.Metadata(type=inner):
            return (inner,)
        case _:
            return ()


def named(kind: inspect.Type) -> str:
    """Return a short name of a type, without the names of this project's classes."""
    match kind:
        case inspect.StructType():
            return "{}" if kind.tag is None else str(kind.tag)
        case inspect.UnionType(types=types):
            return "|".join(sorted(map(named, types)))
        case inspect.LiteralType(values=values):
            return "/".join(map(str, values))
        case inspect.EnumType(cls=cls):
            return "/".join(str(member.value) for member in cls)
        case inspect.DictType():
            return f"{{{', '.join(map(named, parts_of(kind)))}}}"
        case inspect.VarTupleType() | inspect.ListType() | inspect.TupleType():
            return f"[{', '.join(map(named, parts_of(kind)))}]"
        case inspect.Metadata(type=inner):
            return named(inner)
        case _:
            return type(kind).__name__.removesuffix("Type").lower()
