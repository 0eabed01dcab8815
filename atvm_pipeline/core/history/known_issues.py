"""Known issues: which of them a failing test matches. Texts are plain; `*` stands for any text, also for none."""

from collections.abc import Sequence

from .baseline import KnownIssue

ANY = "*"


def fits_text(text: str, pattern: str) -> bool:
    """Return whether a text matches a pattern with `*`, without regard to case; an empty pattern fits everything.

    The time is proportional to the product of the lengths at most: no pattern can take longer.
    """
    if not pattern:
        return True
    first, *rest = pattern.casefold().split(ANY)
    folded = text.casefold()
    if not rest:
        return folded == first
    if not folded.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1]:
        found = folded.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(folded) - len(rest[-1]) >= at and folded.endswith(rest[-1])


def known_issue(
    issues: Sequence[KnownIssue], *, host: str | None, spec: str, title: str, error: str, signature: str
) -> KnownIssue | None:
    """Return the first valid issue that a failing test matches, else the first expired one."""
    matching = [
        issue
        for issue in issues
        if fits_text(host or "", issue.host)
        and fits_text(spec, issue.spec)
        and fits_text(title, issue.title)
        and fits_text(error, issue.error)
        and fits_text(signature, issue.signature)
    ]
    return next((issue for issue in matching if not issue.expired), next(iter(matching), None))
