"""How each scenario of the stand-in must end: phase, reason, sub-runs and messages."""

from typing import NamedTuple

C, F, T, H = "COMPLETED", "FAILED", "TERMINATED", "HUNG"


class End(NamedTuple):
    """How a scenario must end."""

    phase: str
    code: str
    subruns: tuple[str, ...]
    posts: int
    """Messages that a reader sees."""
    closing: bool = False


CATEGORIZED: dict[str, End] = {
    "all-green": End(C, "all-passed", (C, C, C), 3),
    "failing-test": End(F, "tests-failed", (C, F, C), 3),
    "failed-hook": End(F, "tests-failed", (F, C, C), 3),
    "retries": End(C, "all-passed", (C, C, C), 3),
    "renderer-crash": End(F, "spec-crashed", (C, F, C), 3),
    "label-differs": End(C, "all-passed", (C, C, C), 3),
    "grouped-xml-only-check": End(F, "tests-failed", (C, F, F), 3),
    "host-pending": End(F, "host-pending", (C, C, F), 3),
    "no-specs-found": End(F, "no-specs-found", (F, F, F), 4, closing=True),
    "reused-build-id": End(F, "nothing-ran", (F, F, F), 3),
    "runner-killed": End(T, "runner-signalled", (C, T), 1),
    "runner-killed-child-lives": End(T, "runner-signalled", (C, C), 2),
    "child-outlives-parent": End(C, "all-passed", (C, C, C), 3),
    "stale-artifacts": End(C, "all-passed", (C, C, C), 3),
    "group-never-runs": End(F, "host-pending", (C, C), 3, closing=True),
    "runner-fails-after-last-group": End(F, "runner-failed", (C, C, C), 4, closing=True),
    "stale-spec-pattern": End(F, "wrong-hosts", (F, F, F), 4, closing=True),
    "wrapped-names": End(F, "tests-failed", (C, F, C), 3),
    "wrapper-cypress-cloud": End(C, "all-passed", (C, C, C), 3),
    "server-error": End(F, "record-server-error", (C, F, C), 3),
    "cloud-canceled": End(F, "run-canceled", (C, F, C), 3),
    "256-failures": End(F, "tests-failed", (C, F, C), 3),
    "spec-not-started": End(F, "plugin-error", (C, F, C), 3),
}
WHOLE: dict[str, End] = {
    "all-green": End(C, "all-passed", (C,), 1),
    "failing-test": End(F, "tests-failed", (F,), 1),
    "host-pending": End(F, "host-pending", (F,), 1),
    "reused-build-id": End(F, "nothing-ran", (F,), 1),
    "runner-killed": End(T, "runner-signalled", (T,), 0),
    "runner-fails-after-last-group": End(F, "runner-failed", (F,), 1),
}

ENDS: dict[tuple[str, bool], End] = {
    **{(scenario, True): end for scenario, end in CATEGORIZED.items()},
    **{(scenario, False): end for scenario, end in WHOLE.items()},
}
"""(scenario, whether the run is categorized) -> its end."""
