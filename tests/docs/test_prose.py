"""Documents, docstrings, comments and texts are written in plain modern English, without the words in `WORDS`.

Code blocks and code spans are not checked, because they show what a program prints. `NOT_YET` lists documents that still have to
be rewritten. `PACKAGES` lists the packages whose docstrings, comments and texts are checked too. `ALLOWED` lists the words that a
file needs, each with the reason.
"""

import ast
import contextlib
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.project import PROJECT

DOCS = (PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md")))
NOT_YET: tuple[str, ...] = ()
"""Documents that still have to be rewritten, as paths in the project."""
PACKAGES: tuple[str, ...] = ("atvm_pipeline", "bin/atvm_run_watcher.py", "fixtures/automation-root", "tests")
"""Directories (with everything below them) or modules whose prose is checked too, such as `atvm_pipeline/cli`."""

WORDS = {
    "mend": (r"mend(?:s|ed|ing)?", "fix"),
    "tell": (r"tell(?:s|ing)?|told", "report, send, show; distinguish"),
    "say": (r"say(?:s|ing)?|said", "log, print, state, report"),
    "lie": (r"lie(?:s)?|lay|lying", "is stored, is in"),
    "bear": (r"bear(?:s|ing)?|bore|borne", "has, contains"),
    "give": (r"(?:gives|gave|giving)(?! up\b)", "returns, provides"),
    "begin": (r"begin(?:s|ning)?|began|begun", "start"),
    "go on": (r"(?:go(?:es|ing)?|went|gone) on", "continue, resume"),
    "is none": (r"(?:is|are|was|were) none", "is not a; does not exist"),
    "folder": (r"folders?", "directory"),
    "look (noun)": (
        r"(?:an?|the|its|this|that|each|every|first|last|later|more|one|of|by) look|(?:its|two|three|more|few|of|by) looks",
        "scan, poll, check",
    ),
    "judge": (r"judg(?:e|es|ed|ing)", "evaluate, decide"),
    "anew": (r"anew", "again"),
    "once more": (r"once more", "again"),
    "for ever": (r"for ?ever", "indefinitely"),
    "for want of": (r"(?:for )?want of", "because of missing"),
    "of ours": (r"of (?:ours|yours|theirs)", "our, your, their"),
    "harmless": (r"harmless", "sanitised"),
    "foreign": (r"foreign", "untrusted, external"),
    "the world": (r"the world", "the host, the environment"),
    "held against": (r"(?:holds?|held|holding) (?:\S+ ){0,6}?against", "compare with"),
    "beside": (r"beside", "next to, in addition to"),
    "whole": (r"whole", "complete, entire"),
    "meet": (r"met", "seen, satisfied"),
    "ask for": (r"ask(?:s|ed|ing)? for", "request"),
    "to be had": (r"to be had", "is available"),
    "nobody": (r"nobody|somebody|anybody", "no one; better, name the process or the operator"),
    "whoever": (r"whoever|whom", "the process, the operator who"),
    "What at the start": (r"(?-i:What|Who|Whose|Which)\b(?![^.!]*\?)", "subject, verb, object"),
    "contract": (r"contract §\d+", "the rule itself, or a link to docs/"),
}
"""Name -> regular expression of complete words (upper and lower case are the same), and the plain replacement."""
PATTERNS = {name: re.compile(rf"\b(?:{words})(?!\w)", re.IGNORECASE) for name, (words, _) in WORDS.items()}
RARE = {"what": re.compile(r"\bwhat\b", re.IGNORECASE)}
RARE_PER_10_000 = 3
"""How often each of `RARE` may occur in 10,000 words of all checked prose."""

ALLOWED: dict[str, dict[str, str]] = {
    "tests/core/console/test_error_blocks.py": {"folder": "quotes Cypress"},
    "tests/core/console/test_line_forms.py": {"say": "the line of a test"},
    "tests/core/verdict/test_early_ends.py": {"folder": "quotes Cypress"},
    "tests/core/verdict/test_log_quotes.py": {"say": "the line of a runner"},
    "tests/fuzz/test_growth.py": {"folder": "the name of an attribute"},
}
"""Path in the project -> key of `WORDS` -> reason."""

NOT_PROSE = re.compile(
    r"^```.*?^```$"  # a code block
    r"|<!--.*?-->"
    r"|(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)"  # a code span, within one paragraph
    r"|\]\([^)\s]*\)"  # the target of a link
    r"|https?://\S+",
    re.DOTALL | re.MULTILINE,
)


class Hit(NamedTuple):
    """An occurrence of a word of the list."""

    line: int
    word: str
    found: str


def prose_of(text: str) -> str:
    """Replace everything that is not prose with blanks; line numbers stay the same."""
    return NOT_PROSE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def parsed(source: str) -> ast.Module:
    """Parse a module; retry if CPython 3.11 counted the depth wrongly because another thread parsed at the same time."""
    for _ in range(3):
        with contextlib.suppress(SystemError):
            return ast.parse(source)
    return ast.parse(source)


def module_prose(source: str) -> str:
    """Return docstrings, comments and texts of a module, each in its line.

    A string without a blank inside is a name or a key, not a text.
    """
    lines = [""] * (source.count("\n") + 1)

    def add(number: int, text: str) -> None:
        for offset, line in enumerate(prose_of(text).splitlines()):
            lines[min(number - 1 + offset, len(lines) - 1)] += f" {line}"

    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            add(token.start[0], token.string)
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            add(node.lineno, node.value)
    return "\n".join(lines)


def hits(path: str, prose: str) -> list[Hit]:
    """Return the occurrences of all words that `ALLOWED` does not list for `path`."""
    allowed = ALLOWED.get(path, {})
    return sorted(
        Hit(prose.count("\n", 0, found.start()) + 1, name, found[0])
        for name, pattern in PATTERNS.items()
        if name not in allowed
        for found in pattern.finditer(prose)
    )


def documents() -> Iterator[str]:
    """Yield the paths of the documents to check."""
    for path in DOCS:
        name = path.relative_to(PROJECT).as_posix()
        if name not in NOT_YET:
            yield name


def modules() -> Iterator[str]:
    """Yield the paths of the modules to check; this one quotes the list."""
    for package in PACKAGES:
        root = PROJECT / package
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            if path != Path(__file__).resolve():
                yield path.relative_to(PROJECT).as_posix()


def read_prose(path: str) -> str:
    """Return the prose of a document or of a module."""
    text = (PROJECT / path).read_text(encoding="utf-8")
    return module_prose(text) if path.endswith(".py") else prose_of(text)


CHECKED = (*documents(), *modules())


@pytest.mark.parametrize("path", CHECKED)
def test_a_file_has_no_word_of_the_list(path: str) -> None:
    found = hits(path, read_prose(path))

    advice = {hit.word: WORDS[hit.word][1] for hit in found}
    assert [f"{path}:{hit.line}: {hit.found!r}" for hit in found] == [], advice


@pytest.mark.parametrize("name", RARE)
def test_a_clause_with_this_word_is_rare(name: str) -> None:
    texts = {path: read_prose(path) for path in CHECKED}
    count = {path: len(RARE[name].findall(text)) for path, text in texts.items()}
    words = sum(len(text.split()) for text in texts.values())

    assert sum(count.values()) <= RARE_PER_10_000 * words / 10_000, {
        path: n for path, n in count.items() if n
    }


def test_every_allowed_word_still_occurs_in_its_file() -> None:
    unused = [
        (path, word)
        for path, words in ALLOWED.items()
        for word in words
        if not PATTERNS[word].search(read_prose(path))
    ]

    assert unused == []


def test_every_name_of_the_lists_is_a_file_of_the_project() -> None:
    names = (*NOT_YET, *PACKAGES, *ALLOWED)

    assert [name for name in names if not (PROJECT / name).exists()] == []


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("It is told of the end.", ["tell"]),
        ("The files lie beside the log for ever.", ["beside", "for ever", "lie"]),
        (
            "Two looks later somebody asks for it once more.",
            ["ask for", "look (noun)", "nobody", "once more"],
        ),
        ("The config is held against the request.", ["held against"]),
        ("What is there counts.", ["What at the start"]),
        ("It goes on; there is none.", ["go on", "is none"]),
        ("Look at the log; it looks like a host. Cypress gives up.", []),
        ("What does it do? See `nobody` and [the page](tell.md).", []),
        ("Its lifetime is a matter of the beginner's recommendation.", []),
    ],
)
def test_the_list_finds_the_words_and_no_others(sentence: str, words: list[str]) -> None:
    assert sorted({hit.word for hit in hits("README.md", prose_of(sentence))}) == words


def test_code_is_not_prose() -> None:
    text = "One `told` and ``a ` told``.\n\n```text\nnobody watches\n```\n<!-- whole -->\nHe told us.\n"

    assert hits("README.md", prose_of(text)) == [Hit(7, "tell", "told")]


def test_docstrings_comments_and_texts_of_a_module_are_prose() -> None:
    source = '"""Tell it.\n\nNobody."""\nmend = "told"\nx = f"nobody is {mend} here"  # mend it\n'

    assert [(hit.line, hit.word) for hit in hits("x.py", module_prose(source))] == [
        (1, "tell"),
        (3, "nobody"),
        (5, "mend"),
        (5, "nobody"),
    ]
