"""Refusals: one line for a person, and the exit code that goes with it (contract §5)."""

from collections.abc import Sequence

from atvm_pipeline.core.errors import PipelineError

DONE = 0
NO = 1
TEMPLATE_FAILED = 10
PREFLIGHT_MISMATCH = 11
USAGE = 64
DATA = 65
UNAVAILABLE = 69
BUG = 70
CANNOT_WRITE = 73
IN_USE = 75
BAD_CONFIG = 78


class CommandError(PipelineError):
    """The command will not go on; nothing is lost and nothing was started."""

    def __init__(self, code: int, text: str, more: Sequence[str] = ()) -> None:
        """`text` is one line that says what is wrong and what to do; `more` are lines that show it."""
        super().__init__(text)
        self.code = code
        self.more = tuple(more)
