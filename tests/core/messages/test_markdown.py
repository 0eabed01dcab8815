"""Sentences of this program and links: they neither format nor mention, and lead only to allowed hosts."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.messages.markdown import code_free, link_or_text

HOSTS = ("cypress.example.test",)


def test_sentences_neither_format_nor_link_nor_mention() -> None:
    said = code_free("a_b *c* [x](https://e.test) :smile: @all www.e.test")

    assert "\\_" in said
    assert "://" not in said
    assert ":smile:" not in said
    assert "@all" not in said
    assert "www.e" not in said
    assert code_free("at 11:00:03 :100:") == "at 11:00:03 :\u200b100:"


@pytest.mark.parametrize(
    "url",
    [
        "https://cypress.example.test",
        "http://cypress.example.test/",
        "https://Cypress.Example.test:8443/run/1_a?x=1&y=%20#/z",
        "https://cypress.example.test?run=1",
    ],
)
def test_an_address_of_an_allowed_host_is_a_link(url: str) -> None:
    assert link_or_text("Recorded run", url, HOSTS) == f"[Recorded run]({url})"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/cypress.example.test",
        "https://cypress.example.test.evil.test/",
        "https://cypress.example.test@evil.test/",
        "https://evil.test@cypress.example.test/",
        "https://cypress.example.test:x/",
        "https://evil.test\\@cypress.example.test/",
        "javascript:alert(1)//cypress.example.test",
        "ftp://cypress.example.test/",
        "//cypress.example.test/",
        "https://cypress.example.test/a) @all (b",
        "https://cypress.example.test/a](https://evil.test",
        "https://cypress.example.test/<!channel>",
        "https://cypress.example.test/a|b",
        "https://cypress.example.test/`a`",
        "https://cypress.example.test/\u202ea",
        "https://cypress.example.test/\nb",
        f"https://cypress.example.test/{'a' * 500}",
        "https://",
        "",
    ],
)
def test_any_other_address_is_text(url: str) -> None:
    shown = link_or_text("Recorded run", url, HOSTS)

    assert re.fullmatch(r"Recorded run: `[^`<\n]{1,201}`", shown)
    assert not re.search(r"@(all|channel)", shown)


@given(st.text(max_size=80), st.sampled_from(["https://cypress.example.test", "https://", ""]))
@settings(max_examples=200, deadline=None)
def test_a_link_leads_to_an_allowed_host_whatever_the_address_contains(text: str, start: str) -> None:
    shown = link_or_text("Run", start + text, HOSTS)
    link = re.fullmatch(r"\[Run\]\((.*)\)", shown)

    assert link is None or re.fullmatch(
        r"https://cypress\.example\.test(:\d+)?([/?#][^\s()<>|`@\[\]]*)?", link[1]
    )
    assert link is not None or shown.count("`") == 2
