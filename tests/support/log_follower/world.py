"""The follower next to its files, restarted from its events alone, and the rule that holds at the end."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.events import LogReplaced, RunRequested
from atvm_pipeline.core.reducer import begin_run, reduce
from atvm_pipeline.shell.sources import log_follower as product
from atvm_pipeline.shell.sources.log_follower import LogFollower
from tests.support.log_follower.files import SCANNER, VERBOSE, Files, Journal, Told
from tests.support.log_follower.parts import Part, brief, joined, labels_of
from tests.support.privileges import no_access


class World(Files):
    """The log and its follower."""

    def __init__(self, folder: Path, *, restart_always: bool = False) -> None:
        super().__init__(folder)
        self.forbidden = False
        self.restart_always = restart_always
        self.run = begin_run(
            RunRequested(seq=1, at=now(), build_name=None, run_id="r", log_path=str(self.log))
        ).run
        self.events: list[Told] = []
        self.tail = self.follower()
        self.told: Counter[str] = Counter()

    def close(self) -> None:
        """Close everything that the follower and the writer have open; a second call does nothing."""
        self.tail.close()
        if self.held is not None:
            self.held.close()

    # --- the follower ---

    def follower(self) -> LogFollower:
        """Return a follower as a new process creates it: from the folded events, encoded and decoded."""
        log = self.run.log
        return LogFollower(
            self.log,
            SCANNER,
            generation=log.generation,
            begin=log.begin,
            state=log.scanner,
            identity=log.identity,
            final=log.final,
            progress_every_s=0,
        )

    def record(self, event: Told) -> None:
        event = replace(event, seq=self.run.seq + 1)
        event = Journal.decode(msgspec.json.encode(event))
        self.events.append(event)
        ignored = self.run.ignored
        self.run = reduce(self.run, event).run
        assert self.run.ignored == ignored, f"reported twice: {event}"

    def read(
        self, *, keep: int | None = None, max_bytes: int = product.READ_BYTES_MAX, final: bool = False
    ) -> None:
        """Scan once; with `keep` the process dies after that many events were recorded."""
        with self.access():
            for number, event in enumerate(self.tail.read(max_bytes=max_bytes, final=final)):
                if number == keep:
                    break
                self.record(event)
            else:
                if keep is None and not self.tail.behind and not self.forbidden:
                    for content in self.contents:
                        content.met |= bool(content.data) and not content.gone
        if keep is not None:
            self.restart()

    def restart(self) -> None:
        self.told["restarts"] += 1
        self.tail.close()
        self.tail = self.follower()
        if not self.events:
            for content in self.contents[:-1]:
                content.early = True

    @contextlib.contextmanager
    def access(self) -> Iterator[None]:
        """Make the log unreadable in the block while it is forbidden."""
        with no_access(self.log) if self.forbidden and self.log.exists() else contextlib.nullcontext():
            yield

    # --- actions of others ---

    def do_forbid(self) -> None:
        self.harm += 1
        self.forbidden = True

    def do_allow(self) -> None:
        self.forbidden = False

    def do_read(self) -> None:
        self.read()

    def do_read_little(self) -> None:
        self.read(max_bytes=1)

    def do_restart(self) -> None:
        self.restart()

    def do_die_0(self) -> None:
        self.read(keep=0)

    def do_die_1(self) -> None:
        self.read(keep=1)

    def do_die_2(self) -> None:
        self.read(keep=2)

    def act(self, name: str) -> None:
        self.told["actions"] += 1
        if VERBOSE:
            print(name, [brief(event) for event in self.events[-2:]], os.listdir(self.root / "logs"))
        getattr(self, f"do_{name}")()
        if self.restart_always:
            self.restart()

    # --- the rule ---

    def check(self) -> None:
        """Read to the end, then compare the reported content with the written content."""
        self.forbidden = False
        self.do_reopen()
        self.read()
        while self.tail.behind:
            self.read()
        self.read(final=True)
        self.tail.close()
        gaps = sum(isinstance(e, LogReplaced) and e.unread_bytes != 0 for e in self.events)
        self.told["gaps reported"] += gaps
        self.told["files"] += len(self.contents)
        assert gaps <= 2 * self.harm, f"{gaps} gaps reported, {self.harm} actions that may cost bytes"
        parts = list(Part.all_of(self.events))
        self.contents = [content for content in self.contents if content.data]
        last = len(self.contents) - 1
        whole = self.log.exists() and self.log.stat().st_size > 0
        assert self.explained(parts, 0, 0, b"", last if whole else None), self.story(parts)

    def explained(self, parts: list["Part"], number: int, at: int, data: bytes, last: int | None) -> bool:
        """Return whether parts from `number` on match the contents from `at` on; `data` was read before."""
        if number == len(parts):
            return last is None or at == last + 1
        part = parts[number]
        ends = number + 1 == len(parts) or not parts[number + 1].whole
        if not part.length:
            fits = not ends or labels_of(data) == joined(parts, number)
            return fits and self.explained(parts, number + 1, at, b"" if ends else data, last)
        # Only a gap may hide a content. A content that came and went between two scans cannot be known.
        for index in range(at, len(self.contents)):
            content = self.contents[index]
            cut = number + 1 < len(parts) and ends
            if len(content.data) == part.length or (cut and len(content.data) > part.length):
                read = data + content.data[: part.length]
                if (not ends or labels_of(read) == joined(parts, number)) and self.explained(
                    parts, number + 1, index + 1, b"" if ends else read, last
                ):
                    return True
            if not part.gap and content.data and not content.early and not (content.gone and not content.met):
                return False
        return False

    def story(self, parts: list["Part"]) -> str:
        written = [(len(c.data), "gone" if c.gone else "", "met" if c.met else "") for c in self.contents]
        return f"written {written}, reported {parts}\n" + "\n".join(map(brief, self.events))


def now() -> datetime:
    return datetime(2026, 11, 23, tzinfo=UTC)
