"""Reason codes: the closed list, and the sentence that goes with each.

Every verdict names one of these.  A text is a template for one plain sentence; the braces are filled by
`run_verdict.py`.  A code that is not in this list does not exist: the test over it reads the list from here.
"""

REASONS: dict[str, str] = {
    # COMPLETED
    "all-passed": "All {planned} planned specs passed{hosts}.",
    # FAILED, from results
    "tests-failed": "{failed} of {planned} specs failed: {names}.",
    "spec-crashed": "The browser or its process died in {names}.",
    "failure-unattributed": "{lines} of the log report a failure and fit no spec of this run: {names}. Two Cypress runs may write into one log, or a test prints such lines.",
    "log-mixed": "Two Cypress runs are mixed in one log, so neither can be proven complete: {line}. Give each run its own log.",
    "totals-contradict": "The final table contradicts the specs: {detail}.",
    "runner-failed": "The runner ended with exit code {exit}, {ran}.",
    "runner-not-started": "The runner command was not started: {detail}.",
    "nothing-ran": "Not one test ran{detail}.",
    "results-missing": "{missing} of {planned} planned specs have no result: {names}.",
    "host-pending": "No passed result for the requested {hosts}.",
    "wrong-hosts": "The specs that ran belong to {ran}, not to the requested {hosts}; the specPattern may be stale.",
    # FAILED, from an early end that Cypress or its command line tool printed: what happened, and what to do about it
    "no-specs-found": "Cypress found no spec file: check the specPattern of the config file, and that the spec files are there.",
    "config-invalid": "Cypress could not use its config file: run the template again, or mend what the log quotes.",
    "plugin-error": "Code in the config file's setupNodeEvents or in a plugin threw an error: mend the code that the log quotes.",
    "browser-not-found": "Cypress did not find the requested browser: install it, or name another one in the runner command.",
    "browser-not-connected": "The browser never connected to Cypress: look at the controller's load, then start again.",
    "browser-closed": "The browser closed unexpectedly and Cypress gave up: start again; if it recurs, try another browser version.",
    "server-unreachable": "The application did not answer on the baseUrl: check that it is up and that the controller reaches it.",
    "cypress-not-installed": "Cypress is not installed or did not pass its own verification: install it for the user that runs it.",
    "dependency-missing": "Xvfb, which Cypress needs, is missing on the controller: install it.",
    "reporter-error": "Cypress could not load the reporter: install it where the config file looks for it.",
    "record-key-invalid": "The record key is missing or was refused by the recording server: check the key that the runner uses.",
    "record-project-unknown": "The recording server does not know the project: check the projectId and the server's address.",
    "record-group-used": "The group's name was used before for this ci-build-id: start again with a new ci-build-id.",
    "record-parallel-invalid": "The --parallel flag does not fit this recorded run: use a new ci-build-id, or the flags of its first machine.",
    "record-run-stale": "The recorded run is complete or too old and takes no new groups: start again with a new ci-build-id.",
    "record-flags-invalid": "The recording flags do not fit together: the runner has to give ci-build-id, group and parallel as Cypress asks.",
    "record-plan-exceeded": "The recording server's plan does not allow this run: raise its limits, or record elsewhere.",
    "record-server-error": "The recording server answered with an error until Cypress gave up: check that it is up, then start again.",
    "run-canceled": "The run was canceled at the recording server: ask who did that and why, then start again.",
    "cypress-signalled": "The Cypress process was ended by signal {detail}: {advice}.",
    "automation-lost": "Cypress lost its connection to the browser and gave up: start again; if it recurs, try another browser version.",
    "heap-exhausted": "Cypress ran out of memory in its JavaScript heap: raise the limit with NODE_OPTIONS=--max-old-space-size, or split the spec.",
    "xvfb-failed": "Xvfb, the display that Cypress starts, ended at once: look for a second X server or its lock file on that display.",
    "arguments-invalid": "Cypress does not accept how it was called: check the runner command.",
    "cypress-error": "Cypress ended with an error of its own: look at the lines that the log shows for it.",
    "spec-compile-error": "A spec file could not be bundled: mend the import or the syntax that the log quotes.",
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
    "no-summary": "The log has no summary of Cypress (cypress run --quiet prints none), and the reports alone do not prove a pass.",
    "log-unreadable": "Cypress's words occur in the log, and none of its lines can be read. The first looks like this: {line}. Let the runner write the lines as Cypress does, or with one prefix before each.",
    "no-evidence": "There is nothing to judge by: {detail}.",
    "runner-never-started": "No runner was seen within {limit}.",
    # while running
    "running": "The run is going on.",
    "pending": "No runner has been seen yet.",
}
"""Reason code to sentence.  The last two belong to the phases RUNNING and PENDING."""


def no_spec(code: str) -> str:
    """Say that a ledger is empty.  A failing totals row alone proves that specs ran, but names none."""
    return "No spec is known by name" if code == "tests-failed" else "No spec ran"
