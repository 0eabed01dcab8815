"""The watcher: the long-running process that follows one run until it has ended and each message is settled.

How it works. `loop.Loop` has one bounded queue and one thread that decides. Sources and senders only put something into
the queue: an event, or a hint that a path may have changed. For every batch of events the order is fixed:

- append the events to the journal,
- reduce them to the new state (`core/reducer.py`),
- sync the journal to disk,
- perform the effects (send a message, end the watch),
- save `state.json` if phase, counts or messages changed, else within a second.

No effect is performed before its cause is on disk, so a watcher that is killed at any point finds everything it needs:
an attempt to deliver that was started and has no outcome in the journal is uncertain, and is repeated only with a mark.
The snapshots are derived from the journal; no effect waits for them.

Time only acts through a `ClockTicked` event, and a tick follows a scan of all sources. So no limit passes while
something that already happened has not been read. Limits count watched seconds: monotonic time during which a watcher
was watching.

A full disk does not end a watcher. `disk_retry.retry_io` repeats the write until it succeeds, because the loop must not act
on an event that it could not record, and a new watcher would find the same full disk. Permanent errors (permissions, a
read-only file system) refuse the start instead.

The log of a watcher (journald, `watcher.log`) is written by `story_log`, after the effects of an event: `story` derives
one line for each fact from the states before and after the event. A line never delays the loop: if the log accepts none
at once, it waits, and the oldest lines are dropped at a limit. Repeating lines, of a server that refuses for days, are
logged at growing intervals.

`service` assembles all of this for one run: locks, sources, loop, signals, and the first event of a new journal.
"""
