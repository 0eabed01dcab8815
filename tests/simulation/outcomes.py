"""Each behaviour of the server, once and always: the outcome of a message, and the posts that a reader sees.

Usage: python -m tests.simulation.outcomes
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from .coverage import Coverage
from .driver import play
from .plans import Away, Plan
from .server import AWAY, BEHAVIOURS, HONESTY

STORY = "tiny"
TIMES = {"20 s": 20.0, "1 h": 3600.0, "24 h": 86400.0, "70 h": 252000.0, "always": 1e9}
PING = {"truthful": "true", "lying": "200 all the time", "missing": "404"}
HEAD = ("server", "how long", "its ping", "outcome", "marked repeats", "seen unmarked", "seen marked")


class End(NamedTuple):
    """The end of one message."""

    outcome: str
    repeats: int
    """Marked repeats that the server may have."""
    unmarked: int
    """Posts that a reader sees."""
    marked: int


Case = tuple[str, str, End]
"""How long, the kind of ping, the end."""


def ends() -> Iterator[tuple[str, Case]]:
    """Yield each behaviour, in one request and in all of them, and each gateway for each time."""
    for name in BEHAVIOURS:
        if name not in AWAY:
            yield name, ("once", "", end_of(Plan(story=STORY, deliveries=(name,))))
            # A limiter that sends Retry-After is retried every few seconds. Its other form ends the same in
            # few steps.
            if name != "rate-limited":
                yield name, ("always", "", end_of(Plan(story=STORY, forever=name)))
    for name in AWAY:
        for words, seconds in TIMES.items():
            for honesty in HONESTY:
                away = Away(seconds=seconds, honesty=honesty, answers=(name,))
                yield name, (words, PING[honesty], end_of(Plan(story=STORY, away=away)))


def end_of(plan: Plan) -> End:
    """Play a history of one message."""
    told = play(plan, Coverage())
    (post,) = [post for post in told.run.outbox if post.kind != "alert"]
    seen = told.server.seen(post.delivery_id)
    marked = sum(message.marked for message in seen)
    return End(post.outcome, told.server.marked_repeats(post.delivery_id), len(seen) - marked, marked)


def table() -> str:
    """Render Markdown, with servers that have the same end in one row."""
    servers: defaultdict[Case, list[str]] = defaultdict(list)
    for name, case in ends():
        servers[case].append(name)
    pings: defaultdict[tuple[str, str, End], list[str]] = defaultdict(list)
    for (long, ping, end), names in servers.items():
        pings[", ".join(names), long, end].append(ping)
    rows = [HEAD, tuple("---" for _ in HEAD)]
    rows += [(names, long, " or ".join(asked), *map(str, end)) for (names, long, end), asked in pings.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(table())
