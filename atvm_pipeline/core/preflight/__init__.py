"""Preflight: comparison of request, config file and commands before anything is started.

How it works. `checks.find_mismatches` compares the request (build name, hosts, --config-file, --categorize) with the
template command, the runner command and the spec files that the config selects. Each mismatch is a `PreflightFinding`.
A certain one refuses the start, unless the operator passes --no-preflight or the runner is already running; any other
is only a warning. `report.compare_request` adds the checks that passed, and those that were not possible, with the reason:
the start shows all of them. The package reads no file: `shell/start/run_preflight.py` and `spec_files.py` pass in the texts and
the list of spec files.

Whether every requested host has a spec depends on the spec files that the run will execute. `spec_pattern` reads
`specPattern` from the Cypress config, a program in JavaScript or TypeScript that is never executed: `js_tokens` splits
it into tokens, `js_objects` evaluates object literals, and `node_events` checks that `setupNodeEvents` leaves the
config unchanged. `globs` matches the patterns with the spec files as Cypress does, and `runner_command` detects
commands that may use another directory, user or pattern.

The rule for every step: a false alarm is worse than silence. A value is used only if no run of the program could change
it. Any other value is not known (None), and refuses nothing. Where Cypress's rules are subtle, the reading is liberal,
so that it finds a spec too many rather than one too few.
"""
