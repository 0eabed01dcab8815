"""The server behind the webhook: the requests that arrive, the posts that a reader sees, and the answers."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from atvm_pipeline.shell.delivery import http
from atvm_pipeline.shell.delivery.deadline import CONNECT_TIMEOUT, NO_ANSWER
from atvm_pipeline.shell.delivery.http import Answer, NotArrivedError, UncertainError

from .world import World

MARKS = ("Possible duplicate", "Sent again by hand")


class Behaviour(NamedTuple):
    """How the server takes one request."""

    stored: bool
    """Whether a reader sees the post."""
    reply: Callable[[], Answer]
    """Returns the answer, or raises the errors of `http.send`."""
    arrives: bool = True
    refuses: bool = False
    """The answer states for certain that the post was not taken."""


def _answers(status: int, body: bytes = b"", **headers: str) -> Callable[[], Answer]:
    sent: Mapping[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: Answer(status, sent, body)


def _fails(text: str, *, certificate: bool = False) -> Callable[[], Answer]:
    def fail() -> Answer:
        raise NotArrivedError(text, certificate=certificate)

    return fail


def _breaks(text: str) -> Callable[[], Answer]:
    def fail() -> Answer:
        raise UncertainError(text)

    return fail


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": Behaviour(stored=True, reply=_answers(200, b"ok")),
    "no-name": Behaviour(stored=False, reply=_fails(http.NO_NAME), arrives=False),
    "no-connection": Behaviour(stored=False, reply=_fails(http.NO_CONNECTION), arrives=False),
    "connect-timeout": Behaviour(stored=False, reply=_fails(CONNECT_TIMEOUT), arrives=False),
    "tls-failed": Behaviour(stored=False, reply=_fails(http.TLS_FAILED), arrives=False),
    "bad-certificate": Behaviour(
        stored=False, reply=_fails(http.BAD_CERTIFICATE, certificate=True), arrives=False
    ),
    "rate-limited": Behaviour(stored=False, reply=_answers(429, Retry_After="7"), refuses=True),
    "rate-limited-for-long": Behaviour(stored=False, reply=_answers(429, Retry_After="86400"), refuses=True),
    "redirected": Behaviour(stored=False, reply=_answers(302), refuses=True),
    "refused-400": Behaviour(stored=False, reply=_answers(400), refuses=True),
    "refused-404": Behaviour(stored=False, reply=_answers(404), refuses=True),
    "disabled-501": Behaviour(stored=False, reply=_answers(501), refuses=True),
    "timeout-stored": Behaviour(stored=True, reply=_breaks(NO_ANSWER)),
    "timeout-lost": Behaviour(stored=False, reply=_breaks(NO_ANSWER)),
    "reset-stored": Behaviour(stored=True, reply=_breaks(http.BROKEN_OFF)),
    "reset-lost": Behaviour(stored=False, reply=_breaks(http.BROKEN_OFF)),
    "failed-500-stored": Behaviour(stored=True, reply=_answers(500)),
    "failed-500-lost": Behaviour(stored=False, reply=_answers(500)),
    "timeout-408": Behaviour(stored=False, reply=_answers(408)),
    # A gateway answers instead of its server, after it has passed the post on, or before it does so.
    "gateway-502-instead": Behaviour(stored=False, reply=_answers(502)),
    "gateway-503-instead": Behaviour(stored=False, reply=_answers(503, Retry_After="7")),
    "gateway-502-after": Behaviour(stored=True, reply=_answers(502)),
    "gateway-503-before": Behaviour(stored=True, reply=_answers(503)),
    "gateway-504-stored": Behaviour(stored=True, reply=_answers(504)),
    "not-ok-stored": Behaviour(stored=True, reply=_answers(200, b"<html>")),
    "not-ok-lost": Behaviour(stored=False, reply=_answers(200, b"<html>")),
}
PINGS: dict[str, Callable[[], Answer]] = {
    "200": _answers(200),
    "404": _answers(404),
    "401": _answers(401),
    "429": _answers(429),
    "302": _answers(302),
    "502": _answers(502),
    "503": _answers(503, Retry_After="3"),
    "504": _answers(504),
    "no connection": _fails(http.NO_CONNECTION),
    "no answer": _breaks(NO_ANSWER),
    "broken off": _breaks(http.BROKEN_OFF),
}
AWAY = ("gateway-502-instead", "gateway-503-instead", "gateway-502-after", "gateway-503-before")
HONESTY = ("truthful", "lying", "missing")
"""The answer of a gateway to a ping while its server is away: as for other paths, 200 by itself, or 404."""
UNREACHABLE = tuple(name for name, behaviour in BEHAVIOURS.items() if not behaviour.arrives)


class Message(NamedTuple):
    """One request, as the server has it."""

    delivery_id: str
    marked: bool
    behaviour: str
    stored: bool


class Server:
    """Takes requests by a script, one behaviour a request; `ok` when it is at its end."""

    def __init__(self, world: World, script: tuple[str, ...], on_contact: Callable[[str], None]) -> None:
        self._world = world
        self._script = list(script)
        self._on_contact = on_contact
        self.requests: list[Message] = []
        self.answer_after_s = 0.0
        self.forever: str | None = None
        """A behaviour that never ends, once the script is over."""
        self.pings: list[str] = []
        self.ping_script: list[str] = []
        self.away_s = 0.0
        """The server is away behind a gateway for this time, from the first request on."""
        self.away_as: tuple[str, ...] = AWAY
        self.honesty = "truthful"
        self._since_s: float | None = None

    def play_next(self, script: tuple[str, ...]) -> None:
        """Replace the rest of the script."""
        self._script = list(script)

    def _is_away(self) -> bool:
        return self._since_s is not None and self._world.monotonic() < self._since_s + self.away_s

    def send(self, _webhook: object, body: bytes | None, **_limits: Any) -> Answer:
        """Handle a request in the place of `http.send`."""
        return self._ping() if body is None else self._post(body)

    def _ping(self) -> Answer:
        if self._is_away():
            name = {"truthful": self._world.random.choice(("502", "503", "504")), "lying": "200"}.get(
                self.honesty, "404"
            )
        elif self.away_s:
            name = "404" if self.honesty == "missing" else "200"
        else:
            name = self.ping_script.pop(0) if self.ping_script else self._world.random.choice(("200", *PINGS))
        self._world.tell(f"a ping meets {name}")
        self.answer_after_s = round(self._world.random.uniform(0.01, 2.0), 3)
        self.pings.append(name)
        return PINGS[name]()

    def _post(self, body: bytes) -> Answer:
        self._since_s = self._world.monotonic() if self._since_s is None else self._since_s
        if self._is_away():
            name = self._world.random.choice(self.away_as)
        else:
            name = self._script.pop(0) if self._script else self.forever or "ok"
        behaviour = BEHAVIOURS[name]
        said = json.loads(body)
        delivery, marked = said["props"]["atvm_delivery_id"], any(mark in said["text"] for mark in MARKS)
        self._world.tell(f"delivery {delivery}{' (marked)' if marked else ''} meets {name}")
        self.answer_after_s = round(self._world.random.uniform(0.01, 2.0), 3)
        self.requests.append(Message(delivery, marked, name, behaviour.stored))
        self._on_contact(delivery)
        return behaviour.reply()

    def unmarked_after_doubt(self) -> list[str]:
        """Return deliveries with an unmarked message after one that may have been seen already."""
        doubted: set[str] = set()
        wrong = []
        for message in self.requests:
            behaviour = BEHAVIOURS[message.behaviour]
            if not message.marked and message.delivery_id in doubted:
                wrong.append(message.delivery_id)
            if behaviour.arrives and not behaviour.refuses:
                doubted.add(message.delivery_id)
        return wrong

    def seen(self, delivery_id: str) -> list[Message]:
        """Return the posts of one delivery that a reader of the channel sees."""
        return [message for message in self.requests if message.delivery_id == delivery_id and message.stored]

    def marked_repeats(self, delivery_id: str) -> int:
        """Return the number of marked requests of one delivery that the server may have."""
        return sum(
            message.marked
            and BEHAVIOURS[message.behaviour].arrives
            and not BEHAVIOURS[message.behaviour].refuses
            for message in self.requests
            if message.delivery_id == delivery_id
        )
