"""Reason codes: the closed list, and the sentence of each.

Every verdict has one of these codes. A text is a template for one plain sentence, and `reason_parts.make_reason` fills in its
braces. A code that is not in this list does not exist: the tests read the list from here.
"""

REASONS: dict[str, str] = {
    # COMPLETED
    "all-passed": "{specs} passed{hosts}.",
    # FAILED, from results
    "tests-failed": "{failed} of {specs} failed: {names}.",
    "spec-crashed": "The browser or its process crashed during {names}.",
    "failure-unattributed": "{lines_report} a failure that matches no spec of this run: {names}. Either two Cypress runs write to the same log, or a test prints such lines.",
    "log-mixed": "The log mixes the output of two Cypress runs, so neither can be proven complete: {line}. Use a separate log for each run.",
    "totals-contradict": "The final table contradicts the specs: {detail}.",
    "runner-failed": "The runner ended with exit code {exit}, {ran}.",
    "runner-not-started": "The runner command was not started: {detail}.",
    "nothing-ran": "No test ran{detail}.",
    "results-missing": "{missing} of {specs} {have} no result: {names}.",
    "host-pending": "No spec passed for the requested {hosts}.",
    "wrong-hosts": "The specs that ran belong to {ran}, not to the requested {hosts}; the specPattern may be out of date.",
    # FAILED, from an early end that Cypress or its command line tool printed: the cause, a colon, and the fix
    "no-specs-found": "Cypress found no spec file: check the specPattern in the config file, and that the spec files exist.",
    "config-invalid": "Cypress could not use its config file: run the template again, or fix the setting shown in the log.",
    "plugin-error": "Code in the config file's setupNodeEvents or in a plugin threw an error: fix the code shown in the log.",
    "browser-not-found": "Cypress did not find the requested browser: install it, or set another one in the runner command.",
    "browser-not-connected": "The browser never connected to Cypress: check the controller's load, then start again.",
    "browser-closed": "The browser closed unexpectedly and Cypress gave up: start again; if it recurs, try another browser version.",
    "server-unreachable": "The application did not respond at the baseUrl: check that it is up and that the controller can reach it.",
    "cypress-not-installed": "Cypress is not installed or failed its own verification: install it for the user that runs it.",
    "dependency-missing": "Xvfb, which Cypress needs, is missing on the controller: install it.",
    "reporter-error": "Cypress could not load the reporter: install it at the path that the config file uses.",
    "record-key-invalid": "The record key is missing or was refused by the recording server: check the key that the runner uses.",
    "record-project-unknown": "The recording server does not know the project: check the projectId and the server's address.",
    "record-group-used": "The group name was already used for this ci-build-id: start again with a new ci-build-id.",
    "record-parallel-invalid": "The --parallel flag conflicts with this recorded run: use a new ci-build-id, or the flags of its first machine.",
    "record-run-stale": "The recorded run is complete or too old and accepts no new groups: start again with a new ci-build-id.",
    "record-flags-invalid": "The recording flags conflict with each other: check ci-build-id, group and parallel in the runner command.",
    "record-plan-exceeded": "The recording server's plan does not allow this run: raise its limits, or record on another server.",
    "record-server-error": "The recording server returned errors until Cypress gave up: check that it is up, then start again.",
    "run-canceled": "The run was canceled at the recording server: find out who canceled it and why, then start again.",
    "cypress-signalled": "Signal {detail} ended the Cypress process: {advice}.",
    "automation-lost": "Cypress lost its connection to the browser and gave up: start again; if it recurs, try another browser version.",
    "heap-exhausted": "Cypress ran out of memory in its JavaScript heap: raise the limit with NODE_OPTIONS=--max-old-space-size, or split the spec.",
    "xvfb-failed": "Xvfb, the display that Cypress starts, exited at once: look for another X server or a lock file on the same display.",
    "arguments-invalid": "Cypress rejected its command line: check the runner command.",
    "cypress-error": "Cypress ended with an internal error: read the error in the log.",
    "spec-compile-error": "A spec file could not be bundled: fix the import or the syntax shown in the log.",
    # CANCELLED
    "cancel-requested": "The run was cancelled by {who}: {why}.",
    # TERMINATED
    "runner-signalled": "The runner was ended from outside by {detail}.",
    "runner-stopped": "The runner was stopped on request{detail}.",
    "out-of-memory": "The kernel killed the runner because memory ran out.",
    "runner-vanished": "The runner disappeared without an exit record before everything had finished.",
    "host-rebooted": "The controller host rebooted during the run.",
    # HUNG
    "quiet-with-cause": "No progress for {quiet}, and {cause}.",
    "stalled": "No progress for {quiet}.",
    "total-limit": "The run exceeded its total time limit of {limit}.",
    # UNKNOWN
    "no-summary": "The log has no Cypress summary (cypress run --quiet prints none), and the reports alone do not prove a pass.",
    "log-unreadable": "The log contains Cypress output, but no line of it could be parsed. The first looks like this: {line}. Let the runner write the lines as Cypress prints them, or with one fixed prefix.",
    "no-evidence": "There is no evidence of the result: {detail}.",
    "runner-never-started": "No runner was seen within {limit}.",
    # while running
    "running": "The run is in progress.",
    "pending": "No runner has been seen yet.",
}
"""Reason code -> sentence. The last two belong to the phases RUNNING and PENDING."""


_NAMELESS = frozenset({"tests-failed", "no-summary", "log-unreadable"})


def no_spec(code: str) -> str:
    """Return the sentence about an empty ledger. A failing totals row or reports alone prove that specs ran, but name none."""
    return "No spec is known by name" if code in _NAMELESS else "No spec ran"
