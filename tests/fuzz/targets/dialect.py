"""The reader of dialects, and the effect of their patterns on a log.

Input: the TOML file, a NUL, lines of a log.
"""

from collections.abc import Iterator
from functools import cache

import msgspec

from atvm_pipeline.core.console.scanner import Scanner, ScannerState
from atvm_pipeline.core.dialect import Dialect, read_dialect
from atvm_pipeline.core.errors import DialectError
from atvm_pipeline.core.hosts.host_names import group_name, host_of_spec, hosts_in_label
from atvm_pipeline.core.hosts.requested_hosts import hosts_note, requested_hosts
from tests.fuzz import checks, seeding

MAX_LEN = 4096
SHORT_RUNS = 1000
LINE_CHARS = 24
"""A pattern may be as slow as its author likes. Lines are short here, so that the test exercises the reader."""
WORDS = (
    *(
        b"label = '",
        b"host = '",
        b"not_hosts = '",
        b"not_requested = '",
        b"artifacts = '",
        b"artifact_files = '",
        b"progress = '",
    ),
    *(
        b"cypress_process = '",
        b"browser_process = '",
        b"(?P<label>",
        b"(?P<quoted>",
        b"(?i)",
        b"(?:",
        b"(?<!",
        b"(?#",
    ),
    *(
        b"[^]]",
        b"\\b",
        b"\\d+",
        b"{2,}",
        b"{0}",
        b"*+",
        b"++",
        b"|",
        b"'''",
        b'"""',
        b"\\u202e",
        b"[table]",
        b" = 1\n",
    ),
    *(
        b"build ",
        b"launch",
        b"\0",
        b"\n",
        b"#",
        b"(?x)",
        b"(?>",
        b"\\1",
        b"(?(1)",
        b"[[a]",
        b"a{99999999999}",
    ),
)


def target(data: bytes) -> None:
    """The result is a dialect or an error of one line; the fast search loses no line; every name has a result."""
    toml, _, log = data.partition(b"\0")
    try:
        dialect = read_dialect(toml.decode("utf-8", "replace"), "dialect.toml")
    except DialectError as error:
        checks.harmless(str(error), 1000)
        return
    assert msgspec.json.decode(msgspec.json.encode(dialect), type=Dialect) == dialect
    lines = [line[:LINE_CHARS] for line in log.split(b"\n")[:20]]
    same_facts(dialect, b"\n".join(lines) + b"\n")
    for line in lines:
        named(line.decode("utf-8", "replace"), dialect)


def same_facts(dialect: Dialect, log: bytes) -> None:
    """The facts are the same whether only lines with a literal are tried, or every line."""
    quick, careful = Scanner(dialect), Scanner(dialect)
    careful._phrases.literals = None
    assert quick.scan(ScannerState(), log) == careful.scan(ScannerState(), log)


def named(text: str, dialect: Dialect) -> None:
    """Hosts are complete parts of the names that contain them."""
    known = ("redhat9.6", "w2k25", "db-alpha")
    found = requested_hosts(text, known, dialect)
    hosts = found.hosts
    assert not set(hosts) & set(found.not_checked)
    assert all(part in text.split("-") for part in found.not_checked)
    assert hosts_note(found).startswith("hosts checked: " if hosts else "hosts not checked")
    assert all(host.casefold() in text.casefold() for host in hosts)
    assert len(set(hosts)) == len(hosts)
    labelled = hosts_in_label(text, known, dialect)
    assert len(set(labelled)) == len(labelled)
    host_of_spec(text, known, dialect)
    group_name(text, hosts, labelled)


@cache
def ours() -> tuple[bytes, ...]:
    """Return the dialect files of our fixtures."""
    return tuple(path.read_bytes() for path in sorted((seeding.FIXTURES / "dialect").glob("*.toml")))


def seeds() -> Iterator[bytes]:
    """Yield our dialect files, one setting at a time, and small patterns of every kind."""
    for toml in ours():
        yield toml + b"\0" + b"build redhat9.6\n 12 %\nlaunching w2k25 now\n"
        yield from (line + b"\0launch a\n" for line in toml.splitlines() if b"=" in line)
    for pattern in (
        b"build (?P<label>[a-z]+)",
        b"^(?P<label>a{2,3})b?cdef",
        b"(?:build|launch) (?P<quoted>.+)",
    ):
        yield b"label = '" + pattern + b"'\nprogress = 'step [0-9]+'\0build abc\nstep 12\naaabcdef\n"
    yield b"not_requested = 'lab[0-9.]+|db-.*'\nhost = '[a-z]+[0-9]'\0e2e-lab9.6-redhta9.6-vsan8\ndb-alhpa-run3\n"
    for often in (b"*", b"?", b"{0,2}", b"*?", b"??", b"*+"):
        yield b"progress = 'launchx" + often + b"'\0launch\nlaunchx\nlaunchxx\n"
        yield b"progress = '(?:launch)" + often + b"step'\0step\nlaunchstep\n"
