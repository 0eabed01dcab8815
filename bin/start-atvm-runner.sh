#!/usr/bin/env bash
#
# Start the runner of one request.
#
# Usage: start-atvm-runner.sh --build-name BUILD --runner-command COMMAND [options]

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

exec_pipeline run --only runner "$@"
