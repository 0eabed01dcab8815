"""Seeds: our own fixtures, in the form that each target needs; and a mutator for lines of JSON."""

import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core import events, facts, results, state
from atvm_pipeline.core.events import Event
from atvm_pipeline.core.junit import report
from atvm_pipeline.core.reducer import reduce
from atvm_pipeline.core.state import Run
from tests.core.console.test_scanner_hostile import FAKES, failing_run
from tests.support import cypress_output as prints
from tests.support.project import PROJECT

FIXTURES = PROJECT / "fixtures"
DATES = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
)
ODD: tuple[Any, ...] = (
    *(
        0,
        1,
        -1,
        3600,
        86_400,
        2**31,
        2**53,
        2**63 - 1,
        2**63,
        2**64 - 1,
        2**64,
        10**30,
        -(2**63),
        0.5,
        -0.5,
        1e15,
        1e300,
        -1e300,
    ),
    *(
        None,
        True,
        False,
        "",
        " ",
        "x",
        "x" * 5000,
        "\u202e",
        "@all",
        "<!channel>",
        "`",
        "a.cy.ts",
        "redhat9.6",
        "\x1b[31m",
    ),
    *("\ud7ff\ue000", "e2e-redhat9.6-fc", [], {}, *DATES),
)
"""Edge values of numbers, texts and times."""
KEYS = tuple(
    sorted(
        {
            name
            for module in (events, facts, state, results, report)
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
            for name in kind.__struct_fields__
        }
    )
)
"""Every field of an event, a fact or a state. The files omit fields that have their default."""
Fallback = Callable[[bytes, int], bytes]


def fed(run: Run, *more: Event) -> Run:
    """Return the run after these events, numbered in their order."""
    for event in more:
        run = reduce(run, replace(event, seq=run.seq + 1)).run
    return run


def logs() -> Iterator[bytes]:
    """Yield every recorded or written log, and the output of Cypress in its small forms."""
    for path in sorted(FIXTURES.glob("**/*.log")):
        yield path.read_bytes()
    for lines in (prints.whole_run("a.cy.ts", "redhat9.6.cy.ts"), failing_run(["text"]), *FAKES.values()):
        yield prints.encoded(lines)
    yield prints.encoded([prints.coloured(line) for line in prints.whole_run("redhat9.6.cy.ts")])


def written_reports() -> Iterator[bytes]:
    """Yield every report."""
    for path in sorted(FIXTURES.glob("**/*.xml")):
        yield path.read_bytes()


@cache
def journals() -> tuple[bytes, ...]:
    """Return every recorded journal."""
    return tuple(path.read_bytes() for path in sorted((FIXTURES / "replay").glob("*/journal.jsonl")))


def mutate_lines(data: bytes, max_size: int, seed: int, fallback: Fallback) -> bytes:
    """Return changed JSON lines: a value changed, lines doubled, dropped, moved or copied from another journal."""
    chance = random.Random(seed)  # noqa: S311 - the same seed, the same mutant
    if chance.random() < 0.2:
        return fallback(data, max_size)
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(lines))
        match chance.randrange(8):
            case 0:
                lines.insert(chance.randrange(len(lines) + 1), lines[at])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines.insert(at, chance.choice(chance.choice(journals()).split(b"\n")))
            case _:
                lines[at] = mutate_json(lines[at], chance)
    return b"\n".join(lines)[:max_size]


def mutate_document(data: bytes, max_size: int, seed: int, fallback: Fallback) -> bytes:
    """Return a changed JSON document: some of its values are different."""
    chance = random.Random(seed)  # noqa: S311 - the same seed, the same mutant
    if chance.random() < 0.2:
        return fallback(data, max_size)
    head, body = data[:1], data[1:]
    for _ in range(chance.choice((1, 1, 2, 4))):
        body = mutate_json(body, chance)
    return (head + body)[:max_size]


def mutate_json(data: bytes, chance: random.Random) -> bytes:
    """Return the JSON with one value or key changed. Other data is returned unchanged."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = list(_places(value))
    if not places:
        return data
    inside, key = chance.choice(places)
    other, other_key = chance.choice(places)
    match chance.randrange(8):
        case 0:
            del inside[key]
        case 3 | 4 if isinstance(inside, dict):
            inside[chance.choice(KEYS)] = chance.choice(ODD)
        case 1:
            inside[key] = json.loads(json.dumps(other[other_key]))
        case 2 if isinstance(inside, list):
            inside.insert(key, json.loads(json.dumps(inside[key])))
        case _:
            inside[key] = chance.choice(ODD)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield value, at
            yield from _places(inner)
