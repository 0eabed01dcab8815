"""The reports as a source: which files lie in the artifact folder, and what each version of them says.

Whose a report is and what follows from it is the core's to say.  A file that looks half written is "not yet"; only a
last scan gives it up.
"""

import math
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from posixpath import basename
from typing import NamedTuple

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.events import ArtifactWritten
from atvm_pipeline.core.junit.report import REPORT_BYTES_MAX, Refusal, Report, parse_report
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.files import open_regular
from atvm_pipeline.shell.system.log import log

Version = tuple[int, int, int]
"""inode, size in bytes, mtime in nanoseconds: another version has another one of them."""

REPORT_FILES_MAX = 100_000
"""Files of the artifact folder that are looked at."""
ENTRIES_MAX = 200_000
"""Names of any kind that are looked at in one scan."""
ARTIFACTS_DEPTH_MAX = 16
"""Folders within folders that are looked into."""
STALE_MAX = 1000
"""Stale files that are told; more of the same says nothing new."""
TRIES_MAX = 3
"""Readings of one unchanged unfinished file before it is left to the full scans."""
FULL_EVERY_S = 30.0
"""A scan of hinted paths looks at everything after this: a hint may have been lost."""
FULL_SHARE = 0.0001
"""At most this part of the time goes into looking at everything, but for where somebody asks for it."""
SAME_MTIME_NS = 2000
"""Events keep times to the microsecond, records to the nanosecond."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Tries(NamedTuple):
    """The readings of one version of an unfinished file."""

    version: Version
    readings: int
    since_s: float
    """When that version was found."""


def list_artifacts(folder: Path, dialect: Dialect) -> dict[str, Version]:
    """Relative path -> version of every report file below `folder`; {} if there is no such folder.  Never raises.

    At most FILES_MAX files, DEPTH_MAX folders deep.  Linked folders are not entered, and a linked file counts only if
    it lies below `folder`.
    """
    return {
        name: version
        for name, (_, version) in _listing(folder, "", re.compile(dialect.artifact_files)).items()
    }


def version_of(artifact: ArtifactWritten) -> Version:
    """The version that an event speaks of, its time to the microsecond."""
    return (artifact.inode, artifact.size, (artifact.mtime - _EPOCH) // timedelta(microseconds=1) * 1000)


class ReportScanner:
    """The report files of one run, each version told once."""

    def __init__(
        self,
        folder: Path,
        workdir: Path,
        dialect: Dialect,
        baseline: Mapping[str, Version],
        *,
        seen: Mapping[str, Version] | None = None,
        rivals: Callable[[Report], tuple[str, ...]] = lambda _report: (),
        patience_s: float = math.inf,
    ) -> None:
        """`baseline` is `list_artifacts` before the template; `seen` what was told before a restart, by the event's path.

        `rivals` names the other living runs that a report fits as well.  A half-written file that has not changed for
        `patience_s` is read as it is by a scan of everything.
        """
        self._folder = folder
        self._workdir = workdir
        self._files = re.compile(dialect.artifact_files)
        self._baseline = baseline
        self._rivals = rivals
        self._seen: dict[str, Version] = dict(seen or {})
        self._patience_s = patience_s
        self._tries: dict[str, _Tries] = {}
        self._stale = 0
        self._cut_told = False
        self._full_at_s: float | None = None
        self._full_every_s = FULL_EVERY_S

    def scan(
        self, paths: Collection[Path] | None = None, *, final: bool = False
    ) -> Iterator[ArtifactWritten]:
        """What is new, the oldest first: everywhere (None), or at `paths` and where a file was not finished before.

        `final`: what cannot be read even now is told as refused.
        """
        now_s = clock.monotonic()
        full = paths is None or self._full_at_s is None or now_s - self._full_at_s >= self._full_every_s
        if full or final:
            self._full_at_s = now_s
            found = _listing(self._folder, "", self._files, self._tell_cut)
            self._forget_all_but(found)
            self._full_every_s = max(FULL_EVERY_S, (clock.monotonic() - now_s) / FULL_SHARE)
        else:
            found = self._at(paths or ())
        for name, (path, version) in sorted(found.items(), key=lambda item: (item[1][1][2], item[0])):
            if not _same(self._seen.get(self._shown(name)), version):
                yield from self._look(
                    name, path, version, final=final, insist=full or final, ask_all=paths is None
                )

    def _tell_cut(self) -> None:
        if not self._cut_told:
            self._cut_told = True
            log(
                f"{self._folder} contains more than {REPORT_FILES_MAX} reports or {ENTRIES_MAX} names; the rest is ignored"
            )

    def _forget_all_but(self, found: Collection[str]) -> None:
        """Keep memory bounded by what lies in the folder."""
        shown = {self._shown(name) for name in found}
        self._seen = {name: version for name, version in self._seen.items() if name in shown}
        self._tries = {name: tries for name, tries in self._tries.items() if name in found}

    def _at(self, paths: Collection[Path]) -> "Listing":
        """The report files at or below the hinted paths, and those that were not finished."""
        found: Listing = {}
        for path in {*paths, *(self._folder / name for name in self._tries)}:
            try:
                name = path.relative_to(self._folder).as_posix()
            except ValueError:
                continue
            if ".." not in name.split("/"):
                found.update(_listing(self._folder, "" if name == "." else name, self._files))
        return found

    def _look(
        self, name: str, path: str, version: Version, *, final: bool, insist: bool, ask_all: bool
    ) -> Iterator[ArtifactWritten]:
        shown = self._shown(name)
        if self._baseline.get(name) == version:
            # The one that is kept anyway: there may be many thousands.
            self._seen[shown] = self._baseline[name]
            self._stale += 1
            if self._stale <= STALE_MAX:
                yield _event(shown, version, stale=True)
            return
        tries = self._tries.get(name)
        if tries is None or tries.version != version:
            tries = _Tries(version, 0, clock.monotonic())
        if tries.readings >= TRIES_MAX and not insist:
            return
        given_up = final or (ask_all and self._has_waited(tries))
        read = _read(path, version, given_up=given_up)
        if read is None:
            # It is gone again, or another version by now: the next scan meets that.
            self._tries[name] = tries._replace(readings=0)
            return
        # A change of permissions makes no new version, so an unreadable file is tried until the end.
        waiting = (
            not final
            if isinstance(read, OSError)
            else isinstance(read, Refusal) and read.retry and not given_up
        )
        if waiting:
            self._tries[name] = tries._replace(readings=tries.readings + 1)
            return
        self._tries.pop(name, None)
        self._seen[shown] = version
        match read:
            case OSError():
                yield _event(shown, version, refusal=f"cannot be read: {read.strerror}", unfinished=True)
            case Refusal():
                yield _event(shown, version, refusal=read.reason, unfinished=read.retry)
            case _:
                yield _event(
                    shown, version, report=read, rivals=self._rivals(read), unfinished=read.unfinished
                )

    def _has_waited(self, tries: _Tries) -> bool:
        """Whether a version is old enough to be read as it is, by the file's time or since it was found."""
        age_s = clock.now().timestamp() - tries.version[2] / 1e9
        return max(age_s, clock.monotonic() - tries.since_s) >= self._patience_s

    def _shown(self, name: str) -> str:
        """The path as the core is told it: relative to the working directory if it lies below it."""
        path = self._folder / name
        try:
            return path.relative_to(self._workdir).as_posix()
        except ValueError:
            return path.as_posix()


Listing = dict[str, tuple[str, Version]]
"""Path relative to the artifact folder, fit for a record -> (path to open, version)."""


def _listing(
    folder: Path, below: str, files: re.Pattern[str], on_cut: Callable[[], None] = lambda: None
) -> Listing:
    """The report files at or below `folder`/`below`; `on_cut` is called if there are more than are looked at."""
    base = os.fspath(folder)
    root = os.path.realpath(base)
    found: Listing = {}
    if below and not _is_below(os.path.dirname(f"{base}/{below}"), root):  # noqa: PTH120 - a string all along
        return found
    waiting = [below]
    for _ in range(ENTRIES_MAX):
        if not waiting or len(found) >= REPORT_FILES_MAX:
            break
        relative = waiting.pop()
        path = f"{base}/{relative}" if relative else base
        status = _status(path, follow=not relative)
        if status is not None and stat.S_ISDIR(status.st_mode) and relative.count("/") < ARTIFACTS_DEPTH_MAX:
            waiting.extend(f"{relative}/{name}" if relative else name for name in _names(path))
        if not files.fullmatch(basename(path)):
            continue
        if status is not None and stat.S_ISLNK(status.st_mode) and _is_below(path, root):
            status = _status(path, follow=True)
        if status is not None and stat.S_ISREG(status.st_mode):
            name = os.fsencode(relative).decode("utf-8", "replace")
            found[name] = (path, (status.st_ino, status.st_size, status.st_mtime_ns))
    if waiting:
        on_cut()
    return found


def _is_below(path: str, root: str) -> bool:
    return f"{os.path.realpath(path)}/".startswith(f"{root}/")


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)[:ENTRIES_MAX]  # noqa: PTH208 - names are wanted, not Path objects
    except OSError:
        return []


def _status(path: str, *, follow: bool) -> os.stat_result | None:
    try:
        return os.stat(path, follow_symlinks=follow)  # noqa: PTH116 - 100,000 Path objects cost seconds
    except (OSError, ValueError):
        return None


def _read(path: str, version: Version, *, given_up: bool) -> Report | Refusal | OSError | None:
    """Return the content of `version` of the file, or why it cannot be read; None if the file has changed since.

    `given_up`: a half-written file is read as far as possible.
    """
    if version[1] > REPORT_BYTES_MAX:
        return Refusal(reason=f"larger than {REPORT_BYTES_MAX} bytes")
    try:
        opened = open_regular(path)
        if opened is None:
            return None
        with opened, opened.reader() as file:
            data = file.read(version[1] + 1)
            status = os.fstat(opened.number)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    if (status.st_ino, status.st_size, status.st_mtime_ns) != version or len(data) != version[1]:
        return None
    return parse_report(data, final=given_up)


def _same(one: Version | None, other: Version) -> bool:
    return one is not None and one[:2] == other[:2] and abs(one[2] - other[2]) <= SAME_MTIME_NS


def _event(
    shown: str,
    version: Version,
    *,
    stale: bool = False,
    report: Report | None = None,
    refusal: str | None = None,
    rivals: tuple[str, ...] = (),
    unfinished: bool = False,
) -> ArtifactWritten:
    inode, size, mtime_ns = version
    try:
        mtime = _EPOCH + timedelta(microseconds=mtime_ns // 1000)
    except OverflowError:
        # A file may claim any year; a datetime cannot.
        mtime = datetime.max.replace(tzinfo=UTC) if mtime_ns > 0 else datetime.min.replace(tzinfo=UTC)
    return ArtifactWritten(
        at=clock.now(),
        path=shown,
        size=size,
        mtime=mtime,
        inode=inode,
        stale=stale,
        report=report,
        refusal=refusal,
        rivals=rivals,
        unfinished=unfinished,
    )
