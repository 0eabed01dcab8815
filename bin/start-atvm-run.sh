#!/usr/bin/env bash
#
# Start one request: template command, watcher, then runner. Return when the runner is known to run.
#
# Usage: start-atvm-run.sh --build-name BUILD --runner-command COMMAND [--template-command COMMAND] [options]

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

exec_pipeline run "$@"
