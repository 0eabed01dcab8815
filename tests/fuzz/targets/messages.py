"""Untrusted text in every place of a message.

Input: one byte of choices, then texts with NUL between them. They are used in turn, in every place that takes a text.
"""

from collections.abc import Iterator
from itertools import cycle

from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import MessageSettings, Metadata, Process
from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.messages.markdown import code_free
from atvm_pipeline.core.text import code_span, one_line, printable
from atvm_pipeline.shell.delivery.sender import with_channel
from tests.fuzz import checks, seeding
from tests.support.run_builder import BEGIN, Story

MAX_LEN = 32 * 1024
SHORT_RUNS = 400
WORDS = (
    *(
        b"@all",
        b"@here",
        b"@channel",
        b"<!channel>",
        b"<http://x|y>",
        b"http://",
        b"www.x.de",
        b"https://x.de/run?1",
        b"[a](b)",
        b"![a](b)",
        b"`",
    ),
    *(
        b"```",
        b":smile:",
        b"**",
        b"__",
        b"~~",
        b"#tag",
        b"~town-square",
        b"| a | b |",
        b"\n",
        b"\r",
        b"\x1b[31m",
        b"\0",
    ),
    *(
        "\u202e\u200b\u2028\u0301\ufeff\u00ad\u061c\U000e0041\U0001f600".encode(),
        b"\xff",
        b"\xed\xa0\x80",
        b"\\",
        b"&lt;",
    ),
    *("\uff20all\ufe6ball\u2060\u034f\u115f\u3164".encode(), b"redhat9.6.cy.ts", b"mailto:a@b.de", b"a@b.de"),
)


def target(data: bytes) -> None:
    """No message mentions, links, formats or exceeds its size, regardless of its parts."""
    choices, body = (data[0] if data else 0), data[1:]
    texts = [text.decode("utf-8", "replace") for text in body.split(b"\0")]
    for text in texts:
        single(text)
    story = tell(iter(cycle(texts)), choices)
    checks.run(story.run)
    for post in story.posts:
        checks.message(post.payload, story.run.request.messages.link_hosts)
        assert len(with_channel(post.payload, "c" * 64)) < checks.BODY_MAX_BYTES
    assert len(story.posts) <= 12


def single(text: str) -> None:
    """Check the forms in which untrusted text is shown."""
    checks.harmless(printable(text), len(text))
    checks.harmless(one_line(text, 60), 60)
    assert one_line(one_line(text, 60), 60) == one_line(text, 60)
    checks._message_line(code_span(text))
    checks._message_line(code_free(text))


def tell(texts: Iterator[str], choices: int) -> Story:
    """Return a run that contains these texts, ended as chosen."""
    bit = [bool(choices >> at & 1) for at in range(8)]
    hosts = (next(texts), "redhat9.6") if bit[6] else ("redhat9.6",)
    story = Story(
        categorized=bit[0],
        build=None if bit[7] else "e2e-redhat9.6-fc",
        hosts=hosts,
        notes=(next(texts),),
        alerts=True,
    )
    request = replace(
        story.run.request,
        metadata=Metadata(**{name: next(texts) for name in Metadata.__struct_fields__}),
        inventory={"redhat9.6": next(texts)},
        log_path=next(texts),
        messages=MessageSettings(link_hosts=("x", "x.de")),
        controller=next(texts),
        started_by=next(texts),
    )
    story.run = replace(story.run, request=request)
    story.started().log(f.ChildLaunched(offset=0, label=next(texts)))
    story.processes(
        Process(pid=101, create_time=2.0, name=next(texts), role="cypress", state=next(texts)[:8])
    )
    story.begin_child(2, group=next(texts), browser=next(texts), run_url=next(texts))
    spec = next(texts)
    for position, name in enumerate((spec, "cypress/e2e/redhat9.6.cy.ts"), 1):
        found = Counts(tests=12, passing=0 if bit[1] else 12, failing=12 if bit[1] else 0)
        story.log(f.SpecStarted(offset=0, spec=name, position=position, total=2))
        if bit[1]:
            story.log(*(f.TestFailed(offset=0, title=next(texts), error=next(texts)) for _ in range(12)))
        if bit[2]:
            story.log(f.TestFlaky(offset=0, title=next(texts)))
        story.log(f.SpecReported(offset=0, spec=name, counts=found, duration_s=60.0))
    if bit[3]:
        story.log(f.ErrorReported(offset=0, code="plugin-error", scope="run", text=next(texts)))
    else:
        story.summary((spec, found), ("cypress/e2e/redhat9.6.cy.ts", found))
    if bit[4]:
        story.report(
            "redhat9.6.cy.ts",
            found,
            path=next(texts),
            failed=(next(texts),),
            rivals=(next(texts),) if bit[5] else (),
        )
    story.log(f.RunRecorded(offset=0, url=next(texts)))
    story.processes()
    story.exit(
        None if bit[5] else int(bit[1]),
        signal=next(texts) if bit[5] else None,
        error=next(texts) if bit[3] else None,
    )
    for _ in range(12):
        story.tick(20.0)
        if any(post.in_flight for post in story.run.outbox):
            story.settle("rejected" if bit[2] else "sent", detail=next(texts), status=403 if bit[2] else 200)
    return story


def seeds() -> Iterator[bytes]:
    """Yield each word of the dictionary alone and all together, with every ending."""
    for number, word in enumerate(WORDS):
        yield bytes([number * 7 % 256]) + word
    for choices in range(0, 256, 5):
        yield bytes([choices]) + b"\0".join((*WORDS, b"x" * 3000, "\U0001f600".encode() * 400))
    assert BEGIN.tzinfo is not None
    yield from (b"\x02" + log[:4000] for log in list(seeding.logs())[:4])
