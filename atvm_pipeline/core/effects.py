"""The closed union of what the shell must do.

Effects are data, asked for by the change between two states, each with a key derived from the state: the same
history asks for the same keys.
"""

from typing import Literal

import msgspec


class EffectBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Fields that every effect has."""

    key: str


class PostMessage(EffectBase, frozen=True, kw_only=True, tag="post-message"):
    """Make one attempt to deliver a post.  Its outcome comes back as `DeliverySettled` with the same key and attempt.

    Not idempotent: whoever begins it and dies leaves an uncertain delivery.
    """

    attempt: int
    kind: Literal["main", "alert"]
    """Which channel: the run's or the alert channel."""
    payload: str
    """The webhook body as JSON text, without the channel."""


class PingServer(EffectBase, frozen=True, kw_only=True, tag="ping-server"):
    """Ask the server, without the secret, whether it is back.  The answer returns as `ServerPinged`.

    Idempotent: a ping that a crash cut off is repeated.
    """

    ping: int


class EndWatching(EffectBase, frozen=True, kw_only=True, tag="end-watching"):
    """The run is over and every post is settled: the watcher's work is done."""


Effect = PostMessage | PingServer | EndWatching
"""Everything that can be asked for."""
