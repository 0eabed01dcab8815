"""Encoder of one run's `state.json`, for a writer that saves it again and again.

A sub-run that has ended does not change any more, so its bytes are kept and only the rest is encoded at each save. The
result is the same, byte for byte, as that of `codec.encode_state`.
"""

from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from .codec import encode_indented
from .history.baseline import History
from .snapshot import KeptViews, StateFile, SubRunView, state_file
from .state import Run, SubRun

KEPT_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of ended sub-runs that are kept; further ones are encoded at each save."""

_GAP = b"-0e00"
"""Stands for a part that is inserted later: a number that is valid and that no encoder writes, alone in its line."""
_PUBLIC_DEPTH = 2
_FACTS_DEPTH = 3
_HISTORY = b'\n  "history": '
"""Start of the line of the earlier runs within the facts."""


class _Part(NamedTuple):
    """One form of an ended sub-run and its bytes."""

    value: SubRunView | SubRun
    data: bytes


class StateEncoder:
    """The encoder of one run; it belongs to the one writer of its state."""

    def __init__(self) -> None:
        """Start with nothing kept."""
        self._views: KeptViews = {}
        self._parts: dict[tuple[int, int], _Part] = {}
        """By depth and index."""
        self._kept_bytes = 0
        self._history: tuple[History, bytes] | None = None

    def state_of(self, run: Run) -> StateFile:
        """Return the content of `state.json`; the public form of an ended sub-run is the same object as before."""
        return state_file(run, self._views)

    def encode(self, state: StateFile) -> bytes:
        """Return the bytes of `state.json` for a result of `state_of`."""
        run = state.facts
        ended = {subrun.index for subrun in run.subruns if subrun.result is not None}
        # A sub-run that starts after the verdict of the run has no public form.
        public = [self._part(view, _PUBLIC_DEPTH, ended) for view in state.subruns]
        inner = [self._part(subrun, _FACTS_DEPTH, ended) for subrun in run.subruns]
        gap: Any = msgspec.Raw(_GAP)
        facts = replace(
            run,
            subruns=(gap,) * len(run.subruns),
            history=None if run.history is None else gap,
        )
        text = encode_indented(replace(state, subruns=(gap,) * len(public), facts=facts))
        if run.history is not None:
            before, _, after = text.partition(_HISTORY + _GAP)
            text = b"".join((before, _HISTORY, self._history_of(run.history), after))
        # Everything is joined once, because the file of a long run has megabytes.
        pieces, rest = _filled(text, public, _PUBLIC_DEPTH)
        more, rest = _filled(rest, inner, _FACTS_DEPTH)
        return b"".join((*pieces, *more, rest))

    def _part(self, value: SubRunView | SubRun, depth: int, ended: AbstractSet[int]) -> bytes:
        """Return the bytes of a sub-run at a depth; those of an ended one are kept."""
        place = (depth, value.index)
        kept = self._parts.get(place)
        if kept is not None and kept.value is value:
            return kept.data
        data = _indented(value, depth)
        self._kept_bytes -= len(self._parts.pop(place).data) if kept is not None else 0
        if value.index in ended and self._kept_bytes + len(data) <= KEPT_BYTES_MAX:
            self._parts[place] = _Part(value, data)
            self._kept_bytes += len(data)
        return data

    def _history_of(self, history: History) -> bytes:
        if self._history is None or self._history[0] is not history:
            self._history = (history, _indented(history, 2))
        return self._history[1]


def _indented(value: object, depth: int) -> bytes:
    """Return the bytes of a part as they are at a depth of the file, without the indentation of the first line."""
    return encode_indented(value)[:-1].replace(b"\n", b"\n" + b" " * depth)


def _filled(text: bytes, parts: list[bytes], depth: int) -> tuple[list[bytes], bytes]:
    """Insert the parts into the gaps of one depth, in order; return the pieces, and the text after the last gap."""
    indent = b"\n" + b" " * depth
    *between, rest = text.split(indent + _GAP)
    pieces: list[bytes] = []
    for before, part in zip(between, parts, strict=True):
        pieces += (before, indent, part)
    return pieces, rest
