"""The files of the follower's model: every content that the log had, and the actions that change it."""

import gzip
import os
from pathlib import Path
from typing import IO

import msgspec

from atvm_pipeline.core.console.scanner import Scanner
from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import LogRead, LogReplaced

SCANNER = Scanner(Dialect())
LONG_BYTES = 600_000
BANNER = b"= the same first kilobyte in every log =\n" * 30
VERBOSE = bool(os.environ.get("FOLLOW_VERBOSE"))
Told = LogRead | LogReplaced
Journal = msgspec.json.Decoder(Told)


class Content:
    """The bytes of one file between two cuts, as they were written."""

    def __init__(self) -> None:
        self.data = b""
        self.gone = False
        """It was cut or deleted."""
        self.early = False
        """It ended before the follower knew any file; it looks the same as the log of another day."""
        self.met = False
        """A complete scan took place while it existed: from then on, a missing part must be reported."""


class Files:
    """The log, and the operations of writers and rotations on it."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.root = folder
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.log = self.folder / "runner.log"
        self.contents = [Content()]
        self.held: IO[bytes] | None = None
        self.rest = b""
        self.position = 0
        """The offset of a writer without O_APPEND."""
        self.count = 0
        self.folders = 0
        self.targets = 0
        self.harm = 0
        """The number of actions that may have cost bytes."""

    # --- actions of a writer ---

    def line(self) -> bytes:
        self.count += 1
        return f"cypress run --record --ci-build-id label-{self.count}\n".encode()

    def do_write(self) -> None:
        self.append(self.line())

    def do_half(self) -> None:
        # The number comes first: otherwise, a short file that equals the start of the old one would be a copy
        # of it.
        line = self.line()
        cut = self.count % len(line)
        self.append(b"# %d\n" % self.count + line[:cut])
        self.rest = line[cut:]

    def do_rest(self) -> None:
        """Write the other half, wherever the log is by now."""
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
        """Write one line of several blocks, longer than any line that is read."""
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
        """Rotate as logrotate does: every number increases by one."""
        self.do_reopen()
        if self.log.exists():
            self.shift()
            self.begin_content()

    def do_rename_create(self) -> None:
        self.do_rename()
        self.log.touch()

    def do_rename_held(self) -> None:
        """Rename the file under its writer, which continues in it, however often it is renamed."""
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
        """Compress the youngest rotated file."""
        if self.rotated() and self.rotated()[0].suffix != ".gz" and not self.rotated()[0].is_symlink():
            self.do_reopen()
            self.harm += 1
            path = self.rotated()[0]
            packed = path.with_name(path.name + ".gz")
            packed.write_bytes(gzip.compress(path.read_bytes()))
            os.utime(packed, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
            path.unlink()

    def do_prune(self) -> None:
        """Delete the oldest rotated file."""
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
        """Copy the log and truncate it; the copy takes its place among the rotated files."""
        if self.held is None and self.log.exists():
            copy = self.log.read_bytes()
            inode = self.log.stat().st_ino
            self.shift()
            (self.folder / "runner.log.1").rename(self.log)
            (self.folder / "runner.log.1").write_bytes(copy)
            assert self.log.stat().st_ino == inode
            self.do_truncate()

    def do_regrow(self) -> None:
        """Cut the log and let it grow past the old length before the next scan."""
        length = len(self.contents[-1].data)
        self.do_truncate()
        while self.held is None and len(self.contents[-1].data) <= length:
            self.append(self.line())

    def do_hole(self) -> None:
        """Let a writer without O_APPEND continue at its old offset in a log that was cut: NULs come first."""
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
        """Replace the directory by a new one."""
        self.do_reopen()
        self.harm += 1
        self.folders += 1
        self.folder.rename(self.root / f"logs.{self.folders}")
        self.folder.mkdir()
        self.begin_content()

    def do_link(self) -> None:
        """Make the log a link and switch it to a new file."""
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
