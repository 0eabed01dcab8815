"""Names of spec files, which a log and a report spell differently."""


def base_name(path: str) -> str:
    """Return the file's name without its directories."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def same_spec(one: str, other: str) -> bool:
    """Return whether two spellings name one spec: equal, or one is the end of the other after a `/`.

    Cypress prints names relative to the common root of a run's specs, reports contain them relative to the project's
    root.
    """
    one, other = one.replace("\\", "/"), other.replace("\\", "/")
    return one == other or one.endswith("/" + other) or other.endswith("/" + one)


def same_but_blanks(one: str, other: str) -> bool:
    """Return whether two spellings name one spec, if Cypress may have lost blanks when it cut a long name."""
    return same_spec("".join(one.split()), "".join(other.split()))
