"""Writes the story of a run (`story.py`) to the log, without ever delaying or stopping the watcher."""

from collections import deque

from atvm_pipeline.core.events import Event
from atvm_pipeline.core.state import Run
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.system.log import accepts_line, log
from atvm_pipeline.shell.system.repeat_limit import RepeatLimit

from .story import story_lines
from .story_messages import Naming

STORY_LINES_MAX = 200
"""Lines that wait while the log accepts none; then the oldest are dropped."""


class StoryLog:
    """The log lines of one watcher about its run."""

    def __init__(self, naming: Naming) -> None:
        """Start without a line."""
        self._naming = naming
        self._limit = RepeatLimit()
        self._lines: deque[str] = deque()
        self._dropped = 0

    def add(self, before: Run, event: Event, after: Run) -> None:
        """Add the lines about one event. Never raises."""
        try:
            lines = story_lines(before, event, after, self._naming)
        except Exception as error:  # noqa: BLE001 - a line of the log must not end the watcher
            self._lines.append(f"bug: no log line for {type(event).__name__}: {type(error).__name__}")
            return
        self._lines += [
            line.text for line in lines if not line.subject or self._limit.allows(line.subject, line.cause)
        ]
        while len(self._lines) > STORY_LINES_MAX:
            self._lines.popleft()
            self._dropped += 1

    def write(self) -> None:
        """Write the lines that wait, as far as the log accepts them at once. Their facts must be on disk."""
        while self._lines and accepts_line():
            if self._dropped:
                log(f"{plural(self._dropped, 'earlier line')} of this log dropped, because none was accepted")
                self._dropped = 0
                continue
            log(self._lines.popleft())
