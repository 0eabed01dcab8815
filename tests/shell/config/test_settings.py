"""The settings of messages: what is accepted, and how a mistake is reported."""

import pytest

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import MessageSettings
from atvm_pipeline.shell.config.settings import LINK_HOSTS_MAX, message_settings


def test_without_variables_the_defaults_are_in_force() -> None:
    assert (
        message_settings({"ATVM_WATCHER_LINK_HOSTS": "", "ATVM_WATCHER_CLOSING_POST": ""})
        == MessageSettings()
    )


def test_hosts_of_links_are_a_list_in_lower_case_without_repeats() -> None:
    found = message_settings(
        {"ATVM_WATCHER_LINK_HOSTS": " CI.Example.com, cloud.cypress.io ,,ci.example.com"}
    )

    assert found.link_hosts == ("ci.example.com", "cloud.cypress.io")


def test_the_closing_post_can_be_sent_always() -> None:
    assert message_settings({"ATVM_WATCHER_CLOSING_POST": "always"}).closing_post == "always"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CLOSING_POST", "never", "use when-needed or always"),
        ("LINK_HOSTS", "https://ci.example.com", "not a host name"),
        ("LINK_HOSTS", "ci.example.com:8080", "without scheme, port and path"),
        ("LINK_HOSTS", "-x", "not a host name"),
        ("LINK_HOSTS", ",".join(f"h{at}" for at in range(LINK_HOSTS_MAX + 1)), "use at most 100"),
    ],
)
def test_a_mistake_is_reported_in_one_line_with_the_name_of_the_variable(
    name: str, value: str, words: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        message_settings({f"ATVM_WATCHER_{name}": value})

    assert f"ATVM_WATCHER_{name}" in str(refusal.value)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
