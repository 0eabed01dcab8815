"""One line for a person about each fact: what `inspect --lines` shows.  Says what was printed, never what it means."""

from typing import assert_never

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.text import one_line

SHOWN_NAME_CHARS_MAX = 200


def describe_fact(fact: f.Fact) -> str:
    """The fact in one line, made harmless for a terminal, without its offset."""
    return one_line(_sentence(fact), 1000)


def _sentence(fact: f.Fact) -> str:
    match fact:
        case f.ChildLaunched():
            return f"a child is launched with the label {_name(fact.label)}"
        case f.ChildStarted():
            return "Cypress starts a run"
        case f.ChildDescribed():
            return _child(fact)
        case f.SpecStarted():
            return f"spec {fact.position} of {fact.total} begins: {_name(fact.spec)}"
        case f.TestFailed():
            return f"a test failed: {_name(fact.title)}" + (f": {_name(fact.error)}" if fact.error else "")
        case f.TestFlaky():
            return f"a test passed after a retry: {_name(fact.title)}"
        case f.TestsCounted():
            return _counted(fact)
        case f.SpecReported():
            return f"results of {_name(fact.spec)}: {_counts(fact.counts)}{_time(fact.duration_s)}"
        case f.RunFinished():
            return "Cypress finished its run"
        case f.SpecSummarised():
            told = "SKIPPED" if fact.skipped else _counts(fact.counts) + _time(fact.duration_s)
            return f"final table, {_name(fact.spec)}: {fact.mark}, {told}"
        case f.TotalsReported():
            specs = "" if fact.total is None else f" ({fact.failed} of {fact.total} specs failed)"
            return f"totals: {fact.verdict}{specs}, {_counts(fact.counts)}{_time(fact.duration_s)}"
        case f.LineUnplaced():
            return f"fits no spec ({fact.kind}{', failing' if fact.failing else ''}): {_name(fact.text)}"
        case f.RunRecorded():
            return f"recorded at {_name(fact.url)}"
        case f.ErrorReported():
            return f"error {fact.code}, ends the {fact.scope}: {fact.text}"
        case f.WrapperStarted():
            total = "" if fact.total is None else f", {fact.total} specs"
            group = "" if fact.group is None else f", group {_name(fact.group)}"
            return f"the wrapper {fact.wrapper} begins{total}{group}"
        case f.WrapperFinished():
            return f"the wrapper {fact.wrapper} ends"
        case f.WrapperTotals():
            return f"the wrapper's totals: {fact.failed} specs failed, {_counts(fact.counts)}"
        case f.EpilogueRead():
            return f"an epilogue outside of a run: {fact.passing} passing, {fact.failing} failing"
        case f.WordsUnread():
            return f"Cypress's words, and no line of its run that can be read: {_name(fact.text)}"
        case f.FormLearnt():
            return _form(fact)
        case f.RunnerProgressed():
            return f"the runner says: {fact.text}"
        case _:
            assert_never(fact)


def _child(fact: f.ChildDescribed) -> str:
    told = [f"Cypress {_name(fact.cypress or '?')}", _name(fact.browser or "unknown browser")]
    if fact.specs_found is not None:
        told.append(f"{fact.specs_found} specs found")
    if fact.group is not None:
        told.append(f"group {_name(fact.group)}")
    if fact.parallel:
        told.append("parallel")
    if fact.run_url is not None:
        told.append(_name(fact.run_url))
    return ", ".join(told)


def _counted(fact: f.TestsCounted) -> str:
    marks = f"{fact.passed} passed, {fact.pending} pending by their marks"
    epilogue = f", epilogue {_counts(fact.epilogue)}" if fact.epilogue is not None else ""
    return f"no box for {_name(fact.spec)}: {marks}{epilogue}"


def _form(fact: f.FormLearnt) -> str:
    parts = [f"after {_name(fact.prefix)!r}"] if fact.prefix else []
    parts += ["without indentation"] if fact.stripped else []
    parts += ["in Python's repr"] if fact.quoted else []
    return f"from here on lines are read {', '.join(parts) or 'with less indentation'}"


def _counts(counts: f.Counts) -> str:
    told = f"{counts.tests} tests, {counts.passing} passing, {counts.failing} failing"
    return f"{told}, {counts.pending} pending, {counts.skipped} skipped"


def _time(duration_s: float | None) -> str:
    return "" if duration_s is None else f", {duration_s:g} s"


def _name(text: str) -> str:
    return one_line(text, SHOWN_NAME_CHARS_MAX)
