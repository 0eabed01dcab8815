"""A runner's log of any size, with the same bytes every time: Cypress output in its layout and colours.

The log has much other output too. It is streamed, so that its size never is the size of this process. Four
lines in a hundred are anchors, three of them rows of boxes in which each character has its own colour; one
line in two hundred is nearly an anchor.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from tests.support import cypress_output as prints

SPECS_PER_CHILD = 12
LINES_PER_SPEC = 320
"""Lines of other origin within one spec; with the lines around them, four lines in a hundred are anchors."""
FAILING_EVERY = 8
"""One spec of this many has a failing test."""

_NEAR_MISSES = (
    "\x1b[0m  (Running late by 3 s, waiting for the target to settle)\x1b[0m",
    "  Runner: 14 of 20 volumes are in sync",
    "\x1b[90m  (Result of the last poll: 200 OK)\x1b[39m",
    "  17 passed checks, 0 open",
    "    expected '  (Run Finished)' to be printed after (Results)",
    "  Recorded 14 samples of the transfer rate",
    "  \x1b[36m(Attempting to reach the controller)\x1b[39m",
    "Discovering spec files below cypress/e2e",
)
_NOISE = (
    "\x1b[0m\x1b[0m",
    "\x1b[0m  A volume that is being migrated, part {n}\x1b[0m",
    "  \x1b[32m  ✓\x1b[0m\x1b[90m keeps its data while the host restarts {n}\x1b[0m\x1b[31m (83{n}ms)\x1b[0m",
    "\x1b[90m2026-11-23T10:{m}:07.{n}Z\x1b[39m \x1b[32mINFO\x1b[39m  poll: session {n} is \x1b[1mIN_SYNC\x1b[22m, 0 bytes to go, next look in 30 s",
    "    at Context.eval (webpack:///./cypress/e2e/migration/steps/volume-{n}.ts:{m}:22)",
    "2026-11-23 10:{m}:31,{n} DEBUG api GET /v1/sessions/{n} 200 application/json 1834 bytes in 42 ms",
    "[4242:1123/10{m}07.{n}:ERROR:gpu_memory_buffer_support_x11.cc(49)] dri3 extension not supported.",
    '{{"session": {n}, "state": "IN_SYNC", "rate": "{m} MB/s", "note": "nothing to do until the next look at it"}}',
    "\x1b[33mwarning\x1b[39m  retrying the connection to the management address in 5 s, attempt {m} of 60",
    "      restoring machine redhat9.6 from its snapshot: {m} %",
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """The written content, as the fold has to find it."""

    size: int
    lines: int
    children: int
    specs: int
    failed: int


def write_log(
    path: Path, size_min: int, *, lines_per_spec: int = LINES_PER_SPEC, children_min: int = 0
) -> Written:
    """Write complete children until the file has at least this many bytes and this many children."""
    noise = cycle(_noise_blocks(lines_per_spec))
    size = lines = children = failed = 0
    with path.open("wb") as file:
        while size < size_min or children < children_min:
            children += 1
            for chunk in _child(children, noise):
                size += file.write(chunk)
                lines += chunk.count(b"\n")
            failed += sum(_fails(children, position) for position in range(1, SPECS_PER_CHILD + 1))
    return Written(size=size, lines=lines, children=children, specs=children * SPECS_PER_CHILD, failed=failed)


def write_prefixed(path: Path, log: Path, written: Written) -> Written:
    """Write the same lines with a clock before each, as Jenkins does."""
    size = 0
    with log.open("rb") as lines, path.open("wb") as file:
        for number, line in enumerate(lines):
            seconds, millis = divmod(number * 7, 1000)
            clock = b"[2026-11-27T%02d:%02d:%02d.%03dZ] " % (
                seconds // 3600 % 24,
                seconds // 60 % 60,
                seconds % 60,
                millis,
            )
            size += file.write(clock + line)
    return replace(written, size=size)


def _noise_blocks(lines_per_spec: int) -> list[bytes]:
    """Return the lines within one spec, in a few variants; each is written many times."""
    near, other = cycle(_NEAR_MISSES), cycle(_NOISE)
    return [
        prints.encoded(
            [
                next(near)
                if line % 200 == 100
                else next(other).format(n=100 + (7 * line + variant) % 900, m=10 + line % 50)
                for line in range(lines_per_spec)
            ]
        )
        for variant in range(7)
    ]


def _fails(child: int, position: int) -> bool:
    return (child * SPECS_PER_CHILD + position) % FAILING_EVERY == 0


def _child(number: int, noise: Iterator[bytes]) -> Iterator[bytes]:
    specs = [
        f"migration/group-{number}/redhat9.{position}.cy.ts" for position in range(1, SPECS_PER_CHILD + 1)
    ]
    yield prints.encoded(
        [f"\x1b[1m$ npx cypress run --record --parallel --ci-build-id e2e-group-{number}-fc\x1b[0m"]
    )
    yield _coloured(prints.starting(*specs))
    rows, failed = [], 0
    for position, spec in enumerate(specs, 1):
        counts = (4, 3, 1) if _fails(number, position) else (4, 4, 0)
        failed += counts[2]
        yield _coloured([*prints.running(spec, position, len(specs)), "", ""])
        yield next(noise)
        failure = ("A volume", "keeps its data", "AssertionError: expected 3 to equal 4")
        yield _coloured(prints.epilogue(counts[1], [failure] * counts[2]))
        yield _coloured(prints.results(spec, counts[1], counts[2], duration="2 minutes, 5 seconds"))
        rows.append(prints.row(spec, (*counts, 0, 0), "✖" if counts[2] else "✔", "02:05"))
    verdict = (
        f"{failed} of {len(specs)} failed ({100 * failed // len(specs)}%)" if failed else "All specs passed!"
    )
    total = 4 * len(specs)
    yield _coloured(
        prints.finished(rows, verdict, (total, total - failed, failed, 0, 0), "✖" if failed else "✔")
    )
    yield _coloured(prints.recorded(f"http://sorry.example:8080/run/{number}"))


def _coloured(lines: list[str]) -> bytes:
    return prints.encoded([prints.coloured(line) for line in lines])


def costly_lines(size: int) -> dict[str, bytes]:
    """Return one line of `size` bytes, or one value of a box, in each shape that costs a careless pattern most."""

    def line(start: bytes, piece: bytes) -> bytes:
        return (start + piece * (size // len(piece) + 1))[:size] + b"\n"

    header = prints.encoded(prints.starting("a.cy.ts", params="x"))
    at = header.rindex(b"\n", 0, header.index("└".encode()))
    rows = "\n".join(f"  │                 {'Group: ' * 140}│" for _ in range(min(size // 1000, 63))).encode()
    return {
        "colour codes": line(b"", b"\x1b[0m"),
        "Running: and colour codes": line(b"  Running:  ", b"\x1b[0m"),
        "colour codes and blanks": line(b"", b"\x1b[0m  \t"),
        "a colour code without end": line(b"\x1b[", b"1;"),
        "box characters": line(b"", "\x1b[90m─\x1b[39m".encode()),
        "a wrapper's parameters": line(b"Tags: ", b"; Group: a, Parallel: "),
        "Params over 64 rows of a box": header[:at] + b"\n" + rows + header[at:],
    }
