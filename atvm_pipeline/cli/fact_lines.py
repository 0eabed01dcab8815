"""One line of text for each fact, for `inspect --lines`: the printed line, without an interpretation."""

from typing import assert_never

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.text import one_line, plural

SHOWN_NAME_CHARS_MAX = 200


def describe_fact(fact: f.Fact) -> str:
    """Return the fact as one line, sanitised for a terminal, without its offset."""
    return one_line(_sentence(fact), 1000)


def _sentence(fact: f.Fact) -> str:
    match fact:
        case f.ChildLaunched():
            return f"command line with the label {_name(fact.label)}"
        case f.ChildStarted():
            return "Cypress run starting"
        case f.ChildDescribed():
            return _child(fact)
        case f.SpecStarted():
            return f"spec {fact.position} of {fact.total} started: {_name(fact.spec)}"
        case f.TestFailed():
            return f"failed test: {_name(fact.title)}" + (f": {_name(fact.error)}" if fact.error else "")
        case f.TestFlaky():
            return f"test passed after a retry: {_name(fact.title)}"
        case f.TestsCounted():
            return _counted(fact)
        case f.SpecReported():
            return f"results of {_name(fact.spec)}: {_counts(fact.counts)}{_time(fact.duration_s)}"
        case f.ScreenshotsListed():
            return f"{plural(len(fact.paths), 'screenshot')} of {_name(fact.spec)}"
        case f.RunFinished():
            return "Cypress run finished"
        case f.SpecSummarised():
            row = "SKIPPED" if fact.skipped else _counts(fact.counts) + _time(fact.duration_s)
            return f"final table, {_name(fact.spec)}: {fact.mark}, {row}"
        case f.TotalsReported():
            specs = "" if fact.total is None else f" ({fact.failed} of {plural(fact.total, 'spec')} failed)"
            return f"totals: {fact.verdict}{specs}, {_counts(fact.counts)}{_time(fact.duration_s)}"
        case f.LineUnplaced():
            return f"matches no spec ({fact.kind}{', failing' if fact.failing else ''}): {_name(fact.text)}"
        case f.RunRecorded():
            return f"recorded at {_name(fact.url)}"
        case f.ErrorReported():
            return f"error {fact.code}, ends the {fact.scope}: {fact.text}"
        case f.WrapperStarted():
            total = "" if fact.total is None else f", {plural(fact.total, 'spec')}"
            group = "" if fact.group is None else f", group {_name(fact.group)}"
            return f"wrapper {fact.wrapper} started{total}{group}"
        case f.WrapperFinished():
            return f"wrapper {fact.wrapper} ended"
        case f.WrapperTotals():
            return f"totals of the wrapper: {plural(fact.failed, 'spec')} failed, {_counts(fact.counts)}"
        case f.EpilogueRead():
            return f"epilogue outside of a run: {fact.passing} passing, {fact.failing} failing"
        case f.WordsUnread():
            return f"Cypress output that cannot be parsed: {_name(fact.text)}"
        case f.FormLearnt():
            return _form(fact)
        case f.RunnerProgressed():
            return f"runner message: {fact.text}"
        case _:
            assert_never(fact)


def _child(fact: f.ChildDescribed) -> str:
    parts = [f"Cypress {_name(fact.cypress or '?')}", _name(fact.browser or "unknown browser")]
    if fact.specs_found is not None:
        parts.append(f"{plural(fact.specs_found, 'spec')} found")
    if fact.group is not None:
        parts.append(f"group {_name(fact.group)}")
    if fact.parallel:
        parts.append("parallel")
    if fact.run_url is not None:
        parts.append(_name(fact.run_url))
    return ", ".join(parts)


def _counted(fact: f.TestsCounted) -> str:
    marks = f"{fact.passed} passed, {fact.pending} pending by their marks"
    epilogue = f", epilogue {_counts(fact.epilogue)}" if fact.epilogue is not None else ""
    return f"no result box for {_name(fact.spec)}: {marks}{epilogue}"


def _form(fact: f.FormLearnt) -> str:
    parts = [f"after {_name(fact.prefix)!r}"] if fact.prefix else []
    parts += ["without indentation"] if fact.stripped else []
    parts += ["in Python's repr"] if fact.quoted else []
    return f"from here on, lines are parsed {', '.join(parts) or 'with less indentation'}"


def _counts(counts: f.Counts) -> str:
    done = f"{plural(counts.tests, 'test')}, {counts.passing} passing, {counts.failing} failing"
    return f"{done}, {counts.pending} pending, {counts.skipped} skipped"


def _time(duration_s: float | None) -> str:
    return "" if duration_s is None else f", {duration_s:g} s"


def _name(text: str) -> str:
    return one_line(text, SHOWN_NAME_CHARS_MAX)
