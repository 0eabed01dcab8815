"""The closed union of effects: the actions that the core requests from the shell.

Effects are data, derived from the change between two states. Each has a key derived from the state, so the same history
produces the same keys.
"""

from typing import Literal

import msgspec


class EffectBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Fields that every effect has."""

    key: str


class PostMessage(EffectBase, frozen=True, kw_only=True, tag="post-message"):
    """Make one attempt to deliver a post. Its outcome returns as `DeliverySettled` with the same key and attempt.

    Not idempotent: a watcher that starts it and dies leaves an uncertain delivery.
    """

    attempt: int
    kind: Literal["main", "alert"]
    """The channel: the run's or the alert channel."""
    payload: str
    """The webhook body as JSON text, without the channel."""


class PingServer(EffectBase, frozen=True, kw_only=True, tag="ping-server"):
    """Ping the server, without the secret, to find out whether it is back. The answer returns as `ServerPinged`.

    Idempotent: a ping that a crash interrupted is repeated.
    """

    ping: int


class EndWatching(EffectBase, frozen=True, kw_only=True, tag="end-watching"):
    """Stop watching: the run has ended and every post is settled."""


Effect = PostMessage | PingServer | EndWatching
"""Every effect that the core can request."""
