"""A message on a terminal: as wide as the screen, with a bar for the colour of its attachment."""

import pytest

from atvm_pipeline.cli.message_preview import message_lines, render_message

MESSAGE = {
    "text": "**FAILED** `e2e-redhat9.6-fc`, 1 h 02 min\n- `adds two\u200b numbers \\_ and one more`\n  `AssertionError: expected 1 to equal 2`",
    "attachments": [
        {
            "color": "#c62828",
            "text": "Template: `cmc-e2e`",
            "fields": [{"title": "Where to look", "value": "[Recorded run](https://e.test/1)\nlog `a`"}],
            "footer": "run r1, delivery d1",
        }
    ],
}


def test_a_message_fits_a_narrow_screen_and_keeps_its_indents() -> None:
    assert message_lines(MESSAGE, 24) == [
        *("FAILED e2e-redhat9.6-fc,", "1 h 02 min", "- adds two numbers _ and", "  one more"),
        *("  AssertionError:", "  expected 1 to equal 2"),
        *("▌ Template: cmc-e2e", "▌ Where to look:", "▌ Recorded run:", "▌ https://e.test/1", "▌ log a"),
        *("▌ run r1, delivery d1",),
    ]


def test_colours_change_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = render_message(MESSAGE)

    assert "\x1b[" in shown
    assert "Recorded run: https://e.test/1" in shown
    assert "`" not in shown
    assert "**" not in shown


def test_a_message_without_an_attachment_is_its_text() -> None:
    assert message_lines({"text": "**HUNG** `b`: x"}, 40) == ["HUNG b: x"]
