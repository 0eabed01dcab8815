"""The errors that may leave a module, split by whose fault they are.

No error text holds a secret, and each is one line that says what to do.  Foreign exceptions are translated into
these at the edge; what the world sends (a log, a report, an answer) is data and never an exception.
"""


class PipelineError(Exception):
    """The base; never raised itself."""


class ConfigError(PipelineError):
    """The operator's mistake: a setting is missing or malformed.  Exit code 78."""


class DialectError(ConfigError):
    """The dialect file is wrong; the text begins with the file and the line, and says what to do."""


class DataError(PipelineError):
    """A file of ours, or one that was named to us, cannot be read as what it should be.  Exit code 65."""


class NewerFormatError(DataError):
    """A file of ours that a later release has written: nothing here may change it.  Exit code 65."""
