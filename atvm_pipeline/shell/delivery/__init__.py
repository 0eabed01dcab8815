"""Delivery to Mattermost: one attempt per call, with an exact report of how far it got.

How it works. The core decides what is sent and when: `core/messages` keeps the outbox, one state machine per message
(pending -> sent, rejected, uncertain, expired or dropped). The payload is rendered in the core, so the journal proves
what was sent. This package performs one attempt: `sender` adds the channel and the secret, which are in no journal and
no state file; `http` makes one POST on a fresh connection; `mattermost` classifies the response.

An attempt has one of these outcomes:

- not arrived: the connection failed before the first byte of the request was sent. It may be repeated unmarked.
- probably not arrived: a proxy answered 502 or 503. The server is pinged before each repeat, and a repeat is marked.
- rejected: the server refused the message for good (a deleted webhook, a locked channel).
- uncertain: the request was sent and there is no trustworthy response. It is repeated once, visibly marked.
- sent: 200 with the body `ok`.

An attempt runs in one worker thread with a total time limit. Nothing is retried, redirected or reused at the level of
HTTP: a retry there would send a message twice without a mark.

`alerts` sends one line to the alert channel without the outbox: for a dead watcher or a disk that accepts no writes.
"""
