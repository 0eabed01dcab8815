"""Reason codes: the closed list, and the sentence that goes with each.

Every verdict names one of these.  A text is a template for one plain sentence; the braces are filled by
`verdict.py`.  A code that is not in this list does not exist: the test over it reads the list from here.
"""

REASONS: dict[str, str] = {
    # COMPLETED
    "all-passed": "All {planned} planned specs passed{hosts}.",
    # FAILED, from results
    "tests-failed": "{failed} of {planned} specs failed: {names}.",
    "spec-crashed": "The browser or its process died in {names}.",
    "runner-failed": "Everything that ran passed, but the runner ended with exit code {exit}.",
    "runner-not-started": "The runner command could not be started: {detail}.",
    "nothing-ran": "Cypress ended without running a single test.",
    "results-missing": "{missing} of {planned} planned specs have no result: {names}.",
    "host-pending": "No passed result for the requested {hosts}.",
    "wrong-hosts": "The specs that ran belong to {ran}, not to the requested {hosts}; the specPattern may be stale.",
    # FAILED, from an early end that Cypress or its command line tool printed
    "no-specs-found": "Cypress found no spec files for the specPattern.",
    "config-invalid": "Cypress could not use its config file.",
    "plugin-error": "Code in the plugins or setupNodeEvents file threw an error.",
    "browser-not-found": "Cypress did not find the requested browser.",
    "browser-not-connected": "The browser never connected to Cypress.",
    "browser-closed": "The browser closed unexpectedly and Cypress aborted.",
    "server-unreachable": "The application's server did not answer on the baseUrl.",
    "cypress-not-installed": "Cypress is not installed or did not pass its own verification.",
    "dependency-missing": "A system package that Cypress needs is missing (Xvfb).",
    "reporter-error": "Cypress could not load the reporter.",
    "record-key-invalid": "The recording server refused the record key.",
    "record-project-unknown": "The recording server does not know the project.",
    "record-group-used": "The group name has already been used for this ci-build-id.",
    "record-parallel-invalid": "The --parallel flag does not fit this recorded run.",
    "record-run-stale": "The recorded run is complete or too old and accepts no new groups.",
    "record-flags-invalid": "The recording flags do not fit together (ci-build-id, group, parallel).",
    "record-plan-exceeded": "The recording server's plan does not allow this run: raise its limits, or record elsewhere.",
    "record-server-error": "The recording server answered with an error and Cypress gave up.",
    "run-canceled": "The run was canceled at the recording server.",
    "cypress-signalled": "The Cypress process was ended by signal {detail}.",
    "spec-compile-error": "A spec file could not be prepared (bundling failed).",
    # CANCELLED
    "cancel-requested": "The run was cancelled by {who}: {why}.",
    # TERMINATED
    "runner-signalled": "The runner was ended from outside by {detail}.",
    "runner-stopped": "The runner was stopped on request.",
    "out-of-memory": "The kernel ended the runner because memory ran out.",
    "runner-vanished": "The runner is gone, left no exit record, and something is unfinished.",
    "host-rebooted": "The controller host rebooted while the run was going on.",
    # HUNG
    "quiet-with-cause": "Nothing moved for {quiet} and {cause}.",
    "stalled": "Nothing moved for {quiet}.",
    "total-limit": "The run passed its total limit of {limit}.",
    # UNKNOWN
    "no-evidence": "There is nothing to judge by: {detail}.",
    "runner-never-started": "No runner was seen within {limit}.",
    # while running
    "running": "The run is going on.",
    "pending": "No runner has been seen yet.",
}
"""Reason code to sentence.  The last two belong to the phases RUNNING and PENDING."""
