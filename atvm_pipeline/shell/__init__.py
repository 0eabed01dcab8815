"""The impure shell: sources that feed facts in, performers that carry effects out.  Decides nothing about runs."""
