"""Generates output of Cypress 12.17.4 on demand: the grammar of its printing code, without its code."""

from collections.abc import Sequence

WIDE = 100


def cut(text: str, columns: int) -> list[str]:
    return [text[at : at + columns] for at in range(0, len(text), columns)] or [""]


def edge(left: str, right: str) -> str:
    return f"  {left}{'─' * 96}{right}"


def boxed(rows: Sequence[tuple[str, str]], key_columns: int, value_columns: int) -> list[str]:
    lines = [edge("┌", "┐")]
    for key, value in rows:
        pieces = cut(value, value_columns)
        for number, piece in enumerate(pieces):
            head = f"{key}:" if number == 0 else ""
            lines.append(f"  │ {head.ljust(key_columns)}{piece}".ljust(98) + "│")
    return [*lines, edge("└", "┘")]


def starting(*specs: str, params: str = "", run_url: str = "", cypress: str = "12.17.4") -> list[str]:
    """Return `(Run Starting)` and its box."""
    rows = [
        ("Cypress", cypress),
        ("Browser", "Chrome 116 (headless)"),
        ("Node Version", "v18.17.1 (/usr/local/bin/node)"),
        ("Specs", f"{len(specs)} found ({', '.join(specs)})"),
        ("Searched", "cypress/e2e/**/*.cy.ts"),
    ]
    rows += [("Params", params)] if params else []
    rows += [("Run URL", run_url)] if run_url else []
    return ["", "=" * WIDE, "", "  (Run Starting)", "", *boxed(rows, 16, 78), "", ""]


def running(spec: str, position: int = 1, total: int = 1) -> list[str]:
    """Return the divider and `Running:`."""
    first, *rest = cut(spec, 68)
    head = f"  Running:  {first.ljust(68)}"
    head += f"({position} of {total})".rjust(WIDE - len(head))
    return ["─" * WIDE, " " * WIDE, head, *(f"{' ' * 12}{piece}".ljust(WIDE) for piece in rest)]


def results(spec: str, passing: int = 1, failing: int = 0, *, duration: str = "3 seconds") -> list[str]:
    """Return `(Results)` and its box."""
    counts = (passing + failing, passing, failing, 0, 0, 0)
    names = ("Tests", "Passing", "Failing", "Pending", "Skipped", "Screenshots")
    rows = [(name, str(number)) for name, number in zip(names, counts, strict=True)]
    rows += [("Video", "false"), ("Duration", duration), ("Spec Ran", spec)]
    return ["", "  (Results)", "", *boxed(rows, 14, 80), "", ""]


def epilogue(passing: int = 1, failures: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return `N passing`, `N failing` and failure blocks; each failure: suite, title, lines of the error."""
    lines = ["", "", f"  {passing} passing (3s)"]
    if failures:
        lines += [f"  {len(failures)} failing", ""]
    for number, (suite, title, *error) in enumerate(failures, 1):
        lines += [f"  {number}) {suite}", f"       {title}:", f"     {error[0]}", *error[1:]]
        lines += ["      at Context.eval (webpack:///./spec.cy.ts:7:22)", ""]
    return [*lines, "", ""]


def row(spec: str, counts: Sequence[int], mark: str = "✔", duration: str = "00:03") -> list[str]:
    first, *rest = cut(spec, 35)
    cells = "".join((str(count) if count else "-").rjust(9) for count in counts)
    head = f"  │ {mark}  {first.ljust(35)}  {duration.rjust(8)}{cells}"
    return [head.ljust(97) + " │", *(f"  │    {piece}".ljust(98) + "│" for piece in rest)]


def finished(rows: Sequence[list[str]], verdict: str, counts: Sequence[int], mark: str = "✔") -> list[str]:
    """Return `(Run Finished)`, the table and the totals row."""
    lines = [
        "=" * WIDE,
        "",
        "  (Run Finished)",
        "",
        "",
        "       Spec      Tests  Passing  Failing  Pending  Skipped  ",
        edge("┌", "┐"),
    ]
    for number, line in enumerate(rows):
        lines += [*([edge("├", "┤")] if number else []), *line]
    cells = "".join((str(count) if count else "-").rjust(9) for count in counts)
    return [*lines, edge("└", "┘"), f"    {mark}  {verdict.ljust(35)}  {'00:03'.rjust(8)}{cells}  ", ""]


def recorded(url: str) -> list[str]:
    return ["", "─" * WIDE, " " * WIDE, f"  Recorded Run: {url}", ""]


def whole_spec(spec: str, position: int = 1, total: int = 1) -> list[str]:
    """Return one passing spec, from `Running:` to its box."""
    return [
        *running(spec, position, total),
        "",
        "",
        "  A suite",
        "    ✓ works (62ms)",
        *epilogue(),
        *results(spec),
    ]


def whole_run(*specs: str) -> list[str]:
    """Return a run in which every spec passes."""
    lines = starting(*specs)
    for position, spec in enumerate(specs, 1):
        lines += whole_spec(spec, position, len(specs))
    return [
        *lines,
        *finished(
            [row(spec, (1, 1, 0, 0, 0)) for spec in specs],
            "All specs passed!",
            (len(specs), len(specs), 0, 0, 0),
        ),
    ]


def coloured(line: str) -> str:
    """Return the line as a terminal gets it: each box character coloured separately, titles underlined."""
    for title in ("Run Starting", "Results", "Run Finished"):
        line = line.replace(f"({title})", f"(\x1b[4m\x1b[1m{title}\x1b[22m\x1b[24m)")
    for char in "─│┌┐└┘├┤":
        line = line.replace(char, f"\x1b[90m{char}\x1b[39m")
    if line.startswith("  Running:  "):
        line = (
            "  Running:  \x1b[90m"
            + line.removeprefix("  Running:  ").replace("(", "\x1b[39m\x1b[90m(")
            + "\x1b[39m"
        )
    return f"\x1b[0m{line}\x1b[0m" if line.strip() else line


def encoded(lines: Sequence[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()
