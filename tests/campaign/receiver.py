"""The campaign's receiver: Mattermost's model; records requests, can be down, and reports moments."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from tests.support.mattermost_server import (
    Behaviour,
    Call,
    MattermostModel,
    _Handler,
    _Server,
    away,
    drop_after_accept,
    drop_before_read,
    error,
    half_answer,
    healthy,
    ok,
    page,
    passed_on,
    passed_on_later,
    posted_500,
    rate_limited,
    raw,
    redirect,
    says,
    slow,
)

MARKS = (":warning: **Possible duplicate**", ":warning: **Sent again by hand**")
STAGES = ("asked", "stored", "answered")
"""A request has arrived; its post is where readers see it, and no answer was sent; the answer was sent."""

BEHAVIOURS: dict[str, Callable[[], Behaviour]] = {
    "ok": ok,
    "slow, then ok": lambda: slow(1.5),
    "stores, answers another word": lambda: says(b"fine"),
    "stores, half an answer": half_answer,
    "stores, then 500": posted_500,
    "stores, then drops": drop_after_accept,
    "stores, no HTTP in its answer": lambda: raw(b"\x15\x03\x01"),
    "drops unread": drop_before_read,
    "a page with 200": page,
    "a page with 502": lambda: page(502),
    "503": lambda: error(503),
    "stores, then 502": lambda: passed_on(502),
    "503, then stores": lambda: passed_on_later(503),
    "504": lambda: away(504),
    "429, wait 1 s": rate_limited,
    "redirect": lambda: redirect(302),
    "400": lambda: error(400),
}
LYING = [name for name in BEHAVIOURS if name != "ok"]
SILENT = "silent for longer than is waited"
BEHAVIOURS[SILENT] = lambda: slow(33)


GATEWAYS: dict[str, Callable[[], Behaviour]] = {
    "instead": lambda: away(502),
    "after": lambda: passed_on(502),
    "before": lambda: passed_on_later(503),
}
"""A gateway's treatment of a post in a restart: it answers instead of, after or before passing it on."""
PINGS: dict[str, Callable[[], Behaviour]] = {
    "truthful": lambda: away(503),
    "lying": healthy,
    "missing": lambda: page(404),
}
"""Its answers to a ping meanwhile."""


class Heard(NamedTuple):
    """One post as it came in a request that was read."""

    number: int
    """Requests are counted as they arrive, however late they are read."""
    delivery_id: str
    marked: bool
    text: str
    stored: bool


@dataclass(frozen=True)
class _Noted(Call):
    """A request whose body is recorded when a behaviour reads it."""

    bodies: list[bytes] = field(default_factory=list)

    def read(self) -> bytes:
        body = super().read()
        self.bodies.append(body)
        return body


class Receiver(MattermostModel):
    """A model that keeps the history of each delivery in `heard`."""

    def __init__(self) -> None:
        super().__init__()
        self._bind_by_number()
        self.heard: list[Heard] = []
        self.on_stage: Callable[[str], None] = lambda _stage: None
        """Called in the request's own thread: nothing continues before it returns."""
        self.arrived = 0
        self.active = 0
        """Requests that are being handled."""
        self._noting = threading.Lock()
        self._own = threading.local()
        self._is_up = True
        self._gateway: tuple[str, str] | None = None
        self._ping = ""

    def _bind_by_number(self) -> None:
        """Listen on the same port by its number: only such a port stays ours while no peer is let in."""
        self._server.server_close()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.model = self
        self._thread = self._serving()

    def _serving(self) -> threading.Thread:
        return threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def script_by_name(self, names: tuple[str, ...]) -> None:
        """Use one behaviour a request; the last one repeats."""
        self.script(*(BEHAVIOURS[name]() for name in names))

    def next_behaviour(self) -> Behaviour:
        behaviour = super().next_behaviour()
        return partial(self._handle, GATEWAYS[self._gateway[0]]() if self._gateway else behaviour)

    def next_ping(self, headers: dict[str, str]) -> Behaviour:
        behaviour = super().next_ping(headers)
        if self._gateway is None:
            return page(404) if self._ping == "missing" else behaviour
        return PINGS[self._gateway[1]]()

    def behind(self, gateway: tuple[str, str] | None) -> None:
        """Be away behind a gateway (its treatment of a post, its answer to a ping) or answer again (None)."""
        self._ping = gateway[1] if gateway is not None else self._ping
        self._gateway = gateway

    def _handle(self, behaviour: Behaviour, call: Call) -> None:
        with self._noting:
            self.active += 1
            self.arrived += 1
            number = self.arrived
        self._own.stored = False
        noted = _Noted(call.model, call.handler, call.headers)
        try:
            self.on_stage("asked")
            behaviour(noted)
        finally:
            self._note(number, noted.bodies, stored=self._own.stored)
            self.on_stage("answered")
            with self._noting:
                self.active -= 1

    def _note(self, number: int, bodies: list[bytes], *, stored: bool) -> None:
        for body in bodies:
            try:
                payload = json.loads(body)
            except ValueError:
                continue  # cut off by a death in the middle
            text = str(payload["text"])
            delivery = str(payload["props"]["atvm_delivery_id"])
            with self._noting:
                self.heard.append(Heard(number, delivery, text.startswith(MARKS), text, stored))

    def store(self, payload: dict[str, Any], headers: dict[str, str]) -> None:
        super().store(payload, headers)
        self._own.stored = True
        self.on_stage("stored")

    def down(self) -> None:
        """Refuse every connection from now on, the port being kept."""
        if self._is_up:
            self._is_up = False
            self._server.shutdown()
            self._thread.join()
            # HAProxy pauses a listener the same way: its port stays bound, and no connection is accepted.
            self._server.socket.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Listen again."""
        if not self._is_up:
            self._is_up = True
            self._server.socket.listen(16)
            self._thread = self._serving()
            self._thread.start()
