#!/usr/bin/env bash
#
# Stop the runner of one request and all processes of its tree.
#
# Usage: cancel-atvm-runner.sh --build-name BUILD [--why TEXT]

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

exec_pipeline cancel --only runner "$@"
