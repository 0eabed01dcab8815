"""Preflight: the reader of `specPattern`, the globs, the commands.

Input: a config file, a NUL, lines: a command, then paths.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts
from atvm_pipeline.core.preflight.checks import find_mismatches
from atvm_pipeline.core.preflight.globs import GLOBSTARS_MAX, match_specs
from atvm_pipeline.core.preflight.spec_pattern import read_spec_pattern
from tests.fuzz import checks, seeding

MAX_LEN = 8 * 1024
SHORT_RUNS = 1000
WORDS = (
    *(
        b"specPattern: '",
        b'"specPattern": ["',
        b"e2e: {",
        b"component: {",
        b"env: {",
        b"...",
        b"`${x}`",
        b"/*",
        b"*/",
        b"//",
    ),
    *(
        b"**/",
        b"*.cy.ts",
        b"{a,b}",
        b"{1..3}",
        b"[a-z]",
        b"[!a]",
        b"@(a|b)",
        b"?(a)",
        b"!(a)",
        b"\\{",
        b"node_modules/",
    ),
    *(
        b"--build_name ",
        b"--config-file=",
        b"--categorize",
        b"&&",
        b"$X",
        b"\\\n",
        b"\0",
        b"'",
        b'"',
        b"\n",
        b"/[/]/g",
    ),
)
_SIMPLE = re.compile(r"[a-c./*?]*")


def target(data: bytes) -> None:
    """Patterns or None; a path that a simple matcher accepts is found; findings are one sanitised line."""
    config, _, rest = data.decode("utf-8", "replace").partition("\0")
    command, *paths = rest.split("\n")
    patterns = read_spec_pattern(config)
    if patterns is None:
        patterns = tuple(config.split("\n")[:8])
    paths = [path[:200] for path in paths[:12]]
    found = match_specs(patterns[:8], paths)
    if found is not None:
        assert set(found) <= set(paths)
        for pattern in patterns[:8]:
            found_alone(pattern, paths)
    findings = find_mismatches(
        build_name="e2e-redhat9.6-fc",
        requested=RequestedHosts({"redhat9.6": "pattern", "esxi8.0": "looks-like"}),
        template_command=command,
        runner_command=command[::-1],
        config_file="a.ts",
        categorize=False,
        matched_specs=found,
        known=("redhat9.6",),
        dialect=Dialect(),
    )
    for finding in findings:
        checks.harmless(finding.text, 4000)


def found_alone(pattern: str, paths: Sequence[str]) -> None:
    """Every path that a slow and simple matcher accepts is found."""
    if len(pattern) > 24 or _SIMPLE.fullmatch(pattern) is None or pattern.startswith(("/", "./")):
        return
    if any(part in ("", ".") or ".." in part for part in pattern.split("/")):
        return
    if pattern.split("/").count("**") > GLOBSTARS_MAX:
        return
    found = match_specs([pattern], paths)
    for path in paths:
        parts = path.split("/")
        if len(path) < 40 and not any(part in ("", "node_modules") for part in parts):
            wanted = reads(tuple(pattern.split("/")), tuple(parts))
            assert not wanted or (found is not None and path in found), (pattern, path)


@cache
def reads(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Return whether segments of a glob match segments of a path."""
    if not pattern or not path:
        return not pattern and not path
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        return (not rest) or any(reads(rest, path[at:]) for at in range(len(path)))
    return name_fits(first, path[0]) and reads(rest, path[1:])


@cache
def name_fits(pattern: str, name: str) -> bool:
    """Return whether `*` and `?` of one segment match a name."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return name_fits(pattern[1:], name) or (bool(name) and name_fits(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and name_fits(pattern[1:], name[1:])


def seeds() -> Iterator[bytes]:
    """Yield our config files, and globs with the paths that they match."""
    paths = b"\ncypress/e2e/redhat9.6.cy.ts\na/b.c\nc/a/b\nab.c\nnode_modules/a.cy.ts\n"
    for path in sorted(seeding.FIXTURES.glob("**/*.ts")):
        yield (
            path.read_bytes()[: MAX_LEN - 200]
            + b"\0run --build_name e2e-redhat9.6-fc --config-file=a.ts"
            + paths
        )
    for pattern in (
        b"**/*.cy.{ts,js}",
        b"a/*.?",
        b"**/b*",
        b"*/a/**",
        b"@(a|b)[!x]{1..3}/\\*",
        b"!(x)",
        b"**/a/**/b",
    ):
        yield pattern + b"\0bash -c 'x' --categorize && y" + paths
    for quote in (b"'", b'"', b"`"):
        yield (
            b"export default { e2e: { specPattern: "
            + quote
            + b"**/a?.cy.ts"
            + quote
            + b", x: /a[/]'/ } }\0x"
            + paths
        )
