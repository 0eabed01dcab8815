"""Uncertainty in a runner command: where it runs, as which user, and which specs it uses.

The text is searched, not parsed: `bash -c '...'` and wrappers hide words from a parser. A false match only means that
nothing is refused.
"""

import re
from collections.abc import Iterable

_WORD = r"(?<![\w.-])(?:{})(?![\w/-])"
_ELSEWHERE = re.compile(
    _WORD.format(
        "cd|pushd|chdir|docker|podman|nerdctl|kubectl|lxc|ssh|chroot|nsenter|unshare|machinectl|systemd-run"
    )
    + r"|(?<![\w-])(?:-C|--prefix|--cwd|--chdir|--directory|--project|-P)(?![\w-])"
)
_AS_ANOTHER_USER = re.compile(_WORD.format("sudo|su|doas|runuser|setpriv"))
_OTHER_SPECS = re.compile(
    r"(?<![\w-])--spec(?![\w-])|\bcypress\b[^|;&\n]*\s-s(?![\w-])|spec_?pattern", re.IGNORECASE
)


def runs_elsewhere(command: str) -> bool:
    """Return whether a command may change its directory, or run in a container or on another host."""
    return _ELSEWHERE.search(command) is not None


def runs_as_another_user(command: str) -> bool:
    """Return whether a command may run as another user, who may read other files than this process."""
    return _AS_ANOTHER_USER.search(command) is not None


def takes_other_specs(command: str, environment_names: Iterable[str] = ()) -> bool:
    """Return whether the config's `specPattern` may not apply: Cypress's --spec, -s or --config, or a CYPRESS_ variable."""
    named = any(name.replace("_", "").upper() == "CYPRESSSPECPATTERN" for name in environment_names)
    return named or _OTHER_SPECS.search(command) is not None
