"""The follower against a model: whatever happens to the file, what was written is read, or the gap is said.

Usage: python -m tests.shell.follow_model [--sequences 20000] [--seed N] [--actions 30]

An action does to a real file what writers, rotations and people do; the model remembers each content that a file had.
The follower is restarted from its recorded events alone.  At the end every content must have been read in order and to
its last byte, or a `LogReplaced` with an unknown loss must stand where it is missing.
"""

import argparse
import contextlib
import gzip
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.events import LogRead, LogReplaced, RunRequested
from atvm_pipeline.core.facts import ChildLaunched
from atvm_pipeline.core.recognise.console import Scanner, ScannerState
from atvm_pipeline.core.recognise.dialect import Dialect
from atvm_pipeline.core.reducer import begin, reduce
from atvm_pipeline.shell import tail as product
from atvm_pipeline.shell.tail import Tail

SCANNER = Scanner(Dialect())
NOBODY = 65534
LONG_BYTES = 600_000
BANNER = b"= the same first kilobyte in every log =\n" * 30
VERBOSE = bool(os.environ.get("FOLLOW_VERBOSE"))
Told = LogRead | LogReplaced
Journal = msgspec.json.Decoder(Told)


class Content:
    """What one file held between two cuts, as it was written."""

    def __init__(self) -> None:
        self.data = b""
        self.gone = False
        """Cut or deleted."""
        self.early = False
        """It was left before the follower knew of any file: nobody can tell it from the log of another day."""
        self.met = False
        """A whole look took place while it was there: from then on nothing of it may be missing in silence."""


class World:
    """The log and its follower."""

    def __init__(self, folder: Path, *, restart_always: bool = False) -> None:
        folder.chmod(0o755)
        self.root = folder
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.log = self.folder / "runner.log"
        self.contents = [Content()]
        self.held: IO[bytes] | None = None
        self.rest = b""
        self.position = 0
        """Where a writer without O_APPEND stands."""
        self.count = 0
        self.folders = 0
        self.targets = 0
        self.harm = 0
        """What may have cost bytes."""
        self.forbidden = False
        self.restart_always = restart_always
        self.run = begin(
            RunRequested(seq=1, at=now(), build_name=None, run_id="r", log_path=str(self.log))
        ).run
        self.events: list[Told] = []
        self.tail = self.follower()
        self.told: Counter[str] = Counter()

    # --- the follower ---

    def follower(self) -> Tail:
        """A follower as a new process makes it: from the folded events, which went through their bytes."""
        log = self.run.log
        return Tail(
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
        assert self.run.ignored == ignored, f"told twice: {event}"

    def read(
        self, *, keep: int | None = None, max_bytes: int = product.READ_BYTES_MAX, final: bool = False
    ) -> None:
        """One look; with `keep` the process dies after so many events were recorded."""
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
        """While it is forbidden, nobody may open the log: root reads as a user to whom permissions apply."""
        path = self.log
        if not self.forbidden or not path.exists():
            yield
            return
        mode = path.stat().st_mode
        path.chmod(0)
        if os.getuid() == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            path.chmod(mode)

    # --- actions of a writer ---

    def line(self) -> bytes:
        self.count += 1
        return f"cypress run --record --ci-build-id label-{self.count}\n".encode()

    def do_write(self) -> None:
        self.append(self.line())

    def do_half(self) -> None:
        # Numbered in front: a short file that is the begin of the old one would be a copy of it.
        line = self.line()
        cut = self.count % len(line)
        self.append(b"# %d\n" % self.count + line[:cut])
        self.rest = line[cut:]

    def do_rest(self) -> None:
        """The other half, wherever the log is by now."""
        if self.rest:
            self.append(self.rest)
            self.rest = b""

    def do_noise(self) -> None:
        self.count += 1
        self.append(b"\0 bad UTF-8 \xff\xc3 %d\n" % self.count)

    def do_banner(self) -> None:
        self.append(BANNER + self.line())

    def do_much(self) -> None:
        self.append(b"".join(self.line() for _ in range(40)))

    def do_long(self) -> None:
        """One line of several blocks, longer than any line that is read."""
        self.count += 1
        self.append(b"%d" % self.count + b"x" * LONG_BYTES + b"\n" + self.line())

    def append(self, data: bytes) -> None:
        if self.held is not None:
            self.held.write(data)
            self.held.flush()
        else:
            with self.log.open("ab") as file:
                file.write(data)
        self.contents[-1].data += data
        self.position = len(self.contents[-1].data)

    def do_reopen(self) -> None:
        if self.held is not None:
            self.held.close()
            self.held = None
            self.begin_content()

    def begin_content(self) -> None:
        self.contents[-1].early |= not self.events and self.tail.identity is None
        self.contents.append(Content())

    # --- actions of a rotation ---

    def do_rename(self) -> None:
        """As logrotate does it: every number goes up by one."""
        self.do_reopen()
        if self.log.exists():
            self.shift()
            self.begin_content()

    def do_rename_create(self) -> None:
        self.do_rename()
        self.log.touch()

    def do_rename_held(self) -> None:
        """The writer goes on in the renamed file, however often it is renamed."""
        if self.held is None and self.log.exists():
            self.held = self.log.open("ab")
            self.shift()

    def shift(self) -> None:
        for number in sorted((int(p.name.split(".")[2]) for p in self.rotated()), reverse=True):
            for old in self.folder.glob(f"runner.log.{number}*"):
                old.rename(old.with_name(old.name.replace(f".log.{number}", f".log.{number + 1}")))
        self.log.rename(self.folder / "runner.log.1")

    def rotated(self) -> list[Path]:
        return sorted(self.folder.glob("runner.log.[0-9]*"), key=lambda path: int(path.name.split(".")[2]))

    def do_pack(self) -> None:
        """The youngest rotated file is compressed."""
        if self.rotated() and self.rotated()[0].suffix != ".gz" and not self.rotated()[0].is_symlink():
            self.do_reopen()
            self.harm += 1
            path = self.rotated()[0]
            packed = path.with_name(path.name + ".gz")
            packed.write_bytes(gzip.compress(path.read_bytes()))
            os.utime(packed, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
            path.unlink()

    def do_prune(self) -> None:
        """The oldest rotated file is deleted."""
        if self.rotated():
            self.do_reopen()
            self.harm += 1
            self.rotated()[-1].unlink()

    def do_truncate(self) -> None:
        if self.held is None and self.log.exists():
            self.harm += 1
            os.truncate(self.log, 0)
            self.contents[-1].gone = True
            self.begin_content()

    def do_copytruncate(self) -> None:
        """The copy takes its place among the rotated files."""
        if self.held is None and self.log.exists():
            copy = self.log.read_bytes()
            inode = self.log.stat().st_ino
            self.shift()
            (self.folder / "runner.log.1").rename(self.log)
            (self.folder / "runner.log.1").write_bytes(copy)
            assert self.log.stat().st_ino == inode
            self.do_truncate()

    def do_regrow(self) -> None:
        """Cut, and grown past the old length before anybody looks."""
        length = len(self.contents[-1].data)
        self.do_truncate()
        while self.held is None and len(self.contents[-1].data) <= length:
            self.append(self.line())

    def do_hole(self) -> None:
        """A writer without O_APPEND goes on where it was in a log that was cut: NULs in front."""
        length = self.position
        self.do_truncate()
        if self.held is None and self.log.exists() and length:
            self.append(b"\0" * length + b"\n" + self.line())

    def do_delete(self) -> None:
        self.do_reopen()
        if self.log.exists():
            self.harm += 1
            if self.log.is_symlink():
                Path(os.path.realpath(self.log)).unlink()
            self.log.unlink()
            self.contents[-1].gone = True
            self.begin_content()

    def do_recreate(self) -> None:
        self.do_delete()
        self.do_write()

    def do_folder(self) -> None:
        """The folder is replaced by a new one."""
        self.do_reopen()
        self.harm += 1
        self.folders += 1
        self.folder.rename(self.root / f"logs.{self.folders}")
        self.folder.mkdir()
        self.begin_content()

    def do_link(self) -> None:
        """The log is a link; it is switched to a new file."""
        self.do_reopen()
        self.harm += 1
        self.targets += 1
        target = self.folder / f"target-{self.targets}.log"
        if self.log.exists() and not self.log.is_symlink():
            self.log.rename(target)
        else:
            target.touch()
            self.begin_content()
        link = self.folder / "link"
        link.symlink_to(target.name)
        link.rename(self.log)

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
        """Read to the end, then hold what was told against what was written."""
        self.forbidden = False
        self.do_reopen()
        self.read()
        while self.tail.behind:
            self.read()
        self.read(final=True)
        self.tail.close()
        gaps = sum(isinstance(e, LogReplaced) and e.unread_bytes != 0 for e in self.events)
        self.told["gaps said"] += gaps
        self.told["files"] += len(self.contents)
        assert gaps <= 2 * self.harm, f"{gaps} gaps said, {self.harm} actions that may cost bytes"
        parts = list(Part.all_of(self.events))
        self.contents = [content for content in self.contents if content.data]
        last = len(self.contents) - 1
        whole = self.log.exists() and self.log.stat().st_size > 0
        assert self.explained(parts, 0, 0, b"", last if whole else None), self.story(parts)

    def explained(self, parts: list["Part"], number: int, at: int, data: bytes, last: int | None) -> bool:
        """Whether parts from `number` on are what the contents from `at` on would give, `data` being read before."""
        if number == len(parts):
            return last is None or at == last + 1
        part = parts[number]
        ends = number + 1 == len(parts) or not parts[number + 1].whole
        if not part.length:
            fits = not ends or labels_of(data) == joined(parts, number)
            return fits and self.explained(parts, number + 1, at, b"" if ends else data, last)
        # Only a gap may hide a content; and nobody can know of one that came and went between two looks.
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
        return f"written {written}, told {parts}\n" + "\n".join(map(brief, self.events))


class Part:
    """What was told of one generation."""

    def __init__(self, *, whole: bool, gap: bool) -> None:
        self.whole = whole
        """It goes on with the stream of the one before."""
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
                # Behind a gap a file without anything in it may come first.
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
    """The labels of the reading that ends with part `number`: of all parts that go on with one another."""
    first = number
    while parts[first].whole:
        first -= 1
    return [label for part in parts[first : number + 1] for label in part.labels]


def brief(event: Told) -> str:
    """One event, short enough to read a failing sequence."""
    inode = event.identity.inode if event.identity is not None else None
    if isinstance(event, LogReplaced):
        return f"replaced {event.generation} {event.why} lost {event.unread_bytes} begin {event.begin} inode {inode}"
    final = " final" if event.final else ""
    return f"read {event.generation} {event.start}..{event.end} {len(event.facts)} facts inode {inode}{final}"


def labels_of(data: bytes) -> list[str]:
    """What one uncut log with these bytes says."""
    scan = SCANNER.scan(ScannerState(), data)
    return [f.label for f in (*scan.facts, *SCANNER.finish(scan.state).facts) if isinstance(f, ChildLaunched)]


def now() -> datetime:
    return datetime(2026, 11, 23, tzinfo=UTC)


ACTIONS = tuple(name[3:] for name in vars(World) if name.startswith("do_"))
LOSSLESS = (
    *(
        "write",
        "half",
        "rest",
        "noise",
        "banner",
        "much",
        "long",
        "reopen",
        "rename",
        "rename_create",
        "rename_held",
    ),
    *("read", "read_little", "restart", "die_0", "die_1", "die_2"),
)
"""Actions after which every byte is there to be read, so that none may be missing and no gap said."""
PART = 0.4
OFTEN = ("write", "write", "half", "rest", "read", "read", "rename")
"""What happens more often than the rest."""


def play(actions: list[str], *, restart_always: bool = False) -> Counter[str]:
    """One sequence, from an empty folder to the last look.  Raises AssertionError if something is missing."""
    folder = Path(tempfile.mkdtemp(prefix="follow-"))
    try:
        world = World(folder, restart_always=restart_always)
        for action in actions:
            world.act(action)
        world.check()
        if all(action in LOSSLESS for action in actions):
            assert not world.told["gaps said"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return world.told


def sequence(dice: random.Random, length: int, actions: tuple[str, ...] = ACTIONS) -> list[str]:
    """Some actions out of a random part of all: what is always in reach of everything else seldom goes far."""
    part = [action for action in (*actions, *OFTEN) if dice.random() < PART] or list(OFTEN)
    return [dice.choice(part) for _ in range(dice.randint(1, length))]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="play these actions, names with spaces between")
    parser.add_argument("--actions", type=int, default=30, help="at most, in one sequence")
    args = parser.parse_args(argv)
    if args.only is not None:
        print(dict(play(args.only.split())))
        return 0
    total: Counter[str] = Counter()
    for number in range(args.sequences):
        dice = random.Random(f"{args.seed}/{number}")  # noqa: S311 - to be repeated
        actions = sequence(dice, args.actions, ACTIONS if dice.random() < 0.7 else LOSSLESS)
        try:
            total += play(actions, restart_always=dice.random() < 0.3)
        except AssertionError as error:
            print(f"sequence {number} of seed {args.seed}: {' '.join(actions)}\n{str(error)[:3000]}")
            return 1
        total["sequences"] += 1
        if total["sequences"] % 1000 == 0:
            print(dict(total), flush=True)
    print(
        ", ".join(
            f"{total[name]} {name}" for name in ("sequences", "actions", "restarts", "files", "gaps said")
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
