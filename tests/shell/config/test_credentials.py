"""Sources of the webhook, in this order: the service's credential, the environment, the store, the file."""

import pytest

from atvm_pipeline.shell.config import credentials, settings

NAME = "MATTERMOST_ATVM_WEBHOOK"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Return a function that fills some of the sources and returns the webhook that our processes then use."""
    store, given, file = tmp_path / "store", tmp_path / "given", tmp_path / "file.env"
    monkeypatch.setattr(credentials, "STORE", store)

    def taken(**values):
        for folder, place in ((store, "store"), (given, "given")):
            folder.mkdir(exist_ok=True)
            (folder / credentials.NAME).unlink(missing_ok=True)
            if place in values:
                (folder / credentials.NAME).write_text(values[place])
        file.write_text(f"{NAME}={values['file']}\n" if "file" in values else "")
        environ = {NAME: values["environment"]} if "environment" in values else {}
        environ |= {"CREDENTIALS_DIRECTORY": str(given)} if "given" in values else {}
        return settings.effective_environment(environ, file).get(NAME)

    return taken


def test_each_place_comes_before_the_next(places):
    everywhere = {"given": "g\n", "environment": "e", "store": "s\n", "file": "f"}
    order = []
    while everywhere:
        order.append(places(**everywhere))
        del everywhere[next(iter(everywhere))]

    assert order == ["g", "e", "s", "f"]


@pytest.mark.parametrize("held", ["", " \n", "x" * 5000], ids=["empty", "blank", "too long"])
def test_a_credential_without_useful_content_counts_as_missing(places, held):
    assert places(store=held, file="f") == "f"


def test_without_any_place_there_is_no_webhook(places):
    assert places() is None
