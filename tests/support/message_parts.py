"""The parts of a message's body that a reader sees."""

from typing import Any

import msgspec


def decoded(payload: str) -> dict[str, Any]:
    """Return a payload as a JSON object."""
    body: dict[str, Any] = msgspec.json.decode(payload)
    return body


def shown_texts(body: dict[str, Any]) -> list[str]:
    """Return every text that a client interprets as Markdown: of the message, and of its attachment."""
    texts = [str(body["text"])]
    for attachment in body.get("attachments", ()):
        texts.append(str(attachment["text"]))
        texts += [str(field["value"]) for field in attachment["fields"]]
    return texts


def request_of(body: dict[str, Any]) -> dict[str, str]:
    """Return the lines of the attachment by their titles, `Where to look` among them."""
    (attachment,) = body["attachments"]
    lines = dict(line.split(": ", 1) for line in attachment["text"].splitlines())
    return {**lines, **{field["title"]: field["value"] for field in attachment["fields"]}}
