"""From evidence to phase and reason: how a sub-run ended, and how the run ended.

How it works.  `core/transitions.py` holds two tables, `SUBRUN_VERDICTS` and `RUN_VERDICTS`.  Each row names a condition
and the phase that follows; the first row whose condition holds decides.  The conditions are functions in `subrun_verdict`
and `run_verdict`; each returns the `Reason` (code, sentence, evidence) or None.  `atvm-pipeline verdicts` prints the tables.

The order of the rows is the rule of evidence.  A cancel request and an end from outside come first, because the specs that
ran until then prove nothing about the others.  Then a certain failure, then missing results, then the exit code, then a
log that cannot be parsed.  A pass is the last row: it is reached only if no other condition holds.

Evidence has two sources.  The log shows which specs ran and in which order; a fresh JUnit report may have more results of a
spec, or contradict the log.  Each report belongs to one spec of one sub-run (`report_matching`, `report_windows`,
`report_results`).  If any source in time counts a failure, the spec has failed, whatever the other source shows.

`ledger` turns both sources into one result per spec and host, and into sums that must balance:
planned = passed + failed + pending + skipped + crashed + not_run + no_report.  `subrun_context.SubRunContext` is all that is
derived about one sub-run: it is computed once per decision and passed to every condition.

A recorded verdict is final.  Facts that arrive later are kept in the state and can only add a note or, for the
run, a failure that no message has reported yet (`core/completion.py`).
"""
