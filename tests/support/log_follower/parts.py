"""The content of a follower's events, generation by generation, for its model."""

from collections.abc import Iterator

from atvm_pipeline.core.console.scanner import ScannerState
from atvm_pipeline.core.events import LogReplaced
from atvm_pipeline.core.facts import ChildLaunched
from tests.support.log_follower.files import SCANNER, Told


class Part:
    """The reported content of one generation."""

    def __init__(self, *, whole: bool, gap: bool) -> None:
        self.whole = whole
        """It continues the stream of the previous generation."""
        self.gap = gap
        self.length = 0
        self.labels: list[str] = []

    def __repr__(self) -> str:
        return f"{'+' if self.whole else '|'}{self.length}{self.labels[:6]}"

    @classmethod
    def all_of(cls, events: list[Told]) -> Iterator["Part"]:
        part, base, expected = cls(whole=False, gap=False), 0, 0
        for event in events:
            if isinstance(event, LogReplaced):
                yield part
                assert event.begin == expected, "bytes are counted on"
                # After a gap, an empty file may come first.
                empty = part.gap and not part.length
                part = cls(whole=event.unread_bytes == 0, gap=empty or event.unread_bytes != 0)
                base = event.begin
                continue
            assert event.start == expected, "the ranges touch"
            expected = event.end
            part.length = event.end - base
            part.labels += [fact.label for fact in event.facts if isinstance(fact, ChildLaunched)]
        yield part


def joined(parts: list[Part], number: int) -> list[str]:
    """Return the labels of the reading that ends with part `number`: all parts that continue one another."""
    first = number
    while parts[first].whole:
        first -= 1
    return [label for part in parts[first : number + 1] for label in part.labels]


def brief(event: Told) -> str:
    """Return one event, short enough to read a failing sequence."""
    inode = event.identity.inode if event.identity is not None else None
    if isinstance(event, LogReplaced):
        return f"replaced {event.generation} {event.why} lost {event.unread_bytes} begin {event.begin} inode {inode}"
    final = " final" if event.final else ""
    return f"read {event.generation} {event.start}..{event.end} {len(event.facts)} facts inode {inode}{final}"


def labels_of(data: bytes) -> list[str]:
    """Return the labels that one uncut log with these bytes contains."""
    scan = SCANNER.scan(ScannerState(), data)
    return [f.label for f in (*scan.facts, *SCANNER.finish(scan.state).facts) if isinstance(f, ChildLaunched)]
