"""Report source: the report files in the artifact directory, and the content of each version of them.

The core decides to which run a report belongs and what follows from it. A file that looks half written is retried; only
the last scan gives up on it.
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
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.log import log

Version = tuple[int, int, int]
"""Inode, size in bytes, mtime in nanoseconds: another version of a file differs in one of them."""

REPORT_FILES_MAX = 100_000
"""Limit for report files in the artifact directory."""
ENTRIES_MAX = 200_000
"""Limit for names of any kind in one scan."""
ARTIFACTS_DEPTH_MAX = 16
"""Limit for nested directories."""
STALE_MAX = 1000
"""Limit for reported stale files; more of them add no information."""
TRIES_MAX = 3
"""Reads of one unchanged unfinished file before only full scans retry it."""
FULL_EVERY_S = 30.0
"""A scan of hinted paths becomes a full scan after this time, because a hint may have been lost."""
FULL_SHARE = 0.0001
"""Limit for the share of time spent on full scans, except for requested ones."""
SAME_MTIME_NS = 2000
"""Tolerance for times: events have microseconds, records have nanoseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Tries(NamedTuple):
    """Reads of one version of an unfinished file."""

    version: Version
    readings: int
    since_s: float
    """When that version was found."""


def list_artifacts(folder: Path, dialect: Dialect) -> dict[str, Version]:
    """Return relative path -> version of every report file below `folder`; {} if it does not exist. Never raises.

    At most REPORT_FILES_MAX files, ARTIFACTS_DEPTH_MAX directories deep. Linked directories are not entered, and a
    linked file counts only if it is below `folder`.
    """
    return {
        name: version
        for name, (_, version) in _listing(folder, "", re.compile(dialect.artifact_files)).items()
    }


def version_of(artifact: ArtifactWritten) -> Version:
    """Return the version in an event, with its time to the microsecond."""
    return (artifact.inode, artifact.size, (artifact.mtime - _EPOCH) // timedelta(microseconds=1) * 1000)


class ReportScanner:
    """The report files of one run; each version is reported once."""

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
        """Create the scanner.

        `baseline` is `list_artifacts` before the template; `seen` has the versions reported before a restart, by the
        path in the event. `rivals` returns the other living runs to which a report may also belong. A full scan reads a
        half-written file as it is if it has not changed for `patience_s`.
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
        self._limit_logged = False
        self._full_at_s: float | None = None
        self._full_every_s = FULL_EVERY_S

    def scan(
        self, paths: Collection[Path] | None = None, *, final: bool = False
    ) -> Iterator[ArtifactWritten]:
        """Yield new versions, oldest first: everywhere (None), or at `paths` and for files that were unfinished before.

        `final`: a file that still cannot be read is reported as refused.
        """
        now_s = clock.monotonic()
        full = paths is None or self._full_at_s is None or now_s - self._full_at_s >= self._full_every_s
        if full or final:
            self._full_at_s = now_s
            found = _listing(self._folder, "", self._files, self._log_limit)
            self._forget_all_but(found)
            self._full_every_s = max(FULL_EVERY_S, (clock.monotonic() - now_s) / FULL_SHARE)
        else:
            found = self._at(paths or ())
        for name, (path, version) in sorted(found.items(), key=lambda item: (item[1][1][2], item[0])):
            if not _same(self._seen.get(self._reported_path(name)), version):
                yield from self._examine(
                    name, path, version, final=final, retry=full or final, everywhere=paths is None
                )

    def _log_limit(self) -> None:
        if not self._limit_logged:
            self._limit_logged = True
            log(
                f"{self._folder} contains more than {REPORT_FILES_MAX} reports or {ENTRIES_MAX} names; the rest is ignored"
            )

    def _forget_all_but(self, found: Collection[str]) -> None:
        """Drop the memory of files that are no longer in the directory."""
        shown = {self._reported_path(name) for name in found}
        self._seen = {name: version for name, version in self._seen.items() if name in shown}
        self._tries = {name: tries for name, tries in self._tries.items() if name in found}

    def _at(self, paths: Collection[Path]) -> "Listing":
        """Return the report files at or below the hinted paths, and the unfinished ones."""
        found: Listing = {}
        for path in {*paths, *(self._folder / name for name in self._tries)}:
            try:
                name = path.relative_to(self._folder).as_posix()
            except ValueError:
                continue
            if ".." not in name.split("/"):
                found.update(_listing(self._folder, "" if name == "." else name, self._files))
        return found

    def _examine(
        self, name: str, path: str, version: Version, *, final: bool, retry: bool, everywhere: bool
    ) -> Iterator[ArtifactWritten]:
        shown = self._reported_path(name)
        if self._baseline.get(name) == version:
            # The object of the baseline is kept instead of an equal one, because there may be many thousands.
            self._seen[shown] = self._baseline[name]
            self._stale += 1
            if self._stale <= STALE_MAX:
                yield _event(shown, version, stale=True)
            return
        tries = self._tries.get(name)
        if tries is None or tries.version != version:
            tries = _Tries(version, 0, clock.monotonic())
        if tries.readings >= TRIES_MAX and not retry:
            return
        given_up = final or (everywhere and self._has_waited(tries))
        read = _read(path, version, given_up=given_up)
        if read is None:
            # It is gone again, or has another version by now; the next scan finds that.
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
                yield _event(shown, version, refusal=f"cannot be read: {reason_of(read)}", unfinished=True)
            case Refusal():
                yield _event(shown, version, refusal=read.reason, unfinished=read.retry)
            case _:
                yield _event(
                    shown, version, report=read, rivals=self._rivals(read), unfinished=read.unfinished
                )

    def _has_waited(self, tries: _Tries) -> bool:
        """Return whether a version is old enough to be read as it is.

        Its age counts from the time of the file, or from when it was found if that is longer ago.
        """
        age_s = clock.now().timestamp() - tries.version[2] / 1e9
        return max(age_s, clock.monotonic() - tries.since_s) >= self._patience_s

    def _reported_path(self, name: str) -> str:
        """Return the path for the core: relative to the working directory if the file is below it."""
        path = self._folder / name
        try:
            return path.relative_to(self._workdir).as_posix()
        except ValueError:
            return path.as_posix()


Listing = dict[str, tuple[str, Version]]
"""Path relative to the artifact directory, in valid UTF-8 -> (path to open, version)."""


def _listing(
    folder: Path, below: str, files: re.Pattern[str], on_cut: Callable[[], None] = lambda: None
) -> Listing:
    """Return the report files at or below `folder`/`below`; `on_cut` is called if a limit leaves some out."""
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
        return os.listdir(path)[:ENTRIES_MAX]  # noqa: PTH208 - names are needed, not Path objects
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
        # The time of a file may be outside the range of datetime.
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
