"""Exit codes of the commands (sysexits.h where one fits), and the error that ends a command with one of them."""

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
    """The command stops with an exit code and one line of text; nothing is lost and nothing was started."""

    def __init__(self, code: int, text: str, more: Sequence[str] = ()) -> None:
        """Create the error.

        `text` is one line that states the problem and the remedy; `more` are lines that show details.
        """
        super().__init__(text)
        self.code = code
        self.more = tuple(more)
