"""The webhook's address: which values are valid, and the error for an invalid one. Neither repeats the address."""

import contextlib
import re

import pytest
from hypothesis import given, strategies as st

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell.delivery.webhook import Webhook


@pytest.mark.parametrize(
    ("text", "place", "insecure"),
    [
        ("https://chat.example.org/hooks/abc123", "https://chat.example.org", False),
        ("  https://Chat.Example.org:443/hooks/ABC123\n", "https://chat.example.org", False),
        ("https://chat.example.org:8443/team/chat/hooks/abc", "https://chat.example.org:8443", False),
        ("HTTPS://10.1.2.3/hooks/abc", "https://10.1.2.3", False),
        ("https://[2001:db8::1]:8443/hooks/abc", "https://[2001:db8::1]:8443", False),
        ("http://localhost:8065/hooks/abc", "http://localhost:8065", False),
        ("http://127.0.0.9:8065/hooks/abc", "http://127.0.0.9:8065", False),
        ("http://[::1]/hooks/abc", "http://[::1]", False),
        ("http://chat.example.org/hooks/abc", "http://chat.example.org", True),
        ("http://localhost.example.org/hooks/abc", "http://localhost.example.org", True),
    ],
)
def test_an_address_has_a_printable_place_and_knows_whether_it_is_insecure(
    text: str, place: str, insecure: bool
) -> None:
    webhook = Webhook.parse(text)

    assert (place, insecure) == (webhook.place, webhook.insecure)
    assert place == str(webhook)


@pytest.mark.parametrize(
    ("text", "says_what"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("s3cr3ts3cr3t", "https://"),
        ("ftp://chat/hooks/s3cr3t", "https://"),
        ("chat.example.org:443/hooks/s3cr3t", "https://"),
        ("https:///hooks/s3cr3t", "server"),
        ("https://chat:0/hooks/s3cr3t", "port"),
        ("https://chat:65536/hooks/s3cr3t", "port"),
        ("https://chat:s3cr3t/hooks/s3cr3t", "port"),
        ("https://[::1/hooks/s3cr3t", "server"),
        ("https://[fe80::1%eth0]/hooks/s3cr3t", "server"),
        ("https://-chat/hooks/s3cr3t", "server"),
        ("https://me:s3cr3t@chat/hooks/s3cr3t", "user name"),
        ("https://s3cr3t@chat/hooks/s3cr3t", "user name"),
        ("https://chat/hooks/s3cr3t?x=1", "query"),
        ("https://chat/hooks/s3cr3t#x", "fragment"),
        ("https://chat/hooks/", "/hooks/"),
        ("https://chat/hooks", "/hooks/"),
        ("https://chat/s3cr3t", "/hooks/"),
        ("https://chat/hooks/s3cr3t/", "/hooks/"),
        ("https://chat/hooks/s3cr3t/x", "/hooks/"),
        ("https://chat/hooks/s3-cr3t", "/hooks/"),
        ("https://chat/a/../hooks/s3cr3t", "/hooks/"),
        ("https://chat//hooks/s3cr3t", "/hooks/"),
        ("https://chat/hooks/" + "s3cr3t" * 20, "/hooks/"),
        ("https://chat/hooks/s3cr3t\r\nX-Evil: 1", "characters"),
        ("https://chat/hooks/s3c\tr3t", "characters"),
        ("https://chat/hooks/s3cr3t\x00", "characters"),
        ("https://chät/hooks/s3cr3t", "characters"),
        ("https://chat\\hooks/s3cr3t", "characters"),
        ('"https://chat/hooks/s3cr3t"', "characters"),
        ("https://chat/" + "s3cr3t/" * 2000, "too long"),
    ],
)
def test_a_malformed_address_is_refused_in_one_line_that_names_the_remedy_and_repeats_nothing(
    text: str, says_what: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        Webhook.parse(text)

    message = str(refusal.value)
    assert says_what in message
    assert "https://<server>/hooks/<id>" in message
    assert "\n" not in message
    assert "s3c" not in message
    assert "r3t" not in message


@given(
    st.one_of(
        st.text(), st.text().map("https://{}/hooks/abc".format), st.text().map("https://chat/{}".format)
    )
)
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert re.fullmatch(r"https?://[\x21-\x7e]+", Webhook.parse(text).place)
