"""What `doctor` looks at, by subject.  Each check only looks, and never raises for what it finds."""
