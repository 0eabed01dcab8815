"""The inventory of virtual machines, a Markdown file that people maintain: which host has which kernel.

A table counts if its headings name a host (`host`, `name` or `vm`) and a kernel. No content raises an exception: a run
must not fail because a table was edited.
"""

import re
from collections.abc import Iterator, Mapping

INVENTORY_LINES_MAX = 100_000
INVENTORY_LINE_CHARS_MAX = 4096
HOSTS_MAX = 10_000
KERNEL_CHARS_MAX = 120

_CELL_BORDER = re.compile(r"(?<!\\)\|")
_DELIMITER = re.compile(r":?-+:?")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()]*\)")
_HOST = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}(?=$|[\s(,;/])")
_NO_VALUE = frozenset({"", "-", "--", "–", "—", "?", "n/a", "na", "none", "unknown", "tbd", "null"})
_NOT_A_VM = frozenset(
    {"esx", "esxi", "hypervisor", "physical", "parent", "os", "datastore", "template", "file"}
)
"""Words in a heading such as `ESXi host` or `OS name`: that column does not name the machine of the row."""


def read_inventory(text: str) -> dict[str, str | None]:
    """Return host -> kernel in the file's order, None without a kernel; of two rows for a host, the first with a kernel."""
    inventory: dict[str, str | None] = {}
    spelled: dict[str, str] = {}
    for host, kernel in _rows(text):
        name = spelled.setdefault(host.casefold(), host)
        if name not in inventory and len(inventory) >= HOSTS_MAX:
            break
        inventory[name] = inventory.get(name) or kernel
    return inventory


def kernel_of(inventory: Mapping[str, str | None], host: str) -> str | None:
    """Return the kernel of `host`, without regard to case; None if the host or its kernel is not known."""
    if host in inventory:
        return inventory[host]
    folded = host.casefold()
    return next((kernel for name, kernel in inventory.items() if name.casefold() == folded), None)


def _rows(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield host and kernel of every row of every table that has both columns."""
    columns: tuple[int, int] | None = None
    above: list[str] = []
    for line in _lines(text):
        cells = _cells(line)
        if not cells:
            columns, above = None, []
        elif above and len(cells) == len(above) and all(_DELIMITER.fullmatch(cell) for cell in cells):
            columns, above = _columns(above), []
        elif columns is None:
            above = cells
        elif len(cells) > columns[0]:
            match = _HOST.match(cells[columns[0]])
            if match is not None:
                yield match[0], _value(cells[columns[1]]) if len(cells) > columns[1] else None


def _lines(text: str) -> Iterator[str]:
    """Yield the lines outside of fenced code, without lines that are too long."""
    fence = ""
    for raw in _split(text):
        line = raw.strip() if len(raw) <= INVENTORY_LINE_CHARS_MAX else ""
        mark = line[:3]
        if fence:
            fence = "" if mark == fence else fence
            yield ""
        elif mark in ("```", "~~~"):
            fence = mark
            yield ""
        else:
            yield line


def _split(text: str) -> Iterator[str]:
    """Yield the first lines of a text one at a time, so that no list of all lines is built."""
    start = 0
    for _ in range(INVENTORY_LINES_MAX):
        end = text.find("\n", start)
        if end < 0:
            yield text[start:]
            return
        yield text[start:end]
        start = end + 1


def _cells(line: str) -> list[str]:
    """Return a table row's cells without Markdown's decoration, [] for a line that is not a table row."""
    if "|" not in line:
        return []
    cells = _CELL_BORDER.split(line)
    if line.startswith("|"):
        cells = cells[1:]
    if len(cells) > 1 and not cells[-1].strip():
        cells = cells[:-1]
    return [_plain(cell) for cell in cells]


def _plain(cell: str) -> str:
    text = _LINK.sub(r"\1", cell.replace(r"\|", "|"))
    return " ".join(re.sub(r"[`*]", "", text).split())


def _columns(headings: list[str]) -> tuple[int, int] | None:
    """Return the columns of host and kernel; None if the table does not have both."""
    kernel = next((at for at, heading in enumerate(headings) if "kernel" in heading.casefold()), None)
    ranked = sorted((_rank(heading), at) for at, heading in enumerate(headings) if at != kernel)
    if kernel is None or not ranked or ranked[0][0] > 2:  # noqa: PLR2004 - the ranks of _rank
        return None
    return ranked[0][1], kernel


def _rank(heading: str) -> int:
    """Return how well a heading names the machine of a row: 0 is best, 3 is not at all."""
    folded = heading.casefold()
    if not any(word in folded for word in ("host", "name", "vm")):
        return 3
    words = set(re.findall(r"[a-z]+", folded))
    if words & _NOT_A_VM:
        return 2
    return 0 if "host" in folded or "vm" in folded else 1


def _value(cell: str) -> str | None:
    plain = "".join(char for char in cell if char.isprintable())[:KERNEL_CHARS_MAX]
    return None if plain.casefold() in _NO_VALUE else plain
