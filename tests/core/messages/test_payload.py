"""Bodies of messages: their parts, their limits, and untrusted text, which has no effect (docs/status-template.md)."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from atvm_pipeline.core import facts as f
from atvm_pipeline.core.events import LogReplaced, MessageSettings, Metadata, WatcherStarted
from atvm_pipeline.core.facts import LastLine
from atvm_pipeline.core.messages.payload import alert_payload, delivery_id, marked
from tests.support.message_parts import decoded, request_of, shown_texts
from tests.support.run_builder import Story, counts

GREEN = counts(4)
RED = counts(3, 1)
CHECK = ("check-xml-files.ts", counts(1))
REDHAT = ("redhat9.6.cy.ts", GREEN)


def body(story: Story, index: int = -1) -> dict[str, Any]:
    return decoded(story.posts[index].payload)


def lines_of(story: Story, index: int = -1) -> list[str]:
    return str(body(story, index)["text"]).splitlines()


def failing(titles: list[str], error: str = "boom", **more: Any) -> Story:
    story = (
        Story(**more)
        .started()
        .begin_child(1)
        .log(f.SpecStarted(offset=0, spec="redhat9.6.cy.ts", position=1, total=1))
    )
    story.log(*(f.TestFailed(offset=0, title=title, error=error) for title in titles))
    story.log(f.SpecReported(offset=0, spec="redhat9.6.cy.ts", counts=RED, duration_s=3725.0))
    return story.summary(("redhat9.6.cy.ts", RED)).tick(11)


def group(**asked: Any) -> Story:
    return Story(asked=asked).started().child(REDHAT, CHECK, label="e2e-redhat9.6-fc").tick(11)


# --- the text ---


def test_the_message_of_a_passed_group_has_outcome_counts_place_and_host_each_on_one_line() -> None:
    assert lines_of(group()) == [
        "**COMPLETED** `e2e-redhat9.6-fc`, 2 min",
        "Specs: 2 planned = 2 passed; 1 of them check-xml-files.ts",
        "Group 1 of `e2e-redhat9.6-ubuntu24.04-fc`, 1 host to come: ubuntu24.04",
        "- `redhat9.6`: **PASS completed**, 4 of 4 tests passed, 1 min, kernel `5.14.0`",
    ]


def test_the_reason_is_the_second_line_and_the_counts_are_the_third() -> None:
    lines = lines_of(failing(["adds"]))

    assert lines[0] == "**FAILED** `e2e-redhat9.6-fc`, 1 h 02 min"
    assert lines[1:3] == ["1 of 1 spec failed: redhat9.6.cy.ts.", "Specs: 1 planned = 0 passed + 1 failed"]


def test_a_pass_on_every_host_is_one_line() -> None:
    story = Story(categorized=False, hosts=("redhat9.6",)).started().child(REDHAT, CHECK).end(0)

    assert story.view.reason["text"] == "All 2 planned specs passed on every requested host."
    assert lines_of(story)[1] == (
        "Specs: 2 planned = 2 passed, on every requested host; 1 of them check-xml-files.ts"
    )


def test_a_pass_with_an_unknown_exit_code_reports_it_below_its_counts() -> None:
    story = Story(categorized=False, hosts=("redhat9.6",)).started().child(REDHAT).vanish().tick(20)

    assert lines_of(story)[1:3] == [
        "Specs: 1 planned = 1 passed, on every requested host",
        "The exit code is unknown: the runner left no exit record.",
    ]


def test_a_pass_that_reports_prove_keeps_its_sentence() -> None:
    story = Story(categorized=False, hosts=("redhat9.6",), asked={"planned_specs": ("redhat9.6.cy.ts",)})
    story.started().report("redhat9.6.cy.ts", GREEN).end(0)

    assert story.ending == ("COMPLETED", "all-passed")
    assert lines_of(story)[1:3] == [
        "Specs: 1 planned = 1 passed, on every requested host",
        "Only the reports prove it. The log has no Cypress summary (cypress run --quiet prints none).",
    ]


def test_a_requested_host_for_which_nothing_ran_has_a_line_of_its_own() -> None:
    story = Story(categorized=False).started().child(REDHAT).end(0)

    assert lines_of(story)[1:] == [
        "Nothing ran for the requested host ubuntu24.04.",
        "Specs: 2 planned = 1 passed + 1 not run",
        "- `redhat9.6`: **PASS completed**, 4 of 4 tests passed, 1 min, kernel `5.14.0`",
        "- `ubuntu24.04`: **RUN/not_run**, kernel unknown",
    ]


def test_a_quiet_log_names_no_host_as_not_run() -> None:
    story = Story(categorized=False).started().report("redhat9.6.cy.ts", RED, failed=("adds",)).end(1)

    assert story.view.phase == "FAILED"
    assert "not_run" not in "\n".join(lines_of(story))


def test_a_log_without_results_names_no_spec() -> None:
    story = Story(categorized=False).started().log(f.EpilogueRead(offset=0, passing=4)).end(3)

    assert lines_of(story)[1:] == [
        "The runner ended with exit code 3, and the log does not show the results of its specs.",
        "No spec is known by name.",
    ]


def test_the_last_lines_of_the_log_follow_the_hosts_and_are_not_repeated_in_the_reason() -> None:
    story = Story(categorized=False, hosts=()).started()
    last = (
        LastLine(offset=0, end=20, text="Traceback (most recent call last):"),
        LastLine(offset=21, end=60, text="ImportError: no module named yaml", kind="cause"),
    )
    story.log()
    story.run = with_last(story, last)
    story.end(1)

    assert lines_of(story) == [
        "**FAILED** `e2e-redhat9.6-ubuntu24.04-fc`",
        "The runner ended with exit code 1, before Cypress ran any test.",
        "No spec ran.",
        "Note: hosts not checked",
        "Last log lines:",
        "- `Traceback (most recent call last):`",
        "- `ImportError: no module named yaml`",
    ]


def with_last(story: Story, last: tuple[LastLine, ...]) -> Any:
    log = story.run.log
    scanner = replace(log.scanner, last=last)
    return replace(story.run, log=replace(log, scanner=scanner))


def test_a_joined_run_took_at_least_as_long_as_its_specs() -> None:
    """A watcher that joins a run reads hours of its log at once."""
    assert lines_of(failing(["adds"]))[0].endswith(", 1 h 02 min")


def test_two_outputs_at_once_took_as_long_as_they_were_watched() -> None:
    story = Story(hosts=("redhat9.6",)).started()
    story.log(f.ChildStarted(offset=0, stream=1)).child(REDHAT).tick(11)

    assert lines_of(story)[0].endswith(", 0 s")


def test_a_message_about_finished_logs_has_no_duration_and_no_time() -> None:
    story = Story(offline=True, categorized=False).started().child(REDHAT).end(0)

    assert lines_of(story)[0] == "**FAILED** `e2e-redhat9.6-ubuntu24.04-fc`"
    assert "Time" not in request_of(body(story))


def test_no_message_has_a_table() -> None:
    assert "|" not in re.sub(r"`[^`]*`", "", body(failing(["a | b"]))["text"])


# --- the message of the complete run ---


def test_a_closing_post_names_what_no_group_has_reported_and_every_group() -> None:
    story = Story().started().child(REDHAT, CHECK, label="e2e-redhat9.6-fc").tick(11).settle().tick(80).end(3)

    assert lines_of(story) == [
        "**FAILED** `e2e-redhat9.6-ubuntu24.04-fc` (the complete run), 2 min",
        "Nothing ran for the requested host ubuntu24.04. The runner ended with exit code 3.",
        "Specs: 3 planned = 2 passed + 1 not run; 1 of them check-xml-files.ts",
        "- `e2e-redhat9.6-fc`: **COMPLETED**, 2 passed",
    ]


def test_a_closing_post_counts_the_flaky_specs_of_each_group() -> None:
    story = Story(asked=always()).started().begin_child(1)
    story.log(f.SpecStarted(offset=0, spec="redhat9.6.cy.ts", position=1, total=1))
    story.log(f.TestFlaky(offset=0, title="adds"))
    story.log(f.SpecReported(offset=0, spec="redhat9.6.cy.ts", counts=GREEN)).summary(REDHAT).tick(11)
    story.settle().end(0)

    assert lines_of(story)[-1] == "- `e2e-redhat9.6-fc`: **COMPLETED**, 1 passed, 1 flaky"


def test_a_closing_post_of_very_many_groups_is_bounded() -> None:
    story = Story(hosts=(), post_phases=("FAILED",)).started()
    for _ in range(30):
        story.child(("a.cy.ts", GREEN))
    story.tick(11).end(3)

    assert "- and 6 more groups" in lines_of(story)


def test_a_closing_post_without_any_group_has_no_start() -> None:
    story = Story().started().end(None, error="no such directory")

    assert request_of(body(story))["Time"] == "ended 2026-11-23 10:00:00 +0000"


def always(**more: Any) -> dict[str, Any]:
    return {"messages": MessageSettings(closing_post="always"), **more}


@pytest.mark.parametrize(
    ("asked", "phases", "closings"),
    [
        ({}, ("COMPLETED", "FAILED"), 0),
        (always(), ("COMPLETED", "FAILED"), 1),
        (always(), ("FAILED",), 0),
        (always(), (), 0),
    ],
)
def test_a_passed_run_ends_with_a_message_of_its_own_only_if_that_is_wanted(
    asked: dict[str, Any], phases: tuple[str, ...], closings: int
) -> None:
    story = Story(hosts=("redhat9.6",), asked=asked, post_phases=phases).started()
    story.child(REDHAT, CHECK, label="e2e-redhat9.6-fc").tick(11).end(0)
    texts = story.texts("run")

    assert story.view.phase == "COMPLETED"
    assert len(texts) == closings
    for text in texts:
        assert text.splitlines()[1:] == [
            "Specs: 2 planned = 2 passed, on every requested host; 1 of them check-xml-files.ts",
            "- `e2e-redhat9.6-fc`: **COMPLETED**, 2 passed",
        ]


def test_a_failed_run_whose_groups_have_reported_everything_is_summed_up_if_that_is_wanted() -> None:
    story = Story(hosts=("redhat9.6",), asked=always()).started()
    story.child(("redhat9.6.cy.ts", RED), CHECK, label="e2e-redhat9.6-fc").tick(11).end(1)

    assert [text.splitlines()[1] for text in story.texts("run")] == [story.view.reason["text"]]


def test_a_cancelled_run_never_ends_with_a_message() -> None:
    story = Story(asked=always(), post_phases=("CANCELLED", "COMPLETED")).started().child(REDHAT).cancel()

    assert story.tick(11).end(0).texts("run") == []


# --- the attachment ---


METADATA = Metadata(
    template="cmc-e2e",
    config_family="gold",
    config_file="cypress.config.ts",
    migration_style="end to end",
    integration_plugin="pure with fc",
    scope_description="all hosts",
)


def test_the_request_is_one_line_per_value_in_the_order_of_the_seed() -> None:
    story = group(metadata=METADATA, started_by="alice", controller="ctl1")
    (attachment,) = body(story)["attachments"]

    assert attachment["text"].splitlines() == [
        "Template: `cmc-e2e`",
        "Config family: `gold`, file `cypress.config.ts`",
        "Migration style: `end to end`",
        "Integration plugin: `pure with fc`",
        "Scope: `all hosts`",
        "Hosts checked: redhat9.6, ubuntu24.04",
        "Time: started 2026-11-23 10:00:00 +0000, ended 10:00:00",
        "Started by: `alice`",
    ]
    assert attachment["fields"] == [
        {
            "short": False,
            "title": "Where to look",
            "value": "on `ctl1`: `atvm-pipeline explain e2e-redhat9.6-ubuntu24.04-fc`\nlog `runner.log`",
        }
    ]
    assert attachment["footer"] == f"run r1, delivery {delivery_id('r1/001')}"
    assert attachment["color"] == "#2e7d32"


def test_values_that_the_request_lacks_are_left_out() -> None:
    assert set(request_of(body(group()))) == {"Hosts checked", "Time", "Where to look"}


@pytest.mark.parametrize(
    ("family", "file", "title", "value"),
    [
        ("gold", None, "Config family", "`gold`"),
        (None, "a.ts", "Config file", "`a.ts`"),
    ],
)
def test_a_config_is_named_by_what_is_known(
    family: str | None, file: str | None, title: str, value: str
) -> None:
    asked = {"metadata": Metadata(config_family=family, config_file=file)}

    assert request_of(body(group(**asked)))[title] == value


def test_times_are_the_controllers_own_with_date_and_offset_once() -> None:
    story = Story().started().feed(WatcherStarted(at=Story().at, pid=1, utc_offset_s=3600))
    story.child(REDHAT, label="e2e-redhat9.6-fc").tick(11)

    assert request_of(body(story))["Time"] == "started 2026-11-23 11:00:00 +0100, ended 11:00:00"


def test_an_end_on_another_day_has_its_date() -> None:
    story = Story(categorized=False).started().begin_child(1)
    story.now_s += timedelta(hours=20).total_seconds()
    story.spec(*REDHAT).summary(REDHAT).end(0)

    assert request_of(body(story))["Time"] == ("started 2026-11-23 10:00:00 +0000, ended 2026-11-24 06:00:00")


def test_a_client_without_attachments_shows_outcome_and_reason() -> None:
    story = Story(hosts=("red_hat",), build="e2e-red_hat").started().end(None, error="no `sh`")
    (attachment,) = body(story)["attachments"]

    assert attachment["fallback"] == (
        "FAILED e2e-red_hat (the complete run): The runner command was not started: no `sh`."
    )


RECORDED = "https://cypress.example.test/run/7"


def recorded(*facts: f.Fact, hosts: tuple[str, ...] = ("cypress.example.test",), **child: Any) -> str:
    story = Story(asked={"messages": MessageSettings(link_hosts=hosts)}).started().begin_child(1, **child)
    story.spec(*REDHAT).summary(REDHAT).log(*facts).tick(11)
    return request_of(body(story))["Where to look"].splitlines()[0]


def test_the_recorded_run_is_a_link_if_its_host_is_allowed_and_else_text() -> None:
    fact = f.RunRecorded(offset=0, url=RECORDED)

    assert recorded(fact) == f"[Recorded run]({RECORDED})"
    assert recorded(fact, hosts=()) == f"Recorded run: `{RECORDED}`"
    assert recorded(fact, hosts=("example.test",)) == f"Recorded run: `{RECORDED}`"


def test_the_address_in_the_header_box_stands_in_for_the_one_below_the_table() -> None:
    assert recorded(run_url=RECORDED) == f"[Recorded run]({RECORDED})"
    assert recorded(f.RunRecorded(offset=0, url=f"{RECORDED}/x"), run_url=RECORDED) == (
        f"[Recorded run]({RECORDED}/x)"
    )
    assert recorded().startswith("`atvm-pipeline explain")


# --- repeats and alerts ---


def test_a_mark_is_the_first_thing_to_read_and_names_the_delivery() -> None:
    story = failing(["t"])
    text = str(decoded(marked(story.posts[-1].payload))["text"])

    assert text.startswith(":warning: **Possible duplicate**")
    assert delivery_id("r1/001") in text.splitlines()[0]
    assert "may have arrived" in text.splitlines()[0]
    assert len(text) <= 4000


def test_an_alert_is_one_line_in_the_form_of_a_messages_first_one() -> None:
    story = Story(build=None)

    assert (
        decoded(alert_payload(story.run, "x\ny", "k", word="HUNG"))["text"] == ":warning: **HUNG** `run`: x y"
    )


def test_an_alert_names_the_controller() -> None:
    story = Story(asked={"controller": "ctl1"}, alerts=True).started().child(REDHAT).vanish(rebooted=True)
    (text,) = story.tick(20).texts("alert")

    assert text.startswith(
        ":warning: **TERMINATED** `e2e-redhat9.6-ubuntu24.04-fc` on `ctl1`: The controller host"
    )


def test_a_notice_is_an_alert_with_its_own_word() -> None:
    story = Story(alerts=True).started()
    story.feed(LogReplaced(at=story.at, generation=1, why="truncated", begin=0))

    (text,) = story.texts("alert")
    assert text.startswith(":warning: **ATTENTION** `e2e-redhat9.6-ubuntu24.04-fc`: The log was truncated")


# --- limits and untrusted text ---


HOSTILE = [
    *("@all", "@channel now", "<!channel>", "<https://evil.test|click>", "`code` @here", "a\nb\n# c"),
    *("\x1b[31mred\x1b[0m", "\u202egnp", "x" * 1_000_000, "[a](https://evil.test)", "\U0001f600" * 3000),
    *("\\" * 3000, '"' * 3000),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_untrusted_text_can_do_nothing(hostile: str) -> None:
    asked = {
        "metadata": Metadata(**dict.fromkeys(Metadata.__struct_fields__, hostile)),
        "controller": hostile,
        "started_by": hostile,
        "not_checked": (hostile,) * 40,
        "notes": (hostile,),
        "log_path": hostile,
    }
    story = failing([hostile] * 12, error=hostile, asked=asked)
    payload = story.posts[-1].payload

    assert len(body(story)["text"]) <= 3_700
    assert len(marked(payload).encode()) < 15_000
    for text in shown_texts(body(story)):
        assert not re.search(r"@(all|channel|here)\b", text)
        assert "<" not in text
        assert "](" not in re.sub(r"`[^`]*`|\\.", "", text)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
        for line in text.splitlines():
            assert line.count("`") % 2 == 0


@given(st.text(max_size=400), st.lists(st.text(max_size=400), max_size=12), st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_text_makes_a_message_too_long(text: str, titles: list[str], categorized: bool) -> None:
    asked = {
        "metadata": Metadata(template=text, scope_description=text),
        "log_path": text,
        "started_by": text,
    }
    story = failing(titles, error=text, asked=asked, categorized=categorized).end(1)

    for post in story.posts:
        assert len(decoded(post.payload)["text"]) <= 3_700
        assert len(marked(post.payload).encode()) < 15_000


def test_thousands_of_hosts_fit_with_the_failing_ones_first() -> None:
    specs = [(f"ubuntu{n}.04.cy.ts", GREEN) for n in range(60)] + [("redhat9.6.cy.ts", counts(0, 1))]
    story = Story(hosts=()).started().child(*specs).tick(11)
    text = body(story)["text"]

    assert len(text) <= 4000
    assert "FAIL failed" in text
    assert "- and 37 more hosts" in text


def test_a_text_that_would_be_too_long_is_cut_at_a_line_and_reports_it() -> None:
    specs = [(f"{'y' * 58}{n:02d}.cy.ts", counts(0, 1)) for n in range(30)]
    story = Story(hosts=(), categorized=False).started()
    story.begin_child(30)
    for position, (spec, found) in enumerate(specs, 1):
        story.log(f.SpecStarted(offset=0, spec=spec, position=position, total=30))
        story.log(*(f.TestFailed(offset=0, title="t" * 300, error="e" * 300) for _ in range(2)))
        story.log(f.SpecReported(offset=0, spec=spec, counts=found))
    story.summary(*specs).end(30)

    assert len(marked(story.posts[-1].payload)) < 16_000
    assert lines_of(story)[-1] == "- (cut here; the state files have the complete text)"
    assert len(body(story)["text"]) <= 3_700
