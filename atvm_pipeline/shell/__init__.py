"""The imperative shell: everything that touches the host.  It decides nothing about runs."""
