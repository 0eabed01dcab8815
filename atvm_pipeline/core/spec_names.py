"""Names of spec files, which a log and a report spell differently."""


def base_name(path: str) -> str:
    """Return the file's name without its folders."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def same_spec(one: str, other: str) -> bool:
    """Whether two spellings name one spec: equal, or one is the end of the other below a folder.

    Cypress prints names relative to the common root of a run's specs, reports hold them from the project's root.
    """
    one, other = one.replace("\\", "/"), other.replace("\\", "/")
    return one == other or one.endswith("/" + other) or other.endswith("/" + one)


def same_but_blanks(one: str, other: str) -> bool:
    """Whether two spellings name one spec, where Cypress may have lost blanks as it cut a long name."""
    return same_spec("".join(one.split()), "".join(other.split()))
