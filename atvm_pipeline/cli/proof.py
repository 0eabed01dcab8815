"""The line of the log that proves a verdict: the error of a failing test, the row with the failure, or the line itself.

The evidence of a state is a place in the log. For a spec, that is the head of its results box, which proves nothing to a
reader; the line that does is near it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from atvm_pipeline.core.console.lines import clean
from atvm_pipeline.core.text import one_line
from atvm_pipeline.core.transitions import ABSENT_CODES
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import log_begin

ERRORS_MAX_BYTES = 256 * 1024
"""Part of the log before a results box in which the error of its spec is searched: fifty failures and their stacks."""
NEAR_MAX_BYTES = 16 * 1024
COUNTED_MAX_BYTES = 512 * 1024 * 1024
"""A place further back in a log has no line number."""
QUOTE_CHARS_MAX = 1000
NEEDLE_CHARS = 60
"""Characters of an error or title that identify its line."""
LINES_BELOW_TITLE_MAX = 6
ROWS = {
    "failed": "Failing",
    "crashed": "Failing",
    "pending": "Pending",
    "skipped": "Skipped",
    "completed": "Passing",
}
"""Detail of a spec's result -> row of its results box."""
_FRAME = re.compile(r"\W*|\W*\((?:Results|Screenshots|Video|Run Finished|Run Starting)\)\W*")
_EDGES = " \t│|"


class Proof(NamedTuple):
    """A line of the log, or the place up to which the log has no result."""

    path: Path
    line: int | None
    """Number of the line in the file; None in a very large log."""
    text: str
    """The line; "" if the proof is that something is absent up to here."""
    spec: str = ""
    """The spec that the line is about, if any."""
    test: str = ""
    """Its first failing test, if any."""

    @property
    def place(self) -> str:
        """Return file and line in words."""
        line = f"line {self.line}" if self.line is not None else "its end"
        if not self.text:
            return f"{self.path.name} has no result up to {line}"
        return self.path.name if self.line is None else f"{self.path.name}, {line}"


class _Window(NamedTuple):
    """Lines of a log around an offset, without colours and control characters."""

    before: list[tuple[int, str]]
    after: list[tuple[int, str]]


class ProofFinder:
    """Finds the lines that prove the verdicts of one run and its sub-runs."""

    def __init__(self, state: dict[str, Any], paths: Paths) -> None:
        """Create a finder for the state of a run. Raises Unreadable."""
        self._state, self._paths = state, paths
        self._begin = log_begin(paths)
        self._counted = (Path(), 0, 1)
        """File, offset and line number up to which lines were counted: places are usually in order."""

    def of_case(self, case: dict[str, Any]) -> Proof | None:
        """Return the line that proves the verdict of a run or sub-run, from the first evidence whose log can be read."""
        code, evidence = case["reason"]["code"], case["reason"]["evidence"]
        if code in ABSENT_CODES:
            evidence = [*_places_of_specs(case, code), *evidence]
        found = (self.of(item, case) for item in evidence)
        return next((proof for proof in found if proof is not None), None)

    def of(self, item: dict[str, Any], case: dict[str, Any]) -> Proof | None:
        """Return the line that a piece of evidence of a run or sub-run points to; None if it is not in a readable log."""
        place, named = item.get("offset"), item.get("path")
        if item["kind"] != "log" or type(place) is not int or not isinstance(named, str):
            return None
        spec = _spec_at(self._state, place)
        # Bytes before `begin` were read from a file that a rotation has renamed since.
        offset = place - self._begin
        path = self._log_path(Path(named))
        window = _read(path, offset, with_errors=spec is not None) if path is not None else None
        if path is None or window is None:
            return None
        code = str(case["reason"]["code"])
        if spec is None and code in ABSENT_CODES:
            return Proof(path, self._line_number(path, offset - 1), "")
        found = _place(window, spec, code)
        if found is None:
            return None
        failures = (spec or {}).get("failures", ())
        return Proof(
            path,
            self._line_number(path, found[0]),
            one_line(found[1].strip(_EDGES), QUOTE_CHARS_MAX),
            spec=one_line(spec["spec"], QUOTE_CHARS_MAX) if spec is not None else "",
            test=one_line(failures[0]["title"], QUOTE_CHARS_MAX) if failures else "",
        )

    def _log_path(self, named: Path) -> Path | None:
        """Return the file to read: a log in the run's directory moves with it, another one may have been replaced."""
        own = self._paths.runner_log
        if named.name == own.name and named.parent.name == self._state.get("build_name"):
            return own
        return None if self._paths.is_archived else named

    def _line_number(self, path: Path, offset: int) -> int | None:
        if offset > COUNTED_MAX_BYTES:
            return None
        counted, at, number = self._counted
        if counted != path or at > offset:
            at, number = 0, 1
        try:
            with path.open("rb") as file:
                file.seek(at)
                while at < offset and (data := file.read(min(offset - at, 1024 * 1024))):
                    number += data.count(b"\n")
                    at += len(data)
        except OSError:
            return None
        self._counted = (path, at, number)
        return number


def _places_of_specs(case: dict[str, Any], code: str) -> Iterator[dict[str, Any]]:
    """Yield the places of the specs because of which a result is absent: not those with a result, but for wrong hosts."""
    logs = [item for item in case["reason"]["evidence"] if item["kind"] == "log"]
    for subrun in case.get("subruns", [case]) if logs else ():
        for spec in subrun["specs"]:
            if (spec["result"] == "RUN" or code == "wrong-hosts") and spec.get("offset") is not None:
                yield {**logs[0], "offset": spec["offset"]}


def _read(path: Path, offset: int, *, with_errors: bool) -> _Window | None:
    try:
        # Reading a FIFO in the place of the log would block indefinitely.
        if offset < 0 or not path.is_file():
            return None
        with path.open("rb") as file:
            start = max(0, offset - (ERRORS_MAX_BYTES if with_errors else NEAR_MAX_BYTES))
            file.seek(start)
            before, after = file.read(offset - start), file.read(NEAR_MAX_BYTES)
    except (OSError, ValueError, OverflowError):
        return None
    return _Window(list(_lines(before, start)), list(_lines(after, offset)))


def _lines(data: bytes, start: int) -> Iterator[tuple[int, str]]:
    for raw in data.split(b"\n"):
        yield start, one_line(clean(raw), QUOTE_CHARS_MAX)
        start += len(raw) + 1


def _spec_at(state: dict[str, Any], offset: int) -> dict[str, Any] | None:
    specs = (spec for subrun in state["subruns"] for spec in subrun["specs"])
    return next((spec for spec in specs if spec.get("offset") == offset), None)


def _place(window: _Window, spec: dict[str, Any] | None, code: str) -> tuple[int, str] | None:
    """Return offset and text of the line that proves most."""
    if spec is not None:
        found = _place_of_spec(window, spec, code)
        if found is not None:
            return found
    at = next((place for place in window.after if place[1]), None)
    if at is not None and not _FRAME.fullmatch(at[1]):
        return at
    # The end of the log, or a frame: the nearest line with words, the earlier one first.
    near = (*reversed(window.before), *window.after)
    return next((place for place in near if not _FRAME.fullmatch(place[1])), None)


def _place_of_spec(window: _Window, spec: dict[str, Any], code: str) -> tuple[int, str] | None:
    """Return the error of the first failing test, the line about a crash, or the row of the results box."""
    for failure in spec.get("failures", ())[:1]:
        found = _failure_line([*window.before, *window.after], failure)
        if found is not None:
            return found
    if spec["detail"] == "crashed":
        for place in reversed(window.before):
            if "crash" in place[1].casefold() and "://" not in place[1]:
                return place
            if place[1].startswith("Running:"):
                break
    name = "Spec Ran" if code == "wrong-hosts" else ROWS.get(spec["detail"], "Failing")
    row = re.compile(rf"\W*{name}: +[^0 ]")
    return next((place for place in window.after if row.match(place[1])), None)


def _failure_line(lines: list[tuple[int, str]], failure: dict[str, str]) -> tuple[int, str] | None:
    """Return the line with the error of a failing test, else the last line with its title.

    Many tests may have the same error: the one of this test follows its title, in the last list of failures.
    """
    title, error = _needle(failure["title"].rpartition(" > ")[2]), _needle(failure["error"])
    places = [at for at, (_, text) in enumerate(lines) if title and title in text]
    for at in reversed(places):
        below = lines[at + 1 : at + 1 + LINES_BELOW_TITLE_MAX]
        found = next((place for place in below if error and error in place[1]), None)
        if found is not None:
            return found
    return lines[places[-1]] if places else None


def _needle(text: str) -> str:
    # A longer text may have been cut in its middle or at its end.
    return one_line(text, 10_000)[:NEEDLE_CHARS].partition("…")[0].strip()
