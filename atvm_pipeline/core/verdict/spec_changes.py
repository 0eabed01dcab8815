"""The changes of one spec against earlier runs. They are shown, and decide nothing."""

from msgspec.structs import replace

from atvm_pipeline.core.history.baseline import History
from atvm_pipeline.core.history.changes import compared, earlier_spec, other_changes
from atvm_pipeline.core.results import SpecResult

from .report_results import Match

CONCLUDED = frozenset({"completed", "failed"})
"""Only a spec with one of these results shows which of its tests are fixed or gone."""


def with_changes(history: History, result: SpecResult, match: Match | None) -> SpecResult:
    """Return a spec with the changes of its tests; `match` is the report that counts for it."""
    reported = match.reported if match is not None and "xml" in result.sources else None
    concluded = result.detail in CONCLUDED
    changes = other_changes(
        earlier_spec(history, result.host, result.spec),
        reported.cases if reported is not None and concluded else "",
        result.flaky_tests,
        complete=reported is not None and not reported.incomplete and not reported.cases_left_out,
    )
    failures = tuple(compared(history, result.host, result.spec, test) for test in result.failures)
    return replace(result, failures=failures, changes=changes)
