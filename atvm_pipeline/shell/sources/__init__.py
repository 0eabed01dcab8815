"""The sources of events: the host on one side, events for the core on the other.  Nothing is decided here.

How it works.  `collector.Sources` asks every source in one order that loses nothing.  The exit record is looked for
first and passed on last: everything that was written before the runner ended is read before the core hears of the end.
File system notifications (`fs_events`) are only hints.  After a hint, and every three seconds without one, the sources
are asked for news; a lost notification costs three seconds and nothing else.

Following the log.  `log_follower.LogFollower` follows a file by its identity (device, inode and its first bytes),
not by its name.  The cases, each of them a test:

- The file is renamed and a new one takes its name (logrotate): the old file is read to its end, then the files that
  were rotated in between, oldest first (`log_rotation`), then the new one.  A spec that started in one file continues
  in the next.
- The file is truncated or deleted: a `LogReplaced` event says how much could not be read, or that it is unknown.
- The name leads to nothing, to an empty file or to one that cannot be read: the old file is read on, because a writer
  whose log was renamed continues to write to it.
- `copytruncate`: the bytes at the place where reading stopped are compared, so a file that has grown past that place
  again is not mistaken for the old one.

Reports.  `reports` lists the artifact directory and reads each new version of a file once.  A report that was there
before the run (inode, size and modification time are in a listing taken before the template) is stale.

Processes.  The process tree is the third source: it shows whether the runner and its Cypress processes are alive,
and, for a hung run, why (`shell/processes`).
"""
