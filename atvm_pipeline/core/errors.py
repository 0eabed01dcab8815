"""The errors that may leave a module, by cause.

No error text contains a secret, and each is one line that states how to fix the problem. Exceptions of other libraries
are translated into these at the boundary. External input (a log, a report, an answer) is data and never an exception.
"""


class PipelineError(Exception):
    """The base class; never raised itself."""


class ConfigError(PipelineError):
    """A setting is missing or malformed: the operator's mistake. Exit code 78."""


class DialectError(ConfigError):
    """The dialect file is invalid. The text starts with the file and the line, and states how to fix the problem."""


class DataError(PipelineError):
    """A file of this program, or one named on the command line, has invalid content. Exit code 65."""


class NewerFormatError(DataError):
    """A later release wrote the file, so this release must not change it. Exit code 65."""
