"""The state directory of a build: paths, records, journal and snapshots, retention."""
