"""Limit for a log line that repeats: a server that refuses for days must not fill the journal."""


class RepeatLimit:
    """Allows the 1st, 2nd, 4th, 8th ... occurrence of each cause of one subject."""

    def __init__(self) -> None:
        """Start without any occurrence."""
        self._counts: dict[str, dict[str, int]] = {}

    def allows(self, subject: str, cause: str) -> bool:
        """Count one occurrence; return whether it is to be logged."""
        counts = self._counts.setdefault(subject, {})
        count = counts[cause] = counts.get(cause, 0) + 1
        return count & (count - 1) == 0

    def forget(self, subject: str) -> None:
        """Forget a subject that cannot occur any more."""
        self._counts.pop(subject, None)
