"""Sources of events: they turn the state of the host into events for the core. They decide nothing about runs.

How it works. `collector.Sources` polls every source in one order that loses nothing. The exit record is read first and
passed on last: everything that was written before the runner ended is read before the core receives the end. File
system notifications (`fs_events`) are only hints. After a hint, and every three seconds without one, the sources are
polled; a lost notification costs three seconds and nothing else.

Following the log. `log_follower.LogFollower` follows a file by its identity (device, inode and its first bytes), not by
its name. Each of these cases has a test:

- The file is renamed and a new one takes its name (logrotate): the old file is read to its end, then the files that
  were rotated in between, oldest first (`log_rotation`), then the new one. A spec that started in one file continues in
  the next.
- The file is truncated or deleted: a `LogReplaced` event reports how much could not be read, or that it is unknown.
- The name leads to no file, to an empty file or to an unreadable one: reading continues in the old file, because a
  writer whose log was renamed continues to write to it.
- `copytruncate`: the bytes at the place where reading stopped are compared, so a file that has grown past that place
  again is not mistaken for the old one.

Reports. `report_files` lists the artifact directory and reads each new version of a file once. A report that existed
before the run (inode, size and modification time are in a listing taken before the template) is stale.

Processes. The process tree is the third source: it shows whether the runner and its Cypress processes are alive, and,
for a hung run, why (`shell/processes`).
"""
