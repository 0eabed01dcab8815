"""How the tests of a spec differ from the last run of the same scenario in which this spec has a result.

    new            it fails now and did not fail then
    first-seen     it fails now, and then there was no such test
    still-failing  it failed then too
    known          it fails now and matches a known issue that is valid
    fixed          it failed then and passes now
    flaky          it passed now after a retry
    gone           it failed then, and there is no such test any more

A renamed test is `gone` and `first-seen`. Other hosts do not matter.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec.structs import replace

from atvm_pipeline.core.case_list import case_key, keys_in, unpacked
from atvm_pipeline.core.results import FailedTest, KnownAs, TestChange

from .baseline import EarlierSpec, EarlierTest, History
from .known_issues import known_issue

CHANGES_MAX = 50
"""Fixed, flaky and gone tests that are named per spec."""
SPECS_CACHED_MAX = 256

FailureChange = Literal["new", "first-seen", "still-failing", "known"]


def earlier_spec(history: History, host: str | None, spec: str) -> EarlierSpec | None:
    """Return the last result of a spec on a host, if there is one."""
    return next((old for old in history.specs if old.spec == spec and old.host == host), None)


def compared(history: History, host: str | None, spec: str, test: FailedTest) -> FailedTest:
    """Return a failing test with its change. Without earlier runs, only a known issue is named."""
    issue = known_issue(
        history.issues, host=host, spec=spec, title=test.title, error=test.error, signature=test.signature
    )
    known = None
    if issue is not None:
        known = KnownAs(
            ref=issue.ref, until=issue.until.isoformat(), owner=issue.owner, expired=issue.expired
        )
    earlier = earlier_spec(history, host, spec)
    old = _tests(earlier).get(case_key(test.title)) if earlier is not None else None
    again = old is not None and old.result == "failed"
    change: FailureChange | None
    if known is not None:
        # A failure that was known until its issue expired is new, also if it failed before.
        change = "new" if known.expired else "known"
    elif again:
        change = "still-failing"
    elif old is not None or (earlier is not None and case_key(test.title) in _passed(earlier)):
        change = "new"
    else:
        change = "first-seen" if history.runs else None
    return replace(
        test,
        change=change,
        known=known,
        failing_runs=old.runs + 1 if old is not None and again else None,
        failing_since=old.since if old is not None and again else None,
    )


def other_changes(
    earlier: EarlierSpec | None, cases: str, flaky: Sequence[str], *, complete: bool
) -> tuple[TestChange, ...]:
    """Return the tests of a spec that are fixed, flaky or gone.

    `cases` are its tests now; without them, nothing is fixed or gone. `complete`: no test of the spec is missing there.
    """
    old = _tests(earlier) if earlier is not None else {}
    found = [
        TestChange(
            title=title,
            change="flaky",
            runs=(test.flaky if test is not None else 0) + 1,
            of=(test.of if test is not None else earlier.runs if earlier is not None else 0) + 1,
        )
        for title in flaky
        for test in (old.get(case_key(title)),)
    ]
    now = {case.key: case.result for case in unpacked(cases)}
    for test in old.values():
        # The log names a flaky test without its suites.
        if test.result != "failed" or test.title.rpartition(" > ")[2] in flaky:
            continue
        if now.get(test.case) == "passed":
            found.append(TestChange(title=test.title, change="fixed", runs=test.runs, since=test.since))
        elif now and complete and test.case not in now:
            found.append(TestChange(title=test.title, change="gone", runs=test.runs, since=test.since))
    return tuple(found[:CHANGES_MAX])


@lru_cache(maxsize=SPECS_CACHED_MAX)
def _passed(earlier: EarlierSpec) -> frozenset[str]:
    return keys_in(earlier.passed)


def _tests(earlier: EarlierSpec) -> dict[str, EarlierTest]:
    return {test.case: test for test in earlier.tests}
