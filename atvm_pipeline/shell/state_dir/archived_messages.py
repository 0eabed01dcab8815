"""Messages of archived runs that are not delivered, for the commands that show them or start a sender. Light to import."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.shell.system.files import is_locked, read_small

from .paths import Paths
from .reader import LOST, STATE_FILE_BYTES_MAX, posts_of, read_state
from .run_address import all_archived_runs, archived_runs

_OPEN = re.compile(rf'"outcome": ?"(?:pending|{"|".join(LOST)})"'.encode())
"""Found in every state with a message that was not sent. Most archived runs have none, and are not parsed."""


class ArchivedMessages(NamedTuple):
    """The messages of one archived run that were not sent."""

    paths: Paths
    waiting: tuple[dict[str, Any], ...]
    """The messages that are not settled."""
    lost: tuple[dict[str, Any], ...]
    """The messages, except alerts, that ended without being sent."""
    sending: bool
    """Whether a sender is running."""

    @property
    def why(self) -> str:
        """The reason why a message waits, "" if none is known."""
        return next((str(post["detail"]) for post in self.waiting if post.get("detail")), "")


def archived_messages(state_root: Path, build_name: str | None = None) -> Iterator[ArchivedMessages]:
    """Yield the archived runs with messages that were not sent, by build name and age. Raises Unreadable.

    A run whose state cannot be read is left out.
    """
    runs = all_archived_runs(state_root) if build_name is None else archived_runs(state_root, build_name)
    for paths in runs:
        with contextlib.suppress(DataError, OSError):
            found = _messages_of(paths)
            if found is not None:
                yield found


def _messages_of(paths: Paths) -> ArchivedMessages | None:
    if _OPEN.search(read_small(paths.state, STATE_FILE_BYTES_MAX) or b"") is None:
        return None
    # The lock first: a sender that ends in between has settled every message.
    sending = is_locked(paths.watcher_lock)
    state = read_state(paths)
    posts = [] if state is None else posts_of(state)
    waiting = tuple(post for _, post in posts if post["outcome"] == "pending")
    lost = tuple(post for owner, post in posts if post["outcome"] in LOST and owner != "an alert")
    return ArchivedMessages(paths, waiting, lost, sending) if waiting or lost else None
