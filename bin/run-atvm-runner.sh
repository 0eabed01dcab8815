#!/usr/bin/env bash
#
# Run the runner command of one request in the foreground; the runner unit executes this.
#
# Usage: run-atvm-runner.sh BUILD

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

exec_pipeline runner "$@"
