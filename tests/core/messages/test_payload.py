"""Content of messages; untrusted text has no effect in them (docs/status-template.md)."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import WatcherStarted
from atvm_pipeline.core.messages.payload import alert_payload, code_free, delivery_id, marked, outcome_words
from atvm_pipeline.core.text import code_span, format_duration, join_names, one_line
from tests.support.run_builder import Story, counts

GREEN = counts(4)


def body(story: Story, index: int = -1) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(story.posts[index].payload)
    return decoded


def failing(titles: list[str], error: str = "boom") -> Story:
    story = (
        Story()
        .started()
        .begin_child(1)
        .log(f.SpecStarted(offset=0, spec="redhat9.6.cy.ts", position=1, total=1))
    )
    story.log(*(f.TestFailed(offset=0, title=title, error=error) for title in titles))
    red = counts(3, 1)
    story.log(f.SpecReported(offset=0, spec="redhat9.6.cy.ts", counts=red, duration_s=3725.0))
    return story.summary(("redhat9.6.cy.ts", red)).tick(11)


def test_a_post_says_outcome_and_name_first_then_counts_then_hosts() -> None:
    story = (
        Story()
        .started()
        .child(("redhat9.6.cy.ts", GREEN), ("check-xml-files.ts", counts(1)), label="e2e-redhat9.6-fc")
        .tick(11)
    )
    lines = body(story)["text"].splitlines()

    assert lines[0].startswith("**COMPLETED** `e2e-redhat9.6-fc`")
    assert "Specs: 2 planned = 2 passed" in lines
    assert "- `redhat9.6` kernel `5.14.0`: **PASS completed**, 4 of 4 tests passed, 1 min" in lines
    assert body(story)["props"]["atvm_run_id"] == "r1"
    assert "channel" not in body(story)


def test_failing_tests_are_named_ten_at_most() -> None:
    lines = body(failing([f"test {n}" for n in range(14)]))["text"].splitlines()

    assert sum(line.startswith("- `test ") for line in lines) == 10
    assert "- and 4 more" in lines
    assert "- `test 0` - `boom`" in lines


def test_a_failing_test_without_an_error_is_named_alone() -> None:
    assert "- `adds`" in body(failing(["adds"], error=""))["text"].splitlines()


def test_no_message_has_a_table() -> None:
    assert "|" not in re.sub(r"`[^`]*`", "", body(failing(["a | b"]))["text"])


@pytest.mark.parametrize(
    "hostile",
    [
        "@all",
        "@channel now",
        "<!channel>",
        "<https://evil.test|click>",
        "`code` @here",
        "a\nb\n# c",
        "\x1b[31mred\x1b[0m",
        "\u202egnp",
        "x" * 1_000_000,
    ],
)
def test_foreign_text_can_do_nothing(hostile: str) -> None:
    story = failing([hostile], error=hostile)
    text = body(story)["text"]

    assert len(text) <= 4000
    assert len(story.posts[-1].payload.encode()) < 16_000
    assert not re.search(r"@(all|channel|here)\b", text)
    assert "<" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    for line in text.splitlines():
        assert line.count("`") % 2 == 0


@given(st.text(max_size=300), st.integers(2, 120))
@settings(max_examples=200, deadline=None)
def test_one_line_is_one_line_and_a_code_span_cannot_be_left(text: str, width: int) -> None:
    line = one_line(text, width)
    span = code_span(text, width)

    assert len(line) <= width
    assert "\n" not in line
    assert line.isprintable() or not line
    assert span.count("`") == 2
    assert span.startswith("`")
    assert span.endswith("`")
    assert "<" not in span


def test_our_own_sentences_neither_format_nor_link_nor_mention() -> None:
    said = code_free("a_b *c* [x](https://e.test) :smile: @all www.e.test")

    assert "\\_" in said
    assert "://" not in said
    assert ":smile:" not in said
    assert "@all" not in said
    assert "www.e" not in said


def test_thousands_of_hosts_fit_with_the_failing_ones_first() -> None:
    specs = [(f"ubuntu{n}.04.cy.ts", GREEN) for n in range(60)] + [("redhat9.6.cy.ts", counts(0, 1))]
    story = Story(hosts=()).started().child(*specs).tick(11)
    text = body(story)["text"]

    assert len(text) <= 4000
    assert "FAIL failed" in text
    assert "more hosts" in text


def test_a_text_that_would_be_too_long_is_cut_at_a_line_and_says_so() -> None:
    specs = [(f"{'y' * 58}{n:02d}.cy.ts", counts(0, 1)) for n in range(30)]
    story = Story(hosts=(), categorized=False).started()
    story.begin_child(30)
    for position, (spec, found) in enumerate(specs, 1):
        story.log(f.SpecStarted(offset=0, spec=spec, position=position, total=30))
        story.log(*(f.TestFailed(offset=0, title="t" * 300, error="e" * 300) for _ in range(2)))
        story.log(f.SpecReported(offset=0, spec=spec, counts=found))
    story.summary(*specs).end(30)
    text = body(story)["text"]

    assert len(marked(story.posts[-1].payload)) < 16_000
    assert len(text) <= 3700


def test_a_closing_post_names_what_no_group_has_told_and_every_group() -> None:
    story = (
        Story().started().child(("redhat9.6.cy.ts", GREEN), label="e2e-redhat9.6-fc").tick(11).settle().end(3)
    )
    text = body(story)["text"]

    assert "(the complete run)" in text.splitlines()[0]
    assert "ubuntu24.04" in text
    assert "- `e2e-redhat9.6-fc`: COMPLETED, 1 passed" in text


def test_a_closing_post_of_very_many_groups_is_bounded() -> None:
    story = Story(hosts=(), post_phases=("FAILED",)).started()
    for _ in range(30):
        story.child(("a.cy.ts", GREEN))
    story.tick(11).end(3)

    assert "- and 6 more groups" in body(story)["text"]


def test_a_closing_post_without_any_group_has_no_begin() -> None:
    story = Story().started().end(None, error="no such folder")
    fields = {field["title"]: field["value"] for field in body(story)["attachments"][0]["fields"]}

    assert "started" not in fields["Time"]
    assert "ended" in fields["Time"]


def test_a_mark_is_the_first_thing_to_read_and_names_the_delivery() -> None:
    story = failing(["t"])
    text = str(msgspec.json.decode(marked(story.posts[-1].payload))["text"])

    assert text.startswith(":warning: **Possible duplicate**")
    assert delivery_id("r1/001") in text.splitlines()[0]
    assert len(text) <= 4000


def test_an_alert_is_one_line() -> None:
    story = Story(build=None)
    text = str(msgspec.json.decode(alert_payload(story.run, "HUNG: x\ny", "k"))["text"])

    assert text == "ATVM run `run`: HUNG: x y"


def test_results_are_said_as_a_person_reads_them() -> None:
    assert outcome_words("PASS", "completed") == "PASS completed"
    assert outcome_words("RUN", "pending") == "RUN/pending"
    assert outcome_words("FAIL", "crashed") == "FAIL crashed"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (3600, "1 h 00 min"),
        (90061, "25 h 01 min"),
        (172799, "47 h 59 min"),
        (183600, "2 d 03 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said


def test_a_long_list_is_cut_and_counted() -> None:
    assert join_names(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_times_are_the_controllers_own_with_their_offset() -> None:
    story = Story().started().feed(WatcherStarted(at=Story().at, pid=1, utc_offset_s=3600))
    story.child(("redhat9.6.cy.ts", GREEN), label="e2e-redhat9.6-fc").tick(11)
    fields = {field["title"]: field["value"] for field in body(story)["attachments"][0]["fields"]}

    assert "11:00:00 +0100" in fields["Time"]


def test_a_body_of_four_byte_characters_stays_below_sixteen_kilobytes() -> None:
    wide = "\U0001f600" * 300
    story = failing([wide] * 12, error=wide)

    assert len(story.posts[-1].payload.encode()) < 15_000
